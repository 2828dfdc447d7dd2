"""One owner's copies of a unit speak once, however late their reports come (BOINC.md, trap 10)."""

import pytest

from idlegrid_server.domain.matching import clashes
from idlegrid_server.domain.model import Peer
from idlegrid_server.domain.report import accept_report

from .unit_story import out, silent

ALL = ("host", "account", "subnet")
MINE = Peer("timed_out", 10, 5, "10.0.0.0/24")


@pytest.mark.parametrize("state", ["in_progress", "success"])
def test_a_live_copy_of_the_same_host_clashes(state: str) -> None:
    again = Peer(state, 10, 5, "10.0.0.0/24")  # type: ignore[arg-type]
    assert clashes(MINE, [again], ("host",))


@pytest.mark.parametrize("state", ["timed_out", "error", "aborted", "lost", "unneeded"])
def test_a_copy_that_cannot_speak_does_not_clash(state: str) -> None:
    assert not clashes(MINE, [Peer(state, 10, 5, "10.0.0.0/24")], ALL)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("other", "distinct", "clash"),
    [
        (Peer("success", 11, 5, "10.9.9.0/24"), ALL, True),  # another machine of one account
        (Peer("success", 11, 5, "10.9.9.0/24"), ("host",), False),
        (Peer("success", 11, 6, "10.0.0.0/24"), ALL, True),  # another account in one subnet
        (Peer("success", 11, 6, "10.0.0.0/24"), ("host", "account"), False),
        (Peer("success", 11, 6, "10.9.9.0/24"), ALL, False),
    ],
)
def test_what_clashes_is_what_distinct_names(
    other: Peer, distinct: tuple[str, ...], clash: bool
) -> None:
    assert clashes(MINE, [other], distinct) is clash  # type: ignore[arg-type]


def test_hosts_of_nobody_in_one_subnet_count_as_one_account() -> None:
    one, other = Peer("timed_out", 1, None, "10.0.0.0/24"), Peer("success", 2, None, "10.0.0.0/24")
    assert clashes(one, [other], ("host", "account"))


def test_e14_a_late_success_is_refused_when_its_owner_has_another_copy() -> None:
    decision = accept_report(silent(0), 10, "success", "ok", replaced=True)
    assert (decision.fate, decision.state) == ("refused", None)
    assert "another copy" in decision.text


def test_e14_a_late_error_is_recorded_all_the_same() -> None:
    assert accept_report(silent(0), 10, "error", "trap", replaced=True).state == "error"


def test_a_report_in_time_is_never_replaced() -> None:
    assert accept_report(out(0), 10, "success", "ok", replaced=True).fate == "accepted"
