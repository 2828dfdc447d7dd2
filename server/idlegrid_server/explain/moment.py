"""Times and spans for people."""

from datetime import UTC, datetime, timedelta

US = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SPANS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def moment_words(at: int) -> str:
    """A time (µs UTC) to the minute."""
    return (EPOCH + timedelta(microseconds=at)).strftime("%Y-%m-%d %H:%M UTC")


def span_words(us: int) -> str:
    """A span in its greatest unit."""
    seconds = max(0, us) // US
    for size, name in _SPANS:
        count = seconds // size
        if count:
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "no time"
