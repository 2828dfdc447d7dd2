"""What must hold of trust whatever hosts do."""

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.population import Population
from idlegrid_server.domain import trust
from idlegrid_server.domain.model import Check, Standing, TaskSnapshot
from idlegrid_server.domain.reputation import Reputation, add_check
from idlegrid_shared.documents import Policy

POLICY = Policy(replication="credibility")
counts = st.floats(0, 200, allow_nan=False)
standings = st.builds(
    Standing, st.just(1), house=st.booleans(), passed=counts, failed=counts, checks=st.integers(0)
)
checks = st.lists(
    st.builds(Check, st.just(1), st.booleans(), st.booleans(), st.floats(0.01, 1)), max_size=30
)


@given(standings)
def test_credibility_is_a_probability(standing: Standing) -> None:
    assert 0.0 <= trust.credibility(standing, POLICY) < 1.0


@given(counts, counts, counts)
def test_more_passed_is_never_less_believed(passed: float, more: float, failed: float) -> None:
    one = trust.credibility(Standing(1, passed=passed, failed=failed), POLICY)
    assert trust.credibility(Standing(1, passed=passed + more, failed=failed), POLICY) >= one
    assert trust.credibility(Standing(1, passed=passed, failed=failed + more), POLICY) <= one


@given(checks)
def test_trust_is_only_earned_since_the_last_failure(sequence: list[Check]) -> None:
    known = Reputation(1, "p:x")
    earned = 0.0
    for at, check in enumerate(sequence):
        before = known
        known = add_check(known, check, at)
        earned = earned + check.weight * check.earns if check.passed else 0.0
        assert abs(known.passed - earned) < 1e-6
        assert known.checks >= before.checks
        assert known.caught_at == (before.caught_at if check.passed else at)


@given(st.lists(st.tuples(st.integers(0, 3), counts), min_size=1, max_size=6))
def test_the_chances_of_groups_add_up_to_less_than_one(said: list[tuple[int, float]]) -> None:
    known = {n: Standing(n, passed=passed) for n, (_, passed) in enumerate(said)}
    groups: dict[bytes, list[TaskSnapshot]] = {}
    for n, (word, _) in enumerate(said):
        task = TaskSnapshot(n, n, "success", "pending", host_id=n, manifest=b"%d" % word)
        groups.setdefault(b"%d" % word, []).append(task)
    chances = trust.weigh(groups, known, POLICY)
    assert chances.keys() == groups.keys()
    assert 0.0 <= sum(chances.values()) <= 1.0 + 1e-9
    turned = trust.weigh(dict(reversed(groups.items())), known, POLICY)
    assert all(abs(turned[word] - chances[word]) < 1e-12 for word in groups)


@given(st.lists(st.integers(0, 60), max_size=40), st.integers(0, 60))
def test_audits_at_the_end_are_enough(final_at: list[int], passed: int) -> None:
    """Asked again and again, each audit passed, they end, and never check what is final."""
    left = sorted(final_at)
    for _ in range(200):
        left = [at for at in left if at > passed]
        count = trust.units_to_audit(left, passed)
        assert count <= len(left)
        if not count:
            break
        left = left[: len(left) - count]
        passed += count
    assert not left


def test_liars_who_come_again_get_nothing_through() -> None:
    """A small grid, a tenth of it colluding liars: dearer than a clean one, and as right."""
    clean = Population(POLICY, honest=50, bad=0, units=2_500, seed=1).run()
    lied = Population(POLICY, honest=45, bad=5, units=2_500, seed=1).run()
    boinc = Population(Policy(replication="adaptive"), honest=45, bad=5, units=2_500, seed=1).run()
    assert (clean.wrong, clean.failed) == (0, 0)
    assert clean.cost < 1.4
    assert lied.lies > 50
    assert lied.wrong <= 2 < boinc.wrong
    assert clean.cost < lied.cost < 1.8


def test_a_host_that_turns_is_caught_before_its_lies_are_final() -> None:
    turned = Population(
        POLICY, honest=29, bad=1, units=9_000, seed=2, kind="patient", patience=25
    ).run()
    assert turned.lies_alone > 20
    assert turned.lies_final <= 0.02 * turned.lies_alone
