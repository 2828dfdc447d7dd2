"""Agreement under a relation that need not be transitive: content decides, never the order."""

import itertools

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.domain.model import Relation, TaskSnapshot, UnitSnapshot
from idlegrid_server.domain.quorum import agree, find_agreement, groups, largest, needed, pair
from idlegrid_server.domain.unit import decide_unit
from idlegrid_shared.documents import Policy

NOW = 10**15
MANIFESTS = [bytes([n]) * 32 for n in range(1, 7)]
PAIRS = list(itertools.combinations(MANIFESTS, 2))
RELATIONS = st.lists(st.booleans(), min_size=len(PAIRS), max_size=len(PAIRS)).map(
    lambda bits: relation(p for p, bit in zip(PAIRS, bits, strict=True) if bit)
)
#: Which manifest each result has.
RESULTS = st.lists(st.sampled_from(MANIFESTS), min_size=1, max_size=8)


def relation(agreeing) -> Relation:
    close = frozenset(agreeing)
    return Relation(
        good=frozenset(MANIFESTS), agree=close, differ=frozenset(p for p in PAIRS if p not in close)
    )


def tasks(manifests: list[bytes], order: list[int] | None = None) -> tuple[TaskSnapshot, ...]:
    """Results with these manifests; ``order`` tells the place at which each came."""
    places = order or list(range(len(manifests)))
    return tuple(
        TaskSnapshot(
            id=100 + place,
            n=n,
            state="success",
            verdict="pending",
            host_id=10 + n,
            received_at=NOW + place,
            manifest=manifest,
            ops=10**9,
        )
        for n, (manifest, place) in enumerate(zip(manifests, places, strict=True))
    )


def unit(results: tuple[TaskSnapshot, ...], found: Relation | None, quorum: int) -> UnitSnapshot:
    return UnitSnapshot(
        id=1,
        stage_id=1,
        batch_id=1,
        index=0,
        state="open",
        version=1,
        policy=Policy(quorum=quorum, replicas=quorum, max_successes=20, max_tasks=30),
        tasks=results,
        target=quorum,
        relation=found,
    )


def outcome(before: UnitSnapshot) -> tuple[bytes | None, dict[int, str | None], list[str]]:
    """The canonical manifest, the verdict on the n-th result, the unit's states."""
    plan = decide_unit(before, NOW)
    numbers = {task.id: task.n for task in before.tasks}
    verdicts = {numbers[change.task_id]: change.verdict for change in plan.tasks}
    return plan.canonical_manifest, verdicts, [step.state for step in plan.steps]


@given(data=st.data(), found=RELATIONS, manifests=RESULTS, quorum=st.integers(1, 4))
def test_the_order_of_arrival_changes_neither_canonical_nor_verdicts(
    data: st.DataObject, found: Relation, manifests: list[bytes], quorum: int
) -> None:
    order = data.draw(st.permutations(range(len(manifests))))
    first = outcome(unit(tasks(manifests), found, quorum))
    assert outcome(unit(tasks(manifests, order), found, quorum)) == first


@given(found=RELATIONS, manifests=RESULTS)
def test_groups_are_a_partition_whose_members_agree_with_their_centre(
    found: Relation, manifests: list[bytes]
) -> None:
    results = tasks(manifests)
    parted = groups(results, found)
    assert sorted(t.id for group in parted.values() for t in group) == [t.id for t in results]
    for centre, group in parted.items():
        assert all(agree(centre, task.manifest, found) for task in group)
    around = [sum(agree(m, task.manifest, found) for task in results) for m in set(manifests)]
    assert largest(results, found) == max(around) == len(next(iter(parted.values())))


@given(found=RELATIONS, manifests=RESULTS, quorum=st.integers(1, 4))
def test_an_accepted_result_is_close_to_the_canonical_one_and_no_other_is(
    found: Relation, manifests: list[bytes], quorum: int
) -> None:
    before = unit(tasks(manifests), found, quorum)
    canonical, verdicts, _ = outcome(before)
    if canonical is None:
        return
    for task in before.tasks:
        close = agree(task.manifest, canonical, found)
        assert verdicts[task.n] == ("valid" if close else "invalid")
    assert list(verdicts.values()).count("valid") >= quorum


