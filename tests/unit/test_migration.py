"""Which checkpoint a task continues from, and whose hands a replica is in then."""

import pytest

from idlegrid_server.domain.matching import clashes
from idlegrid_server.domain.migration import (
    LeftBehind,
    Replica,
    choose_checkpoint,
    may_still_speak,
    peers_of,
)
from idlegrid_server.domain.model import Peer, TaskState

ALL = ("host", "account", "subnet")


def gone(task: int, host: int, state: TaskState = "timed_out", after: int | None = None) -> Replica:
    """Task ``task`` of host ``host``, whose account and subnet are its own."""
    return Replica(task, state, host, 1000 + host, f"s{host}", after)


def left(task: int, ops: int = 10) -> LeftBehind:
    return LeftBehind(task, bytes([task]) * 32, 100, ops)


def test_the_furthest_checkpoint_is_continued() -> None:
    replicas = [gone(1, 1), gone(2, 2, "aborted"), gone(3, 3, "lost")]
    best = choose_checkpoint(replicas, [left(1, 10), left(2, 30), left(3, 20)], ALL)
    assert best == left(2, 30)


@pytest.mark.parametrize("state", ["in_progress", "success", "error", "unneeded"])
def test_only_work_that_was_left_is_continued(state: TaskState) -> None:
    """One that failed would fail again; one that lives is nobody else's."""
    assert choose_checkpoint([gone(1, 1, state)], [left(1)], ALL) is None


@pytest.mark.parametrize("state", ["in_progress", "success"])
def test_what_one_continues_no_other_does(state: TaskState) -> None:
    replicas = [gone(1, 1), gone(2, 2, state, after=1)]
    assert choose_checkpoint(replicas, [left(1)], ALL) is None


def test_what_was_continued_and_left_again_is_free_again() -> None:
    replicas = [gone(1, 1), gone(2, 2, "timed_out", after=1)]
    assert choose_checkpoint(replicas, [left(1, 5), left(2, 9)], ALL) == left(2, 9)
    assert choose_checkpoint(replicas, [left(1, 5)], ALL) == left(1, 5)


def test_a_maker_with_another_live_replica_confirms_nobody() -> None:
    """Host 1 timed out with task 1, then got task 2: continuing task 1 would double its voice."""
    replicas = [gone(1, 1), gone(2, 1, "in_progress")]
    assert choose_checkpoint(replicas, [left(1)], ALL) is None
    mate = Replica(2, "success", 7, 1001, "s7")
    assert choose_checkpoint([gone(1, 1), mate], [left(1)], ALL) is None
    assert choose_checkpoint([gone(1, 1), mate], [left(1)], ("host",)) == left(1)


def test_a_continued_replica_is_in_all_hands_that_had_it() -> None:
    replicas = [gone(1, 1), gone(2, 2, "timed_out", after=1), gone(3, 3, "in_progress", after=2)]
    live = {p.host_id for p in peers_of(replicas) if p.state == "in_progress"}
    assert live == {1, 2, 3}
    first = Peer("unsent", 1, 1001, "s1")
    assert clashes(first, peers_of(replicas), ALL)


def test_the_one_who_was_continued_cannot_report_late() -> None:
    replicas = [gone(1, 1), gone(2, 2, "in_progress", after=1)]
    assert not may_still_speak(1, replicas, ALL)
    assert may_still_speak(1, [gone(1, 1), gone(2, 2, "in_progress")], ALL)
    assert may_still_speak(1, [gone(1, 1), gone(2, 2, "error", after=1)], ALL)


def test_a_ring_of_tasks_ends() -> None:
    """The database cannot make one; reading it must end all the same."""
    ring = [gone(1, 1, after=2), gone(2, 2, after=1)]
    assert len(peers_of(ring)) == 4


def test_a_newcomers_checkpoint_is_left_alone() -> None:
    """Found by the simulation: two forgers spoiled the replicas of all honest hosts."""
    stranger = LeftBehind(1, bytes(32), 100, 99, proven=False)
    assert choose_checkpoint([gone(1, 1), gone(2, 2)], [stranger, left(2, 1)], ALL) == left(2, 1)
    assert choose_checkpoint([gone(1, 1)], [stranger], ALL) is None


def test_one_that_nobody_may_continue_hides_none_that_somebody_may() -> None:
    """Whatever stands first in the list: errors, forgeries, partners of those who still compute."""
    replicas = [gone(1, 1, "error"), gone(2, 2), gone(3, 2, "in_progress"), gone(4, 4), gone(5, 5)]
    forged = LeftBehind(4, b"4" * 32, 100, 99, proven=False)
    offered = [left(1, 90), forged, left(2, 80), left(5, 5)]
    assert choose_checkpoint(replicas, offered, ALL) == left(5, 5)


def test_all_before_a_continued_one_have_a_part_in_it() -> None:
    """Three in a row: while the last computes, nobody continues what the first or second left."""
    row = [gone(1, 1), gone(2, 2, after=1), gone(3, 3, "in_progress", after=2)]
    assert choose_checkpoint(row, [left(1), left(2)], ALL) is None
    assert {peer.host_id for peer in peers_of(row) if peer.state == "in_progress"} == {1, 2, 3}
    again = [*row, gone(4, 1, "timed_out")]
    assert not may_still_speak(4, again, ALL), "host 1 has a part in what host 3 computes"


def test_one_subnet_is_one_voice_where_a_project_says_so() -> None:
    neighbour = Replica(9, "in_progress", 9, 1009, "s1")
    assert not may_still_speak(1, [gone(1, 1), neighbour], ALL)
    assert may_still_speak(1, [gone(1, 1), neighbour], ("host", "account"))


def test_of_checkpoints_that_are_as_far_the_newer_task_s_is_taken() -> None:
    assert choose_checkpoint([gone(1, 1), gone(2, 2)], [left(2), left(1)], ALL) == left(2)
    assert choose_checkpoint([gone(1, 1), gone(2, 2)], [left(1), left(2)], ALL) == left(2)
