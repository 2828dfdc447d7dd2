"""Where a test may make the store die."""

from collections.abc import Iterator
from contextlib import contextmanager

from idlegrid_server.faults import reach


@contextmanager
def commit_points() -> Iterator[None]:
    """Around the step that makes a transaction durable."""
    reach("store.commit.before")
    yield
    reach("store.commit.after")
