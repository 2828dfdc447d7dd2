"""Who agrees with whom, and which group of results is the largest.

Without a relation, results agree when their manifests have the same hash: equality, which is
transitive. A stage with a validator brings a :class:`Relation`, which need not be: A may be close
to B and B to C, but A not to C. Then the canonical result is the **centre** that most results agree
with, itself included. Of equal centres it is the one of which more copies came, then the one with
the lowest manifest hash: content decides, never the order in which results came or were compared.
Each member agrees with the centre itself, as every later result must, too.
"""

from collections.abc import Iterable, Iterator, Sequence

from .model import Relation, TaskSnapshot, UnitSnapshot, Value


class Agreement(Value, frozen=True):
    """Results that agree. ``canonical`` is the first that came of those with ``manifest``."""

    manifest: bytes
    canonical: int
    members: tuple[int, ...]


class Needed(Value, frozen=True):
    """What a validator has still to look at: single outputs, and pairs of them (lower hash first).

    A pair is of no use if one of the two turns out to be bad by itself.
    """

    outputs: tuple[bytes, ...] = ()
    pairs: tuple[tuple[bytes, bytes], ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.outputs or self.pairs)


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


def pair(a: bytes, b: bytes) -> tuple[bytes, bytes]:
    """Two manifests in the order of their hashes, as relations name them."""
    return (a, b) if a < b else (b, a)


def agree(a: bytes | None, b: bytes | None, relation: Relation | None = None) -> bool:
    """Whether two results agree, as far as is known."""
    if a == b:
        return True
    return relation is not None and pair(a or b"", b or b"") in relation.agree


def groups(
    results: Iterable[TaskSnapshot], relation: Relation | None = None
) -> dict[bytes, list[TaskSnapshot]]:
    """Results by the manifest that each agrees with; every result stands in one group.

    Under a relation: the largest group around one centre first, then the largest among the rest,
    and so on. The first group is whole: all that agree with its centre.
    """
    found: dict[bytes, list[TaskSnapshot]] = {}
    for task in results:
        found.setdefault(task.manifest or b"", []).append(task)
    if relation is None or len(found) < 2:
        return found
    return dict(_around_centres(found, relation))


def _around_centres(
    copies: dict[bytes, list[TaskSnapshot]], relation: Relation
) -> Iterator[tuple[bytes, list[TaskSnapshot]]]:
    near = {m: {n for n in copies if agree(m, n, relation)} for m in copies}
    left = set(copies)
    while left:

        def rank(centre: bytes) -> tuple[int, int, bytes]:
            members = near[centre] & left  # noqa: B023  used before the loop goes on
            return (-sum(len(copies[m]) for m in members), -len(copies[centre]), centre)

        centre = min(left, key=rank)
        members = near[centre] & left
        left -= members
        yield centre, sorted((task for m in members for task in copies[m]), key=_order)


def largest(results: Iterable[TaskSnapshot], relation: Relation | None = None) -> int:
    """How many results agree at most."""
    return max((len(group) for group in groups(results, relation).values()), default=0)


def find_agreement(
    results: Sequence[TaskSnapshot], quorum: int, relation: Relation | None = None
) -> Agreement | None:
    """The group that reached ``quorum``: the largest.

    Of equals: by equality the one complete first; under a relation as this module's head says.
    """
    reached = {m: g for m, g in groups(results, relation).items() if len(g) >= quorum}
    if not reached:
        return None
    if relation is None:
        manifest = min(
            reached,
            key=lambda m: (
                -len(reached[m]),
                _order(sorted(reached[m], key=_order)[quorum - 1]),
            ),
        )
    else:
        manifest = next(iter(reached))
    first = min((t for t in reached[manifest] if (t.manifest or b"") == manifest), key=_order)
    return Agreement(manifest, first.id, tuple(task.id for task in reached[manifest]))


def questions(unit: UnitSnapshot) -> Needed:
    """All that a validator has still to look at in a unit as it stands."""
    if unit.state in ("cancelled", "retired"):
        return Needed()
    decided = unit.state in ("valid", "assimilated")
    return needed(unit.tasks, unit.relation, unit.canonical_manifest if decided else None)


def needed(
    tasks: Iterable[TaskSnapshot], relation: Relation | None, canonical: bytes | None = None
) -> Needed:
    """What must be known before ``tasks`` can be judged; with a canonical one, against it alone.

    Nothing without a relation: then equal hashes are all there is to agreement.
    """
    if relation is None:
        return Needed()
    waiting = [t for t in usable(tasks) if canonical is None or t.verdict != "valid"]
    manifests = sorted({t.manifest or b"" for t in waiting} - relation.bad)
    outputs = tuple(m for m in manifests if m not in relation.good and m != canonical)
    if canonical is None:
        wanted = [(a, b) for i, a in enumerate(manifests) for b in manifests[i + 1 :]]
    else:
        wanted = [pair(m, canonical) for m in manifests if m != canonical]
    known = relation.agree | relation.differ
    return Needed(outputs, tuple(p for p in wanted if p not in known))
