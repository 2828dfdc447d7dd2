"""WASI functions on open files: ``fd_*``."""

import struct
from collections.abc import Callable

from . import abi
from .control import MESSAGE_BYTES_MAX, take_message
from .descriptor import Descriptor
from .fault import WasiError
from .node import Node
from .world import World

# Inputs are copied in pieces, so that one read of a huge range needs no second copy of it.
PIECE_BYTES = 1 << 20

_FDSTAT = struct.Struct("<BxHxxxxQQ")
_FILESTAT = struct.Struct("<QQB7xQQQQQ")
_DIRENT = struct.Struct("<QQIB3x")
DEVICE = 1


def file_type(node: Node) -> int:
    """The preview 1 file type of a node."""
    return abi.TYPE_FOLDER if node.is_folder else abi.TYPE_FILE


def filestat(node: Node | None, *, stream: bool = False) -> bytes:
    """The 64-byte ``filestat``: times are zero, and there is one link to everything."""
    kind = abi.TYPE_UNKNOWN if node is None or stream else file_type(node)
    inode = node.inode if node is not None else 0
    length = node.length if node is not None and not stream else 0
    return _FILESTAT.pack(DEVICE, inode, kind, 1, length, 0, 0, 0)


def writable_file(world: World, number: int) -> tuple[Descriptor, Node]:
    """The file behind a descriptor that may write; raises BAD_FD or IS_FOLDER."""
    found, node = world.descriptors.file(number)
    if not found.writable:
        raise WasiError(abi.BAD_FD)
    if node.kind == "control":
        raise WasiError(abi.INVALID)
    return found, node


def check_offset(offset: int) -> int:
    """Return ``offset`` unless it is negative as a signed number: then ``WasiError(INVALID)``."""
    if offset > abi.SIZE_MAX:
        raise WasiError(abi.INVALID)
    return offset


def check_end(end: int) -> int:
    """Return ``end`` unless no file can be so long: then ``WasiError(FILE_TOO_BIG)``."""
    if end > abi.SIZE_MAX:
        raise WasiError(abi.FILE_TOO_BIG)
    return end


def _read_into(world: World, node: Node, offset: int, spans: list[memoryview]) -> int:
    done = 0
    for span in spans:
        for start in range(0, len(span), PIECE_BYTES):
            wanted = min(PIECE_BYTES, len(span) - start)
            data = world.files.read(node, offset + done, wanted)
            span[start : start + len(data)] = data
            done += len(data)
            if len(data) < wanted:
                return done
    return done


def _write_from(world: World, node: Node, offset: int, spans: list[memoryview]) -> int:
    done = 0
    for span in spans:
        check_end(offset + done + len(span))
        world.files.write(node, offset + done, span)
        done += len(span)
    return done


def fd_read(world: World, fd: int, iovs: int, count: int, result: int) -> None:
    """Read at the position and move it."""
    found, node = world.descriptors.file(fd)
    if not found.readable:
        raise WasiError(abi.BAD_FD)
    world.memory.span(result, 4)
    done = _read_into(world, node, found.position, world.memory.vectors(iovs, count))
    found.position += done
    world.memory.write_u32(result, done)


def fd_pread(world: World, fd: int, iovs: int, count: int, offset: int, result: int) -> None:
    """Read at ``offset``; the position stays."""
    found, node = world.descriptors.file(fd)
    if not found.readable:
        raise WasiError(abi.BAD_FD)
    if found.stream:
        raise WasiError(abi.NOT_SEEKABLE)
    world.memory.span(result, 4)
    spans = world.memory.vectors(iovs, count)
    world.memory.write_u32(result, _read_into(world, node, check_offset(offset), spans))


def fd_write(world: World, fd: int, iovs: int, count: int, result: int) -> None:
    """Write at the position, or at the end when appending.

    Standard error goes to the log, and what is written to a control file is a message.
    """
    found = world.descriptors.get(fd)
    world.memory.span(result, 4)
    spans = world.memory.vectors(iovs, count)
    if found.node is None:
        for span in spans:
            world.log.write(span)
        world.memory.write_u32(result, sum(map(len, spans)))
        return
    if found.node.kind == "control":
        if not found.writable:
            raise WasiError(abi.BAD_FD)
        take_message(world, found.node, b"".join(bytes(s[: MESSAGE_BYTES_MAX + 1]) for s in spans))
        world.memory.write_u32(result, sum(map(len, spans)))
        return
    found, node = writable_file(world, fd)
    offset = node.length if found.flags & abi.FLAG_APPEND else found.position
    done = _write_from(world, node, offset, spans)
    found.position = offset + done
    world.memory.write_u32(result, done)


