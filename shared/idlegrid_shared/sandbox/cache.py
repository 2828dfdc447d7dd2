"""Compiled modules kept on this machine.

A compiled module is native code: whoever can plant one runs code outside the sandbox. So a file is
used only if it and its folder belong to this user and nobody else can write them, and if it bears a
code made with a secret that never leaves the folder. Anything else is deleted and compiled anew.
"""

import hashlib
import os
import stat
from collections.abc import Callable
from typing import Any, BinaryIO

import wasmtime

from .fault import HostFault

KEY_BYTES = 32
PIECE_BYTES = 1 << 20
_KEY_NAME = "key"
_READ_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)


def cache_name(
    module_sha256: str, version: str, profile: dict[str, Any], executor: str = "native"
) -> str:
    """The file name for a module under one version of wasmtime, one profile and one executor."""
    settings = "|".join(f"{field}={profile[field]}" for field in sorted(profile))
    settings += "" if executor == "native" else f"|{executor}"
    digest = hashlib.blake2b(f"{version}|{settings}".encode(), digest_size=12).hexdigest()
    return f"{module_sha256}-{digest}"


class ModuleCache:
    """A folder of compiled modules with their codes; raises HostFault if it cannot be trusted."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103 (pathlib costs start time)
            facts = os.lstat(folder)
            if not stat.S_ISDIR(facts.st_mode) or not _is_private(facts):
                raise HostFault(
                    f"the cache folder {folder!r} must belong to this user, and nobody else may "
                    "write it (mode 700)"
                )
            self._key = self._load_key()
        except OSError as error:
            raise HostFault(f"cannot use the cache folder {folder!r}: {error}") from error

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)  # noqa: PTH118

    def _load_key(self) -> bytes:
        for _ in range(2):
            key = self._read_private(_KEY_NAME, KEY_BYTES)
            if key is not None and len(key) == KEY_BYTES:
                return key
            self._write(_KEY_NAME, os.urandom(KEY_BYTES))
        raise HostFault(f"cannot keep a private key in the cache folder {self.folder!r}")

    def _open_private(self, name: str) -> BinaryIO | None:
        """A regular file, no link, that only this user can write; else None.

        Not blocking, as whoever planted a pipe under the name would stop the worker for ever.
        """
        try:
            number = os.open(self._path(name), _READ_FLAGS)
        except OSError:
            return None
        facts = os.fstat(number)
        if not stat.S_ISREG(facts.st_mode) or not _is_private(facts):
            os.close(number)
            return None
        return os.fdopen(number, "rb", buffering=0)

    def _read_private(self, name: str, size: int) -> bytes | None:
        """Up to ``size`` bytes of a file that only this user can write; else None."""
        file = self._open_private(name)
        if file is None:
            return None
        with file:
            return file.read(size)

    def _write(self, name: str, *parts: bytes | bytearray) -> None:
        temporary = self._path(f".{name}.{os.getpid()}.{os.urandom(4).hex()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
                for part in parts:
                    file.write(part)
            os.replace(temporary, self._path(name))  # noqa: PTH105
        except OSError:
            _remove(temporary)
            raise

    def _code(self, name: str) -> bytes | None:
        """The code of a compiled module as it lies on the disk; None if it cannot be trusted."""
        file = self._open_private(f"{name}.cwasm")
        if file is None:
            return None
        with file:
            code = self._new_code(name)
            while piece := file.read(PIECE_BYTES):
                code.update(piece)
        return code.digest()

    def _new_code(self, name: str) -> "hashlib.blake2b":
        # The name is part of what is sealed: a module's code cannot stand in for another's.
        return hashlib.blake2b(name.encode() + b"\0", key=self._key, digest_size=32)

    def load(self, engine: wasmtime.Engine, name: str) -> wasmtime.Module | None:
        """The compiled module, or None; what cannot be trusted or used is deleted."""
        known = self._read_private(f"{name}.code", 64)
        if known is None and not os.path.lexists(self._path(f"{name}.code")):
            return None  # new, or another worker is just writing it
        if known is not None and known == self._code(name):
            try:
                # From the file, and not from bytes, so that all workers share its pages.
                return wasmtime.Module.deserialize_file(engine, self._path(f"{name}.cwasm"))
            except wasmtime.WasmtimeError:
                pass
        _remove(self._path(f"{name}.cwasm"))
        _remove(self._path(f"{name}.code"))
        return None

    def store(self, name: str, module: wasmtime.Module) -> bool:
        """Keep a compiled module; False if the disk would not have it, which does no harm."""
        data = module.serialize()
        code = self._new_code(name)
        code.update(data)
        try:
            self._write(f"{name}.cwasm", data)
            self._write(f"{name}.code", code.digest())
        except OSError:
            return False
        return True


def load_or_compile(
    engine: wasmtime.Engine,
    cache: ModuleCache | None,
    name: str,
    compile_module: Callable[[], wasmtime.Module],
) -> wasmtime.Module:
    """The module from the cache if there is one, else compiled and kept."""
    module = cache.load(engine, name) if cache is not None else None
    if module is None:
        module = compile_module()
        if cache is not None:
            cache.store(name, module)
    return module


def _is_private(facts: os.stat_result) -> bool:
    """Whether a file belongs to this user and nobody else can write it."""
    if not hasattr(os, "getuid"):
        return True  # Windows: the user's profile folder is private by its access list
    return facts.st_uid == os.getuid() and not facts.st_mode & 0o022


def _remove(path: str) -> None:
    try:
        os.unlink(path)  # noqa: PTH108
    except OSError:
        return
