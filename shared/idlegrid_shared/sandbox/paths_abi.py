"""WASI functions on paths: ``path_*``. A path is walked in the virtual tree and nowhere else."""

from collections.abc import Callable

from . import abi
from .descriptor import Descriptor
from .fault import WasiError
from .files_abi import check_changeable, check_times, filestat
from .node import Node
from .world import World


def _walk(world: World, fd: int, path: int, size: int) -> tuple[Node, str, Node | None]:
    folder = world.descriptors.folder(fd)
    return world.files.walk(folder, _raw(world, path, size))


def _raw(world: World, path: int, size: int) -> bytes:
    span = world.memory.span(path, size)
    # One byte more than allowed is enough to be refused; a huge path is never copied.
    return bytes(span[:4097])


def _find(world: World, fd: int, path: int, size: int) -> Node:
    node = _walk(world, fd, path, size)[2]
    if node is None:
        raise WasiError(abi.NO_ENTRY)
    return node


def _check_lookup(flags: int) -> None:
    if flags & ~abi.LOOKUP_ALL:
        raise WasiError(abi.INVALID)


def path_open(
    world: World,
    fd: int,
    lookup: int,
    path: int,
    size: int,
    how: int,
    rights: int,
    inheriting: int,
    flags: int,
    result: int,
) -> None:
    """Open or create a file, or open a folder. What is read-only cannot be opened for writing."""
    world.memory.span(result, 4)
    _check_lookup(lookup)
    folder, name, node = _walk(world, fd, path, size)
    if how & ~0b1111 or flags & ~abi.FLAGS_ALL:
        raise WasiError(abi.INVALID)
    world.descriptors.room()
    writable = bool(rights & abi.RIGHT_WRITE)
    if node is None:
        if not how & abi.OPEN_CREATE:
            raise WasiError(abi.NO_ENTRY)
        if how & abi.OPEN_FOLDER:
            raise WasiError(abi.INVALID)
        if _raw(world, path, size).endswith(b"/"):
            raise WasiError(abi.IS_FOLDER)
        node = world.files.create_file(folder, name)
    else:
        writable = _check_existing(node, how, writable)
        if how & abi.OPEN_TRUNCATE and node.kind == "file":
            world.files.resize(node, 0)
    descriptor = Descriptor(node, readable=bool(rights & abi.RIGHT_READ), writable=writable)
    descriptor.flags = flags
    world.memory.write_u32(result, world.descriptors.add(descriptor))


def _check_existing(node: Node, how: int, writable: bool) -> bool:
    """Whether the existing ``node`` is opened for writing; raises ``WasiError`` if it may not."""
    if how & abi.OPEN_CREATE and how & abi.OPEN_EXCLUSIVE:
        raise WasiError(abi.EXISTS)
    if node.is_folder:
        if writable or how & (abi.OPEN_CREATE | abi.OPEN_TRUNCATE):
            raise WasiError(abi.IS_FOLDER)
        return False
    if how & abi.OPEN_FOLDER:
        raise WasiError(abi.NOT_FOLDER)
    if node.kind == "input" and (writable or how & abi.OPEN_TRUNCATE):
        raise WasiError(abi.READ_ONLY)
    return writable


def path_create_directory(world: World, fd: int, path: int, size: int) -> None:
    """Make a folder below /out."""
    folder, name, node = _walk(world, fd, path, size)
    if node is not None:
        raise WasiError(abi.EXISTS)
    world.files.create_folder(folder, name)


def path_filestat_get(
    world: World, fd: int, lookup: int, path: int, size: int, result: int
) -> None:
    """Inode, type and size of what lies at a path."""
    _check_lookup(lookup)
    world.memory.write(result, filestat(_find(world, fd, path, size)))


def path_filestat_set_times(
    world: World, fd: int, lookup: int, path: int, size: int, accessed: int, modified: int, how: int
) -> None:
    """Accepted below /out and without effect: all times are zero."""
    _check_lookup(lookup)
    node = _find(world, fd, path, size)
    check_times(how)
    check_changeable(world, node)


def path_remove_directory(world: World, fd: int, path: int, size: int) -> None:
    """Remove an empty folder below /out."""
    folder, name, _ = _walk(world, fd, path, size)
    world.files.remove_folder(folder, name)


def path_unlink_file(world: World, fd: int, path: int, size: int) -> None:
    """Remove a file below /out; its bytes count until its last descriptor is closed."""
    folder, name, node = _walk(world, fd, path, size)
    if node is not None and node.is_folder:
        raise WasiError(abi.IS_FOLDER)
    world.descriptors.drop(world.files.remove_file(folder, name))


def path_rename(
    world: World,
    fd: int,
    old_path: int,
    old_size: int,
    new_fd: int,
    new_path: int,
    new_size: int,
) -> None:
    """Move a file or folder within /out, replacing a file or an empty folder."""
    old = _walk(world, fd, old_path, old_size)
    new = _walk(world, new_fd, new_path, new_size)
    if not new[1]:
        raise WasiError(abi.INVALID)
    is_file = old[2] is not None and not old[2].is_folder
    if is_file and new[2] is None and _raw(world, new_path, new_size).endswith(b"/"):
        raise WasiError(abi.NOT_FOLDER)
    replaced = world.files.rename(old[:2], new[:2])
    if replaced is not None:
        world.descriptors.drop(replaced)


def path_readlink(
    world: World, fd: int, path: int, size: int, buffer: int, room: int, result: int
) -> None:
    """Always INVALID for what exists: there are no links."""
    world.memory.span(buffer, room)
    world.memory.span(result, 4)
    _find(world, fd, path, size)
    raise WasiError(abi.INVALID)


def path_symlink(
    world: World, target: int, target_size: int, fd: int, path: int, size: int
) -> None:
    """Always an error: EXISTS where the place is taken, else NOT_SUPPORTED."""
    world.memory.span(target, target_size)
    if _walk(world, fd, path, size)[2] is not None:
        raise WasiError(abi.EXISTS)
    raise WasiError(abi.NOT_SUPPORTED)


def path_link(
    world: World,
    fd: int,
    lookup: int,
    path: int,
    size: int,
    new_fd: int,
    new_path: int,
    new_size: int,
) -> None:
    """Always an error: EXISTS where the new place is taken, else NOT_SUPPORTED."""
    _check_lookup(lookup)
    _find(world, fd, path, size)
    if _walk(world, new_fd, new_path, new_size)[2] is not None:
        raise WasiError(abi.EXISTS)
    raise WasiError(abi.NOT_SUPPORTED)


#: name → (parameters as ``i`` = 32 and ``I`` = 64 bits, function)
FUNCTIONS: dict[str, tuple[str, Callable[..., None]]] = {
    "path_create_directory": ("iii", path_create_directory),
    "path_filestat_get": ("iiiii", path_filestat_get),
    "path_filestat_set_times": ("iiiiIIi", path_filestat_set_times),
    "path_link": ("iiiiiii", path_link),
    "path_open": ("iiiiiIIii", path_open),
    "path_readlink": ("iiiiii", path_readlink),
    "path_remove_directory": ("iii", path_remove_directory),
    "path_rename": ("iiiiii", path_rename),
    "path_symlink": ("iiiii", path_symlink),
    "path_unlink_file": ("iii", path_unlink_file),
}
