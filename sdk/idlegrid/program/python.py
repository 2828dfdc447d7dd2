"""Python programs: a script, or a folder with a script or a function to start."""

import re
from pathlib import Path

from idlegrid.app import ProgramSource
from idlegrid.limit import read_limits
from idlegrid.section import Section, app_file, app_folder
from idlegrid_shared.manifest import ManifestError, check_name

_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
EXAMPLE = '"main.py" (a script) or "fit:run" (function run of fit.py)'


def read_python(section: Section, name: str) -> ProgramSource:
    """The program in ``section``; raises ``AppFileError``."""
    if section.has("script") == section.has("folder"):
        raise section.error("script", f'give either script = "src/{name}.py" or folder = "src"')
    if section.has("script"):
        place = app_file(section, "script", section.text("script", f'"src/{name}.py"'))
        root, start = place.parent, section.text("entry", EXAMPLE, place.name)
    else:
        place = root = app_folder(section, "folder", section.text("folder", '"src"'))
        start = section.text("entry", EXAMPLE)
    start = _check_entry(section, root, start)
    form = section.text("args", '"json"', "text")
    if form not in ("text", "json"):
        raise section.error("args", f'{form!r} must be "text" or "json"')
    if form == "json":
        if ":" not in start:
            raise section.error("args", '"json" is for functions: a script reads sys.argv, as text')
        start += " json"
    return ProgramSource(
        name=name,
        runtime="python",
        module=place,
        start=start,
        allowed=section.texts("allow_imports", '["threading"]', []),
        limits=read_limits(section),
    )


def _check_entry(section: Section, root: Path, entry: str) -> str:
    """``entry`` if it names a file below ``root``, or a function in one."""
    if ":" not in entry:
        try:
            file = root / check_name(entry)
        except ManifestError as error:
            raise section.error("entry", str(error)) from error
        if not file.is_file():
            raise section.error("entry", f"there is no {entry!r} in {root}; write {EXAMPLE}")
        return entry
    if not _FUNCTION.fullmatch(entry):
        raise section.error("entry", f"{entry!r} must be {EXAMPLE}")
    module = root.joinpath(*entry.partition(":")[0].split("."))
    if not (module.with_name(f"{module.name}.py").is_file() or (module / "__init__.py").is_file()):
        raise section.error("entry", f"there is no module {entry.partition(':')[0]!r} in {root}")
    return entry
