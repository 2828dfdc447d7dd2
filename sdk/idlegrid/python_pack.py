"""Packing a Python program: its files, with what starts them, in one file that is always the same.

See ``idlegrid_shared.sandbox.pack`` for the form. What cannot work in the sandbox is refused here,
by name, with file and line: see :mod:`.program.python_import`.
"""

import hashlib
import secrets
from importlib import resources
from pathlib import Path

import idlegrid_task
from idlegrid_shared.box.python import BOOT
from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.sandbox.pack import PACK_BYTES_MAX, PackError, write_pack

from .app import App, ProgramSource
from .built import BuiltProgram, Say
from .fault import BuildError
from .place import build_folder
from .program.python_import import find_faults

TASK_MODULE = "idlegrid_task.py"
LEFT_OUT = frozenset({"__pycache__", "build"})


def build_python(app: App, program: ProgramSource, on_step: Say) -> BuiltProgram:
    """Pack the program; raises :class:`BuildError`."""
    # Combine steps are never interrupted.
    if app.checkpoint == "auto" and program.name == app.split.program:
        raise BuildError(
            f"program {program.name}: a Python program cannot be frozen by itself: take "
            'checkpoint = "none", or "app" and write your own checkpoints'
        )
    if on_step is not None:
        on_step(f"packing {program.name}")
    files = program_files(program)
    faults = find_faults(files, app.python, program.allowed)
    if faults:
        raise BuildError(
            f"program {program.name} imports what cannot work in the sandbox:",
            detail="\n".join(faults),
        )
    files[BOOT] = (resources.files("idlegrid.guest") / BOOT).read_bytes()
    files[TASK_MODULE] = Path(idlegrid_task.__file__).read_bytes()
    try:
        data = write_pack(files)
    except PackError as error:
        raise BuildError(f"program {program.name}: {error}") from error
    target = build_folder(app.folder) / f"{program.name}.zip"
    fresh = not target.is_file() or target.read_bytes() != data
    if fresh:
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
        temporary.write_bytes(data)
        temporary.replace(target)
    return BuiltProgram(
        name=program.name,
        path=target,
        entry=ManifestEntry(target.name, hashlib.sha256(data).hexdigest(), len(data)),
        compiled=fresh,
        start=program.start,
        interpreter=app.python,
    )


def program_files(program: ProgramSource) -> dict[str, bytes]:
    """The program's own files by their names in the guest; raises :class:`BuildError`."""
    place = program.module
    if place is None:
        raise BuildError(f"program {program.name} has neither script nor folder")
    if place.is_file():
        return {place.name: place.read_bytes()}
    found: dict[str, bytes] = {}
    size = 0
    for path in sorted(place.rglob("*")):
        inside = path.relative_to(place)
        if any(part in LEFT_OUT or part.startswith(".") for part in inside.parts):
            continue
        if path.is_symlink():
            raise BuildError(
                f"program {program.name}: {path} is a link; put the file itself in its place"
            )
        if not path.is_file() or path.suffix == ".pyc":
            continue
        name = inside.as_posix()
        if name in (BOOT, TASK_MODULE):
            raise BuildError(
                f"program {program.name}: the name {name} is Idlegrid's own, which packs such a "
                f"file itself; remove or rename {path}"
            )
        size += path.stat().st_size
        if size > PACK_BYTES_MAX:
            raise BuildError(
                f"program {program.name}: the files in {place} have more than {PACK_BYTES_MAX} "
                "bytes; data belongs in [split] inputs"
            )
        found[name] = path.read_bytes()
    return found
