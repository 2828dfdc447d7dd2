"""Small print of agreement: who has a vote, who came first, and what is left to look at."""

import msgspec

from idlegrid_server.domain.model import Relation
from idlegrid_server.domain.quorum import (
    Needed,
    find_agreement,
    groups,
    largest,
    needed,
    questions,
    usable,
)

from .unit_story import bytes_of, failed, out, returned, unit, unsent

A, B, C = sorted(bytes_of(word) for word in "abc")


def test_only_results_that_nobody_has_refused_have_a_vote() -> None:
    verdicts = ("pending", "inconclusive", "valid", "invalid", "too_late")
    tasks = [returned(n, "x", verdict=verdict) for n, verdict in enumerate(verdicts)]
    others = [unsent(7), out(8), failed(9)]
    assert [task.verdict for task in usable([*others, *tasks])] == list(verdicts[:3])


def test_results_are_ordered_by_when_they_came_and_then_by_number() -> None:
    late, early = returned(0, "x"), returned(1, "x")
    late = msgspec.structs.replace(late, received_at=(early.received_at or 0) + 5)
    unknown = msgspec.structs.replace(returned(2, "x"), received_at=None)
    same = msgspec.structs.replace(returned(3, "x"), received_at=early.received_at)
    assert [task.n for task in usable([late, same, early, unknown])] == [2, 1, 3, 0]


def test_of_two_groups_that_are_as_large_the_one_complete_first_is_right() -> None:
    """Not the one that began first: two of x came after the first y, but before the second."""
    results = [returned(0, "y"), returned(1, "x"), returned(2, "x"), returned(3, "y")]
    found = find_agreement(results, 2)
    assert found is not None
    assert (found.manifest, found.canonical, set(found.members)) == (bytes_of("x"), 101, {101, 102})
    assert find_agreement(results, 3) is None
    assert largest(results) == 2
    assert largest([]) == 0


def test_under_a_relation_the_centre_is_what_most_agree_with() -> None:
    """A is near B and B near C, but A not near C: all stand around B."""
    near = Relation(good=frozenset({A, B, C}), agree=frozenset({(A, B), (B, C)}))
    tasks = [
        msgspec.structs.replace(returned(n, "x"), manifest=manifest)
        for n, manifest in enumerate((A, C, B))
    ]
    assert list(groups(tasks, near)) == [B]
    found = find_agreement(tasks, 3, near)
    assert found is not None
    assert (found.manifest, found.canonical) == (B, 102)


def test_of_centres_with_as_many_around_them_the_one_with_more_copies_is_chosen() -> None:
    near = Relation(good=frozenset({A, B}), agree=frozenset({(A, B)}))
    tasks = [
        msgspec.structs.replace(returned(n, "x"), manifest=manifest)
        for n, manifest in enumerate((A, B, B))
    ]
    assert list(groups(tasks, near)) == [B]


def test_a_validator_looks_at_what_bears_on_the_verdict_and_nothing_else() -> None:
    tasks = tuple(
        msgspec.structs.replace(returned(n, "x", verdict=verdict), manifest=manifest)
        for n, (manifest, verdict) in enumerate(((A, "valid"), (B, "pending"), (C, "inconclusive")))
    )
    nothing_known = Relation()
    every = Needed((A, B, C), ((A, B), (A, C), (B, C)))
    assert needed(tasks, nothing_known) == every
    assert needed(tasks, nothing_known, A) == Needed((B, C), ((A, B), (A, C)))
    some = Relation(good=frozenset({B}), unreadable=frozenset({C}), differ=frozenset({(A, B)}))
    assert needed(tasks, some) == Needed((A,), ())
    assert needed(tasks, None) == Needed()

    def wanted(state: str) -> Needed:
        asked = unit(*tasks, state=state)
        asked = msgspec.structs.replace(asked, relation=nothing_known, canonical_manifest=A)
        return questions(asked)

    assert wanted("open") == wanted("failed") == every
    assert wanted("assimilated") == wanted("valid") == Needed((B, C), ((A, B), (A, C)))
    assert wanted("cancelled") == wanted("retired") == Needed()