def fd_pwrite(world: World, fd: int, iovs: int, count: int, offset: int, result: int) -> None:
    """Write at ``offset``; the position stays."""
    found, node = writable_file(world, fd)
    if found.stream:
        raise WasiError(abi.NOT_SEEKABLE)
    world.memory.span(result, 4)
    spans = world.memory.vectors(iovs, count)
    world.memory.write_u32(result, _write_from(world, node, check_offset(offset), spans))


def fd_seek(world: World, fd: int, delta: int, whence: int, result: int) -> None:
    """Move the position by the signed ``delta`` from start, position or end."""
    found = world.descriptors.get(fd)
    if found.stream:
        raise WasiError(abi.NOT_SEEKABLE)
    found, node = world.descriptors.file(fd)
    bases = {
        abi.SEEK_SET: 0,
        abi.SEEK_CURRENT: found.position,
        abi.SEEK_END: node.length,
    }
    if whence not in bases:
        raise WasiError(abi.INVALID)
    signed = delta - (1 << 64) if delta > abi.SIZE_MAX else delta
    target = bases[whence] + signed
    if not 0 <= target <= abi.SIZE_MAX:
        raise WasiError(abi.INVALID)
    world.memory.write_u64(result, target)
    found.position = target


def fd_tell(world: World, fd: int, result: int) -> None:
    """The position."""
    if world.descriptors.get(fd).stream:
        raise WasiError(abi.NOT_SEEKABLE)
    world.memory.write_u64(result, world.descriptors.file(fd)[0].position)


def fd_close(world: World, fd: int) -> None:
    """Close a descriptor."""
    world.descriptors.close(fd)


def fd_renumber(world: World, old: int, new: int) -> None:
    """Move a descriptor onto another open one, which is closed."""
    world.descriptors.renumber(old, new)


def _rights(found: Descriptor) -> tuple[int, int]:
    """The rights of a descriptor and those that what is opened below it can get."""
    if found.node is not None and found.node.is_folder:
        return abi.RIGHTS_FOLDER, abi.RIGHTS_FOLDER | abi.RIGHTS_FILE
    rights = abi.RIGHTS_FILE
    if not found.readable:
        rights &= ~abi.RIGHT_READ
    if not found.writable:
        rights &= ~abi.RIGHTS_CHANGE
    if found.stream:
        rights &= ~abi.RIGHTS_SEEK
    return rights, 0


def fd_fdstat_get(world: World, fd: int, result: int) -> None:
    """Type, flags and rights of a descriptor."""
    found = world.descriptors.get(fd)
    kind = abi.TYPE_UNKNOWN if found.node is None or found.stream else file_type(found.node)
    world.memory.write(result, _FDSTAT.pack(kind, found.flags, *_rights(found)))


def fd_fdstat_set_flags(world: World, fd: int, flags: int) -> None:
    """Set append and the synchronous flags; all but append have nothing to do here."""
    found = world.descriptors.get(fd)
    if flags & ~abi.FLAGS_ALL:
        raise WasiError(abi.INVALID)
    if not found.stream:
        found.flags = flags


def fd_fdstat_set_rights(world: World, fd: int, base: int, inheriting: int) -> None:
    """Rights may only shrink; reading and writing are the ones that can be given up."""
    found = world.descriptors.get(fd)
    rights, below = _rights(found)
    if base & ~rights or inheriting & ~below:
        raise WasiError(abi.NOT_CAPABLE)
    found.readable = found.readable and bool(base & abi.RIGHT_READ)
    found.writable = found.writable and bool(base & abi.RIGHT_WRITE)


def fd_filestat_get(world: World, fd: int, result: int) -> None:
    """Inode, type and size."""
    found = world.descriptors.get(fd)
    world.memory.write(result, filestat(found.node, stream=found.stream))


def fd_filestat_set_size(world: World, fd: int, size: int) -> None:
    """Cut or extend a file."""
    found, node = writable_file(world, fd)
    if found.stream:
        raise WasiError(abi.INVALID)
    world.files.resize(node, check_offset(size))


def check_times(flags: int) -> None:
    """Raise ``WasiError(INVALID)`` for unknown ``fstflags``, or a time that is given and now."""
    accessed = abi.SET_ACCESSED | abi.SET_ACCESSED_NOW
    modified = abi.SET_MODIFIED | abi.SET_MODIFIED_NOW
    if flags & ~(accessed | modified) or flags & accessed == accessed:
        raise WasiError(abi.INVALID)
    if flags & modified == modified:
        raise WasiError(abi.INVALID)


