"""A host's cap in progress: earned by confirmed results, halved by every bad one (trap 5)."""

from idlegrid_server.domain.host import LIMIT_MAX, first_limit, next_limit, next_state
from idlegrid_server.domain.transition import is_allowed


def test_a_new_host_starts_with_two_tasks_a_core() -> None:
    assert first_limit(1) == 2
    assert first_limit(4) == 8
    assert first_limit(4096) == LIMIT_MAX


def test_confirmed_results_double_the_cap_up_to_eight_a_core() -> None:
    assert next_limit(8, 4, valid=1, bad=0) == 16
    assert next_limit(8, 4, valid=9, bad=0) == 32


def test_a_host_that_is_always_wrong_is_down_to_one_task_after_a_few() -> None:
    limit, judged = first_limit(32), 0
    while limit > 1:
        limit = next_limit(limit, 32, valid=0, bad=1)
        judged += 1
    assert judged == 6
    assert next_limit(1, 32, valid=0, bad=5) == 1


def test_a_host_is_trusted_when_proven_or_by_three_results_of_a_quorum() -> None:
    assert next_state("new", 0) == ("probation", "first_result")
    assert next_state("probation", 2, by_quorum=True) is None
    assert next_state("probation", 3, by_quorum=True) == ("trusted", "proven")
    assert next_state("probation", 99) is None
    assert next_state("probation", 1, proven=True) == ("trusted", "proven")
    assert next_state("trusted", 99, proven=True, by_quorum=True) is None
    assert is_allowed("host", "new", "probation")
    assert is_allowed("host", "probation", "trusted")
