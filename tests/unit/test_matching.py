"""Who gets which unit: distinctness, nearest to completion, and reasons with counts."""

import pytest

from idlegrid_server.domain.matching import Distinct, choose, room
from idlegrid_server.domain.model import Candidate, HostSnapshot, HostState, Peer, TaskState

HOME = "10.1.2.0/24"
HOST = HostSnapshot(id=1, state="trusted", account_id=5, subnet=HOME, tasks_max=10)
ALL: tuple[Distinct, ...] = ("host", "account", "subnet")


def peer(
    host: int, account: int | None = None, subnet: str = "x", state: TaskState = "success"
) -> Peer:
    return Peer(state, host, account, subnet)


@pytest.mark.parametrize(
    ("other", "distinct", "gets"),
    [
        (peer(2), ALL, True),
        (peer(1), ("host",), False),
        (peer(1, state="error"), ("host",), False),  # it failed here before
        (peer(1, state="timed_out"), ("host",), True),
        (peer(1, state="lost"), ALL, True),
        (peer(2, account=5), ALL, False),
        (peer(2, account=5), ("host",), True),
        (peer(2, account=5, state="error"), ALL, True),
        (peer(2, subnet=HOME), ALL, False),
        (peer(2, subnet=HOME), ("host", "account"), True),
        (peer(2, account=6, subnet=HOME), ("host", "account"), True),
    ],
)
def test_no_two_live_replicas_share_what_distinct_names(
    other: Peer, distinct: tuple[Distinct, ...], gets: bool
) -> None:
    choice = choose(HOST, [Candidate(7, 1, (other,))], 1, distinct)
    assert choice.units == ((7,) if gets else ())
    assert [refusal.code for refusal in choice.refusals] == ([] if gets else ["partner"])


def test_hosts_of_nobody_in_one_subnet_count_as_one_account() -> None:
    nobody = HostSnapshot(id=1, state="trusted", subnet=HOME, tasks_max=10)
    partner = Candidate(7, 1, (peer(2, subnet=HOME),))
    assert choose(nobody, [partner], 1, ("host", "account")).units == ()
    elsewhere = Candidate(8, 1, (peer(2, subnet="10.9.9.0/24"),))
    assert choose(nobody, [elsewhere], 1, ("host", "account")).units == (8,)


def test_higher_ranks_go_first_and_each_unit_only_once() -> None:
    candidates = [
        Candidate(1, 0),
        Candidate(2, 1),
        Candidate(3, 2),
        Candidate(4, 1),
        Candidate(2, 1),
    ]
    assert choose(HOST, candidates, 4, ALL).units == (3, 2, 4, 1)


@pytest.mark.parametrize(
    ("state", "house", "gets"),
    [("new", False, False), ("probation", False, False), ("probation", True, True)],
)
def test_what_is_reserved_goes_to_the_proven_alone(
    state: HostState, house: bool, gets: bool
) -> None:
    host = HostSnapshot(id=1, state=state, subnet=HOME, tasks_max=10, house=house)
    choice = choose(host, [Candidate(1, 2), Candidate(2, 2)], 2, ALL)
    assert choice.units == ((1, 2) if gets else ())
    assert [(r.code, r.count) for r in choice.refusals] == ([] if gets else [("reserved", 2)])


def test_refusals_count_the_units_and_say_it_in_words() -> None:
    barred = [Candidate(n, 1, (peer(1),)) for n in range(3)]
    (refusal,) = choose(HOST, barred, 1, ALL).refusals
    assert refusal.count == 3
    assert refusal.text.startswith("3 units wait for a partner")


def test_the_cap_in_progress_holds() -> None:
    busy = HostSnapshot(id=1, state="trusted", in_progress=9, tasks_max=10)
    wanted, refusal = room(busy, 5)
    assert wanted == 1
    assert refusal is not None
    assert refusal.code == "cap"
    assert "9 of the 10 tasks" in refusal.text
    assert room(busy, 1) == (1, None)


@pytest.mark.parametrize("state", ["quarantined", "banned", "retired"])
def test_hosts_that_are_not_served_get_nothing(state: str) -> None:
    host = HostSnapshot(id=1, state=state, tasks_max=10)  # type: ignore[arg-type]
    wanted, refusal = room(host, 5)
    assert wanted == 0
    assert refusal is not None
    assert refusal.code == "quarantined"
