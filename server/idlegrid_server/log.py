"""Logging: a sentence for people, then fields for machines (``key=value``), one line each."""

import json
import logging
import sys
import time
from typing import Any

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class SentenceAndFields(logging.Formatter):
    """``2026-01-31T12:00:00Z web WARNING The sentence. role=writer exit=-9``."""

    def __init__(self, role: str) -> None:
        super().__init__(f"%(asctime)s {role} %(levelname)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """RFC 3339, UTC, to the second."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line, with whatever was passed as ``extra`` behind it."""
        fields = {k: v for k, v in vars(record).items() if k not in _PLAIN}
        line = super().formatMessage(record)
        return " ".join([line, *(f"{k}={_word(v)}" for k, v in sorted(fields.items()))])


def _word(value: Any) -> str:
    text = str(value)
    return text if text and not any(c in text for c in ' "\n=') else json.dumps(text)


def start_logging(role: str, level: int = logging.INFO) -> None:
    """Send this process's log lines to standard error, which the supervisor keeps in a file."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(SentenceAndFields(role))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
