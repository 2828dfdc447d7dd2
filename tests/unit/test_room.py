"""How much a host may have, and in which words it is told why not more."""

import pytest

from idlegrid_server.domain.host import NEWCOMER_MAX, is_newcomer
from idlegrid_server.domain.matching import RefusalCount, choose, room
from idlegrid_server.domain.model import Candidate, HostSnapshot, HostState, Peer

ALL = ("host", "account", "subnet")


def host(state: HostState = "trusted", **more: int) -> HostSnapshot:
    return HostSnapshot(1, state, 7, "net", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", ["quarantined", "banned", "retired"])
def test_who_is_shut_out_gets_nothing(state: HostState) -> None:
    assert room(host(state, tasks_max=9), 3) == (0, RefusalCount("quarantined", 0))


def test_newcomers_get_nothing_on_a_day_that_had_enough_of_them() -> None:
    assert room(host("new", tasks_max=9), 3, False) == (0, RefusalCount("newcomers", 0))
    assert room(host("probation", tasks_max=9), 3, False) == (0, RefusalCount("newcomers", 0))
    assert room(host("trusted", tasks_max=9), 3, False) == (3, None)


def test_the_cap_is_the_cap() -> None:
    assert room(host(tasks_max=5, in_progress=2), 3) == (3, None)
    assert room(host(tasks_max=5, in_progress=3), 3) == (2, RefusalCount("cap", 0, "3 of the 5"))
    assert room(host(tasks_max=5, in_progress=6), 3) == (0, RefusalCount("cap", 0, "6 of the 5"))


def test_a_host_without_verdicts_is_told_that_it_waits_for_them() -> None:
    waiting = NEWCOMER_MAX - 6
    fresh = host("new", tasks_max=NEWCOMER_MAX, in_progress=4, unjudged=waiting, judged=0)
    assert is_newcomer(fresh)
    wanted = RefusalCount("unjudged", waiting, "4")
    assert room(fresh, 9) == (2, wanted)
    assert room(fresh, 2) == (2, None)


def test_what_was_not_given_is_told_only_where_something_was_missing() -> None:
    """Hosts of nobody are kept apart by their subnet; an account is not a subnet of that name."""
    barred = Candidate(5, 1, (Peer("success", 2, 7, "other"),))
    free = Candidate(6, 1)
    assert choose(host(), [barred, free], 1, ALL).refusals == ()
    assert choose(host(), [barred, free], 2, ALL).refusals == (RefusalCount("partner", 1),)
    nobody = HostSnapshot(1, "trusted", None, "7")
    assert choose(nobody, [barred], 1, ("account",)).units == (5,)


def test_a_unit_that_is_bound_to_no_class_is_anybodys() -> None:
    bound = Candidate(5, 1, (Peer("in_progress", 2, 8, "other"),), bound_to="a class")
    assert choose(host(), [bound], 1, ALL).refusals == (RefusalCount("kind", 1),)
    assert choose(host(), [bound], 1, ALL, "a class").units == (5,)