@given(manifests=RESULTS, quorum=st.integers(1, 4))
def test_equality_as_a_relation_is_what_equal_hashes_are(
    manifests: list[bytes], quorum: int
) -> None:
    counts = sorted((manifests.count(m) for m in set(manifests)), reverse=True)
    if len(counts) > 1 and counts[0] == counts[1]:
        return  # of equal groups the bitwise rule takes the one complete first
    results = tasks(manifests)
    by_relation = decide_unit(unit(results, relation([]), quorum), NOW)
    assert by_relation == decide_unit(unit(results, None, quorum), NOW)


@given(classes=st.lists(st.integers(0, 2), min_size=6, max_size=6), manifests=RESULTS)
def test_an_equivalence_gives_its_classes(classes: list[int], manifests: list[bytes]) -> None:
    of = dict(zip(MANIFESTS, classes, strict=True))
    found = relation((a, b) for a, b in PAIRS if of[a] == of[b])
    parted = groups(tasks(manifests), found)
    assert {frozenset(task.manifest for task in group) for group in parted.values()} == {
        frozenset(m for m in manifests if of[m] == number) for number in {of[m] for m in manifests}
    }


@given(
    manifests=RESULTS,
    quorum=st.integers(1, 4),
    good=st.frozensets(st.sampled_from(MANIFESTS)),
    known=st.frozensets(st.sampled_from(PAIRS)),
)
def test_nothing_is_judged_before_the_validator_has_looked(
    manifests: list[bytes],
    quorum: int,
    good: frozenset[bytes],
    known: frozenset[tuple[bytes, bytes]],
) -> None:
    found = Relation(good=good, agree=known)
    before = unit(tasks(manifests), found, quorum)
    plan = decide_unit(before, NOW)
    wanted = needed(before.tasks, found)
    assert plan.compare == bool(wanted)
    distinct = set(manifests)
    assert set(wanted.outputs) == distinct - good
    assert set(wanted.pairs) == {p for p in PAIRS if set(p) <= distinct} - known
    if plan.compare:
        assert not plan.tasks
        assert not plan.steps


@given(
    found=RELATIONS,
    manifests=RESULTS,
    failed=st.frozensets(st.sampled_from(MANIFESTS)),
    unreadable=st.frozensets(st.sampled_from(MANIFESTS)),
    quorum=st.integers(1, 3),
)
def test_an_output_that_is_bad_by_itself_has_no_voice(
    found: Relation,
    manifests: list[bytes],
    failed: frozenset[bytes],
    unreadable: frozenset[bytes],
    quorum: int,
) -> None:
    found = msgspec.structs.replace(found, failed=failed, unreadable=unreadable)
    before = unit(tasks(manifests), found, quorum)
    plan = decide_unit(before, NOW)
    ends = {change.task_id: change for change in plan.tasks}
    for task in before.tasks:
        if task.manifest in failed:
            assert (ends[task.id].verdict, ends[task.id].reason) == ("invalid", "fails_check")
        elif task.manifest in unreadable:
            assert (ends[task.id].state, ends[task.id].reason) == ("error", "validator_error")
    voices = [m for m in manifests if m not in failed | unreadable]
    plain = find_agreement(tasks(voices), quorum, found) if voices else None
    assert plan.canonical_manifest == (plain.manifest if plain else None)


@given(found=RELATIONS, word=st.sampled_from(MANIFESTS), late=RESULTS)
def test_a_straggler_is_held_against_the_canonical_result_alone(
    found: Relation, word: bytes, late: list[bytes]
) -> None:
    first = [msgspec.structs.replace(t, verdict="valid", credit_micro=5) for t in tasks([word] * 2)]
    more = [msgspec.structs.replace(t, id=t.id + 50) for t in tasks(late)]
    before = msgspec.structs.replace(
        unit((*first, *more), found, 2),
        state="assimilated",
        canonical_manifest=word,
        canonical_task=first[0].id,
    )
    verdicts = {c.task_id: c.verdict for c in decide_unit(before, NOW).tasks}
    for task in more:
        close = agree(task.manifest, word, found)
        assert verdicts[task.id] == ("valid" if close else "invalid")
    unknown = msgspec.structs.replace(before, relation=Relation(good=frozenset(MANIFESTS)))
    plan = decide_unit(unknown, NOW)
    assert plan.compare == any(m != word for m in late)
    assert set(needed(unknown.tasks, unknown.relation, word).pairs) == {
        pair(m, word) for m in late if m != word
    }
