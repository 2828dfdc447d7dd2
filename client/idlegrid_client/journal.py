"""What happened, one JSON object a line, for `idlegrid-client log` and for people who look."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec

from .layout import DataFolder

FILE_BYTES_MAX = 1024 * 1024  # then it becomes the old one, and the older one goes
LINE_BYTES_MAX = 4_096


class Entry(msgspec.Struct, omit_defaults=True):
    """One line: ``at`` is µs UTC, ``text`` a sentence for people, the rest is for machines."""

    at: int
    level: str
    code: str
    text: str
    project: str = ""
    task: str = ""

    def line(self) -> str:
        """As a person reads it."""
        when = datetime.fromtimestamp(self.at / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        mark = "" if self.level == "info" else f"{self.level}: "
        return f"{when}Z {mark}{self.text}" + (f" [{self.task}]" if self.task else "")


class Journal:
    """Appends entries; written by the agent's loop alone."""

    def __init__(self, data: DataFolder, echo: Callable[[str], None] | None = None) -> None:
        self._data = data
        self._echo = echo

    def write(self, entry: Entry) -> None:
        """Append, and echo to the terminal. A log that cannot be written stops nothing."""
        if self._echo is not None:
            self._echo(entry.line())
        line = msgspec.json.encode(entry)[:LINE_BYTES_MAX]
        try:
            if self._data.log.exists() and self._data.log.stat().st_size > FILE_BYTES_MAX:
                self._data.log.replace(self._data.log_old)
            with self._data.log.open("ab") as file:
                file.write(line + b"\n")
        except OSError as error:
            if self._echo is not None:
                self._echo(f"the log cannot be written: {error}")


def read_entries(data: DataFolder) -> Iterator[Entry]:
    """All entries, oldest first; lines cut by a crash are passed over."""
    for path in (data.log_old, data.log):
        if not path.exists():
            continue
        for line in path.read_bytes().splitlines():
            try:
                yield msgspec.json.decode(line, type=Entry)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
