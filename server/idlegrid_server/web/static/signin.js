// The code stands behind the # of the link, which the browser sends to nobody: put it in the form.
(function () {
  "use strict";
  var found = /(?:^|[#&])token=([A-Za-z0-9_-]+)/.exec(location.hash);
  var field = document.getElementById("code");
  try {
    if (found) { sessionStorage.setItem("code", found[1]); }
    field.value = field.value || sessionStorage.getItem("code") || "";
  } catch (e) { if (found) { field.value = found[1]; } }
  if (field.value) { document.getElementById("code-row").hidden = true; }
  if (found && window.history.replaceState) { history.replaceState(null, "", location.pathname); }
})();
