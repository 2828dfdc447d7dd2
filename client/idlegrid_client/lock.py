"""At most one client works in a data folder."""

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import IO


class LockedError(RuntimeError):
    """Another client holds the data folder; the message says which process."""


class DataLock:
    """An operating-system lock on a file: it goes with the process, however that ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def __enter__(self) -> "DataLock":
        """Raises :class:`LockedError`."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self._path.open("a+b")
        try:
            _take(file)
        except OSError as error:
            file.seek(0)
            owner = file.read(32).decode("ascii", "replace").strip()
            file.close()
            raise LockedError(
                f"a client already works in {self._path.parent}"
                + (f" (process {owner})" if owner else "")
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        self._file = file
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def is_locked(path: Path) -> bool:
    """Whether a client works in the folder of this lock file now."""
    if not path.exists():
        return False
    with path.open("a+b") as file:
        try:
            _take(file)
        except OSError:
            return True
    return False


if sys.platform == "win32":
    import msvcrt

    _PLACE = 1 << 30  # far behind the text, which others shall be able to read

    def _take(file: IO[bytes]) -> None:
        file.seek(_PLACE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)

else:
    import fcntl

    def _take(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