def check_changeable(world: World, node: Node) -> None:
    """Raise ``WasiError(READ_ONLY)`` for what is not the guest's own: inputs, control files."""
    if node.kind in ("input", "control") or (node.is_folder and not world.files.may_change(node)):
        raise WasiError(abi.READ_ONLY)


def fd_filestat_set_times(world: World, fd: int, accessed: int, modified: int, flags: int) -> None:
    """Accepted for what can be changed, and without effect: all times are zero."""
    found = world.descriptors.get(fd)
    check_times(flags)
    if found.node is not None and not found.stream:
        check_changeable(world, found.node)


def fd_allocate(world: World, fd: int, offset: int, length: int) -> None:
    """Make a file at least ``offset + length`` bytes long."""
    found, node = writable_file(world, fd)
    if found.stream or length == 0:
        raise WasiError(abi.INVALID)
    end = check_end(offset + length)
    if end > node.length:
        world.files.resize(node, end)


def fd_advise(world: World, fd: int, offset: int, length: int, advice: int) -> None:
    """Accepted and without effect for the six kinds of advice."""
    world.descriptors.file(fd)
    if advice > 5:
        raise WasiError(abi.INVALID)


def fd_sync(world: World, fd: int) -> None:
    """Nothing to do: files are in memory until the run succeeds."""
    world.descriptors.get(fd)


def fd_prestat_get(world: World, fd: int, result: int) -> None:
    """The kind and the length of the name of a preopened folder; there is only ``/``."""
    if not world.descriptors.get(fd).preopened:
        raise WasiError(abi.BAD_FD)
    world.memory.write(result, struct.pack("<II", 0, 1))


def fd_prestat_dir_name(world: World, fd: int, result: int, size: int) -> None:
    """The name of the preopened folder: ``/``."""
    if not world.descriptors.get(fd).preopened:
        raise WasiError(abi.BAD_FD)
    if size < 1:
        raise WasiError(abi.NAME_TOO_LONG)
    world.memory.span(result, size)
    world.memory.write(result, b"/")


def fd_readdir(world: World, fd: int, buffer: int, size: int, cookie: int, result: int) -> None:
    """List a folder, sorted by name after ``.`` and ``..``.

    The cookie counts entries of the listing taken when the guest last began at 0 (or called for the
    first time), so removing files while listing skips nothing.
    """
    folder = world.descriptors.folder(fd)
    found = world.descriptors.get(fd)
    world.memory.span(result, 4)
    span = world.memory.span(buffer, size)
    if cookie == 0 or not found.listing:
        parent = folder.parent or folder
        found.listing = [
            (b".", folder.inode, abi.TYPE_FOLDER),
            (b"..", parent.inode, abi.TYPE_FOLDER),
        ]
        for name in sorted(folder.entries, key=str.encode):
            node = folder.entries[name]
            found.listing.append((name.encode(), node.inode, file_type(node)))
    used = 0
    for position in range(min(cookie, len(found.listing)), len(found.listing)):
        name_bytes, inode, kind = found.listing[position]
        entry = _DIRENT.pack(position + 1, inode, len(name_bytes), kind) + name_bytes
        part = entry[: size - used]
        span[used : used + len(part)] = part
        used += len(part)
        if used == size:
            break
    world.memory.write_u32(result, used)


#: name → (parameters as ``i`` = 32 and ``I`` = 64 bits, function)
FUNCTIONS: dict[str, tuple[str, Callable[..., None]]] = {
    "fd_advise": ("iIIi", fd_advise),
    "fd_allocate": ("iII", fd_allocate),
    "fd_close": ("i", fd_close),
    "fd_datasync": ("i", fd_sync),
    "fd_fdstat_get": ("ii", fd_fdstat_get),
    "fd_fdstat_set_flags": ("ii", fd_fdstat_set_flags),
    "fd_fdstat_set_rights": ("iII", fd_fdstat_set_rights),
    "fd_filestat_get": ("ii", fd_filestat_get),
    "fd_filestat_set_size": ("iI", fd_filestat_set_size),
    "fd_filestat_set_times": ("iIIi", fd_filestat_set_times),
    "fd_pread": ("iiiIi", fd_pread),
    "fd_prestat_dir_name": ("iii", fd_prestat_dir_name),
    "fd_prestat_get": ("ii", fd_prestat_get),
    "fd_pwrite": ("iiiIi", fd_pwrite),
    "fd_read": ("iiii", fd_read),
    "fd_readdir": ("iiiIi", fd_readdir),
    "fd_renumber": ("ii", fd_renumber),
    "fd_seek": ("iIii", fd_seek),
    "fd_sync": ("i", fd_sync),
    "fd_tell": ("ii", fd_tell),
    "fd_write": ("iiii", fd_write),
}
