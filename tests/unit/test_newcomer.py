"""A flood of new names does not take over: their part of what is confirmed is bounded."""

from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.domain.matching import room
from idlegrid_server.domain.model import HostSnapshot
from idlegrid_server.domain.newcomer import NEWCOMERS_MIN, DayCount, newcomers_may


@given(share=st.floats(0.01, 0.99), arrivals=st.lists(st.booleans(), max_size=4000))
def test_newcomers_never_have_more_than_their_share_or_the_first_thousand(
    share: float, arrivals: list[bool]
) -> None:
    """Newcomers and others come in any order; each newcomer that is let in is confirmed."""
    new = others = 0
    for is_new in arrivals:
        if is_new:
            new += newcomers_may(DayCount(new, others), share)
        else:
            others += 1
        assert new <= max(NEWCOMERS_MIN, share / (1 - share) * others + 1)


def test_a_project_that_begins_lets_its_first_hosts_prove_themselves() -> None:
    assert newcomers_may(DayCount(0, 0), 0.01)
    assert newcomers_may(DayCount(NEWCOMERS_MIN - 1, 0), 0.5)
    assert not newcomers_may(DayCount(NEWCOMERS_MIN, 0), 0.5)
    assert newcomers_may(DayCount(NEWCOMERS_MIN, NEWCOMERS_MIN + 1), 0.5)
    assert newcomers_may(DayCount(10**9, 0), 1.0)


def test_only_hosts_on_probation_wait() -> None:
    for state, house, free in (
        ("new", False, 0),
        ("probation", False, 0),
        ("trusted", False, 3),
        ("new", True, 3),
    ):
        host = HostSnapshot(id=1, state=state, house=house, tasks_max=9)  # type: ignore[arg-type]
        found, refusal = room(host, 3, newcomers=False)
        assert found == free
        assert (refusal is not None and refusal.code == "newcomers") == (free == 0)
        assert room(host, 3)[0] == 3
