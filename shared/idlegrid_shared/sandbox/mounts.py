"""Read-only files outside /in: a program's own sources, the library of its interpreter.

``mounts`` maps guest paths to host files, ``packs`` maps guest folders to packs (see :mod:`.pack`).
Both name places below the root, with ``/`` between the parts and none in front. They cost no quota:
the guest cannot change them.
"""

from .fault import Refused
from .filesystem import FileSystem
from .inputs import regular_size
from .pack import PackError, read_index

#: Folders with a meaning of their own.
TAKEN = frozenset({"in", "out", "checkpoint", "dev"})
CONTROL_FOLDER = ("dev", "idlegrid")
CONTROLS = ("progress", "safepoint")


def mount_all(
    files: FileSystem, mounts: dict[str, str], packs: dict[str, str], *, control: bool
) -> None:
    """Add all mounts to a fresh file system, and the control files if ``control``.

    Raises ``Refused("bad_input")`` for a place that cannot be, ``Refused("bad_module")`` for a file
    that is no pack, and ``HostFault``.
    """
    for path in sorted(mounts):
        _check_place(path)
        files.add_read_only(files.root, path, mounts[path])
    for folder in sorted(packs):
        _check_place(folder)
        source = packs[folder]
        regular_size(source)
        try:
            with open(source, "rb") as file:  # noqa: PTH123 (pathlib costs start time)
                members = read_index(file)
        except PackError as error:
            raise Refused("bad_module", f"the program's files are no good pack: {error}") from error
        for name, offset, size in members:
            files.add_read_only(files.root, f"{folder}/{name}", source, offset, size)
    if control:
        files.add_controls(CONTROL_FOLDER, CONTROLS)


def _check_place(path: str) -> None:
    if path.partition("/")[0] in TAKEN:
        raise Refused("bad_input", f"nothing can be mounted at /{path}: that place is taken")
