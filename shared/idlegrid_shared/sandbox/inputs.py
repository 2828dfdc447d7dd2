"""Reading the host files behind /in. Only these files, named in the job, are ever opened."""

import os
import stat
from typing import BinaryIO

from .fault import HostFault

OPEN_MAX = 16


class InputReader:
    """A small set of open host files, oldest closed first; it holds no state worth saving."""

    def __init__(self) -> None:
        self._open: dict[str, BinaryIO] = {}

    def read(self, source: str, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes at ``offset``; raises :class:`HostFault` if there are fewer."""
        try:
            file = self._open.pop(source, None) or open(source, "rb", buffering=0)  # noqa: PTH123, SIM115
            self._open[source] = file
            if len(self._open) > OPEN_MAX:
                self._open.pop(next(iter(self._open))).close()
            file.seek(offset)
            parts = []
            while size > 0:
                part = file.read(size)
                if not part:
                    raise HostFault(f"the input file {source!r} became shorter during the run")
                parts.append(part)
                size -= len(part)
        except OSError as error:
            raise HostFault(f"cannot read the input file {source!r}: {error.strerror}") from error
        return b"".join(parts)

    def close(self) -> None:
        """Close every file."""
        while self._open:
            self._open.popitem()[1].close()


def regular_size(source: str) -> int:
    """The size in bytes of the regular file ``source``; raises :class:`HostFault`."""
    try:
        facts = os.stat(source)  # noqa: PTH116 (pathlib would cost start time)
    except (OSError, ValueError) as error:
        raise HostFault(f"cannot read the input file {source!r}: {error}") from error
    if not stat.S_ISREG(facts.st_mode):
        raise HostFault(f"the input {source!r} is not a regular file")
    return facts.st_size
