"""The simulation can fail: with one guard of the server switched off it says which rule broke.

A harness that never fails proves nothing; each of these takes away what keeps a promise.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest

from idlegrid_server.domain import fixed, quorum
from idlegrid_server.domain.migration import LeftBehind, Replica
from idlegrid_server.store.apply import dispatch, report

from . import server
from .mix import CALM, BatchMix, Mix
from .run import SeedFailed, run_seed

SEEDS = range(5)
BATCH = BatchMix(
    version="5",  # a quorum of two, and a deadline that slow hosts miss
    units=6,
    large=False,
    on_failure={"mode": "skip"},
    combine=False,
    at_s=0.0,
    fate="none",
    fate_at_s=0.0,
)
#: Cheats let tasks time out, get the same units again, and report both copies.
CHEATED = Mix(
    hosts=("honest", "honest", "cheat", "cheat"),
    shared_subnet=False,
    distinct=("host", "account", "subnet"),
    batches=(BATCH,),
    faults=CALM,
    fault_time_s=900.0,
    task_s=60.0,
    sweep_s=5.0,
)


def first_failure(mix: Mix) -> str:
    for seed in SEEDS:
        try:
            run_seed(seed, mix)
        except SeedFailed as error:
            return str(error).splitlines()[0]
    return ""


def test_cheats_get_nowhere() -> None:
    assert first_failure(CHEATED) == ""


def test_a_host_that_could_confirm_itself_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: a late result of a host counted beside that host's second copy of the unit."""
    monkeypatch.setattr(report, "may_still_speak", lambda *args: True)
    assert "are both of host" in first_failure(CHEATED)


def test_a_checkpoint_given_to_its_makers_partner_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A host continues what one left who has another live copy of the unit: one voice, twice."""

    def the_first(
        replicas: Sequence[Replica], left: Collection[LeftBehind], distinct: object
    ) -> LeftBehind | None:
        return next(iter(left), None)

    monkeypatch.setattr(dispatch, "choose_checkpoint", the_first)
    slow = replace(CHEATED, hosts=("honest", "honest", "slow", "slow"), task_s=120.0, vouched=True)
    assert "continue" in first_failure(slow)


def test_a_wrong_quorum_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One result is taken for an agreement."""
    monkeypatch.setattr(
        fixed, "find_agreement", lambda votes, wanted, known: quorum.find_agreement(votes, 1, known)
    )
    assert "of 2 votes" in first_failure(CHEATED)


def test_a_cap_that_nobody_keeps_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts that time out are cut down to one task; here they get what they ask for."""
    monkeypatch.setattr(dispatch, "room", lambda host, wanted: (wanted, None))
    assert "more than its cap" in first_failure(CHEATED)


def test_a_sweep_that_sees_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines are nobody's wake-up: only the sweep finds them."""
    monkeypatch.setattr(server, "sweep_pass", lambda *args: set())
    abandoned = replace(CHEATED, hosts=("honest", "honest", "ghost", "ghost"))
    found = first_failure(abandoned)
    assert "deadline" in found or "within one sweep" in found
