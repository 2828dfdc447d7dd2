"""What the sandbox says of a run's end, the server knows; and no error is ever a vote."""

from typing import get_args

import pytest

from idlegrid_client.runner.result import MACHINE_FAULTS
from idlegrid_server.domain.quorum import usable
from idlegrid_server.domain.reason import APP_ERRORS, TASK
from idlegrid_server.domain.report import accept_report
from idlegrid_shared.sandbox.job import Reason

from .unit_story import failed, out, returned

REASONS = set(get_args(Reason)) - {"ok"}
#: What another host would do better: its own time, engine or checkpoint, or its own faults.
HOST_ERRORS = {"time_limit", "profile_mismatch", "bad_checkpoint", *MACHINE_FAULTS}


def test_every_reason_of_the_sandbox_is_the_apps_or_the_hosts() -> None:
    assert APP_ERRORS | HOST_ERRORS == REASONS
    assert not APP_ERRORS & HOST_ERRORS


@pytest.mark.parametrize("reason", sorted(REASONS - MACHINE_FAULTS))
def test_a_reported_reason_keeps_its_name_and_has_a_sentence(reason: str) -> None:
    """Stack, memory and ops are limits that a program met: errors of the app, told as such."""
    decision = accept_report(out(0), 10, "error", reason)
    assert (decision.fate, decision.state, decision.verdict) == ("accepted", "error", None)
    assert decision.reason == reason, "the server does not know it"
    assert TASK[reason].endswith(".")


@pytest.mark.parametrize("reason", sorted(APP_ERRORS))
def test_an_error_is_no_vote(reason: str) -> None:
    """Three hosts that trap alike prove nothing: what counts is what results say."""
    tasks = [failed(n, reason) for n in range(3)]
    assert usable([*tasks, returned(3, "a")]) == [returned(3, "a")]
