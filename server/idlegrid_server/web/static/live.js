// Keeps the parts marked data-live current: asks for the page again and swaps what has changed.
(function () {
  "use strict";
  var every = 3000, longest = 60000, wait = every;
  function parts(root) { return Array.prototype.slice.call(root.querySelectorAll("[data-live]")); }
  function take(text) {
    var fresh = new DOMParser().parseFromString(text, "text/html");
    var ours = parts(document), theirs = parts(fresh);
    var names = function (list) { return list.map(function (e) { return e.getAttribute("data-live"); }).join(); };
    if (names(ours) !== names(theirs)) { location.reload(); return false; }
    ours.forEach(function (old, i) {
      if (old.innerHTML !== theirs[i].innerHTML && !old.contains(document.activeElement)) {
        old.innerHTML = theirs[i].innerHTML;
      }
    });
    document.title = fresh.title;
    return !!fresh.querySelector('script[src$="live.js"]');
  }
  function look() {
    if (document.hidden) { setTimeout(look, every); return; }
    fetch(location.href, { headers: { Accept: "text/html" }, credentials: "omit" })
      .then(function (r) { if (!r.ok) { throw new Error(r.status); } return r.text(); })
      .then(function (text) { wait = every; if (take(text)) { setTimeout(look, wait); } })
      .catch(function () { wait = Math.min(longest, 2 * wait); setTimeout(look, wait); });
  }
  setTimeout(look, every);
})();
