"""Fixed-quorum validation by manifest hash. No file is read: equal bytes have equal hashes.

The relation is equality, so it is transitive and the outcome does not depend on the order in which
results are compared.
"""

from collections.abc import Iterable, Sequence

from .model import TaskSnapshot, Value


class Agreement(Value, frozen=True):
    """Results that agree. ``canonical`` is the one of them that came first."""

    manifest: bytes
    canonical: int
    members: tuple[int, ...]


def usable(tasks: Iterable[TaskSnapshot]) -> list[TaskSnapshot]:
    """Results that may vote, in the order they came."""
    found = [
        task
        for task in tasks
        if task.state == "success" and task.verdict in ("pending", "inconclusive", "valid")
    ]
    return sorted(found, key=_order)


def _order(task: TaskSnapshot) -> tuple[int, int]:
    return (task.received_at or 0, task.id)


def groups(results: Iterable[TaskSnapshot]) -> dict[bytes, list[TaskSnapshot]]:
    """Results by manifest hash."""
    found: dict[bytes, list[TaskSnapshot]] = {}
    for task in results:
        found.setdefault(task.manifest or b"", []).append(task)
    return found


def largest(results: Iterable[TaskSnapshot]) -> int:
    """How many results agree at most."""
    return max((len(group) for group in groups(results).values()), default=0)


def find_agreement(results: Sequence[TaskSnapshot], quorum: int) -> Agreement | None:
    """The group that reached ``quorum``: the largest; of equals, the one complete first."""
    reached = [group for group in groups(results).values() if len(group) >= quorum]
    if not reached:
        return None
    best = min(
        reached, key=lambda group: (-len(group), _order(sorted(group, key=_order)[quorum - 1]))
    )
    first = min(best, key=_order)
    return Agreement(first.manifest or b"", first.id, tuple(task.id for task in best))
