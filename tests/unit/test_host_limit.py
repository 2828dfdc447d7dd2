"""A host's cap in progress: earned by confirmed results, halved by every bad one (trap 5)."""

from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.domain.host import (
    LIMIT_MAX,
    NEWCOMER_MAX,
    VERDICTS_FIRST,
    allowance,
    first_limit,
    next_limit,
    next_state,
)
from idlegrid_server.domain.model import HostSnapshot
from idlegrid_server.domain.transition import is_allowed


def test_a_new_host_starts_with_two_tasks_a_core_and_a_dozen_at_most() -> None:
    assert first_limit(1) == 2
    assert first_limit(4) == 8
    assert first_limit(4096) == NEWCOMER_MAX == 12
    assert first_limit(32, house=True) == 64
    assert first_limit(4096, house=True) == LIMIT_MAX


def test_confirmed_results_double_the_cap_up_to_eight_a_core() -> None:
    assert next_limit(8, 4, valid=1, bad=0) == 16
    assert next_limit(8, 4, valid=9, bad=0) == 32


def test_the_first_three_verdicts_double_nothing() -> None:
    assert next_limit(12, 32, valid=3, bad=0, before=0) == 12
    assert next_limit(12, 32, valid=1, bad=0, before=2) == 12
    assert next_limit(12, 32, valid=1, bad=0, before=3) == 24
    assert next_limit(12, 32, valid=5, bad=0, before=0) == 48
    assert next_limit(12, 32, valid=2, bad=2, before=0, invalid=2) == 6


def test_a_host_that_is_always_wrong_is_down_to_one_task_after_a_few() -> None:
    limit, judged = first_limit(32), 0
    while limit > 1:
        limit = next_limit(limit, 32, valid=0, bad=1, before=judged, invalid=1)
        judged += 1
    assert judged == 3
    assert next_limit(1, 32, valid=0, bad=5) == 1


@given(
    in_progress=st.integers(0, 600),
    unjudged=st.integers(0, 600),
    judged=st.integers(0, 6),
    limit=st.integers(1, LIMIT_MAX),
    house=st.booleans(),
)
def test_nobody_gets_more_than_its_caps(
    in_progress: int, unjudged: int, judged: int, limit: int, house: bool
) -> None:
    host = HostSnapshot(
        id=1,
        state="new",
        in_progress=in_progress,
        unjudged=unjudged,
        judged=judged,
        tasks_max=limit,
        house=house,
    )
    free, new = allowance(host)
    assert 0 <= free <= max(0, limit - in_progress)
    if not house and judged < VERDICTS_FIRST and limit <= NEWCOMER_MAX:
        assert free <= max(0, NEWCOMER_MAX - in_progress - unjudged)
    else:
        assert (free, new) == (max(0, limit - in_progress), False)


def test_a_host_is_trusted_when_proven_or_by_three_results_of_a_quorum() -> None:
    assert next_state("new", 0) == ("probation", "first_result")
    assert next_state("probation", 2, by_quorum=True) is None
    assert next_state("probation", 3, by_quorum=True) == ("trusted", "proven")
    assert next_state("probation", 99) is None
    assert next_state("probation", 1, proven=True) == ("trusted", "proven")
    assert next_state("trusted", 99, proven=True, by_quorum=True) is None
    assert is_allowed("host", "new", "probation")
    assert is_allowed("host", "probation", "trusted")
