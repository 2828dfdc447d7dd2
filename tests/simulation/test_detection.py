"""The simulation can fail: with one guard of the server switched off it says which rule broke.

A harness that never fails proves nothing; each of these takes away what keeps a promise.
"""

import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import replace

import pytest

from idlegrid_client.core import reply as core_reply
from idlegrid_client.core import settle
from idlegrid_server.domain import fixed, quorum, trust
from idlegrid_server.domain.migration import LeftBehind, Replica
from idlegrid_server.pipeline.wake import QueueName
from idlegrid_server.store.apply import dispatch, report
from idlegrid_server.web import body
from idlegrid_shared import signing

from . import invariant, server
from .mix import CALM, BatchMix, Kind, Mix
from .run import SeedFailed, run_seed

SEEDS = range(5)
HONEST: tuple[Kind, ...] = ("honest",) * 4
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
#: Units that one host's word may decide.
TRUSTED = replace(
    CHEATED, hosts=HONEST, batches=(replace(BATCH, version="6", units=20),), fault_time_s=1_500.0
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
    monkeypatch.setattr(dispatch, "room", lambda host, wanted, new: (wanted, None))
    assert "more than its cap" in first_failure(CHEATED)


def test_a_sweep_that_sees_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines are nobody's wake-up: only the sweep finds them."""
    monkeypatch.setattr(server, "sweep_pass", lambda *args: set())
    abandoned = replace(CHEATED, hosts=("honest", "honest", "ghost", "ghost"))
    found = first_failure(abandoned)
    assert "deadline" in found or "within one sweep" in found


def changing_rows(monkeypatch: pytest.MonkeyPatch, sql: str, when: str) -> None:
    """Somebody changes rows behind the server's back, at each sweep for which ``when`` holds."""
    sweep = server.SimServer.sweep

    def vandal(self: server.SimServer) -> set[QueueName]:
        with closing(sqlite3.connect(self.project.layout.database)) as db, db:
            if db.execute(when).fetchone()[0]:
                db.execute(sql)
        return sweep(self)

    monkeypatch.setattr(server.SimServer, "sweep", vandal)


# --- guards switched off, one for each promise that one guard keeps


def test_a_client_that_believes_any_signature_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 9: somebody on the way changes what tasks say, and nobody looks at signatures."""
    monkeypatch.setattr(signing, "verify_bytes", lambda *args: None)
    watched = replace(CHEATED, hosts=HONEST, faults=replace(CALM, tamper=0.5))
    assert first_failure(watched)


def test_a_client_that_gives_results_up_too_early_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 8: what was computed is kept until the server has it."""
    monkeypatch.setattr(settle, "RESULT_KEEP_S", -86_400.0)
    slow = replace(CHEATED, hosts=HONEST, faults=replace(CALM, drop_reply=0.3, drop_request=0.3))
    assert "without a receipt" in first_failure(slow)


def test_bodies_without_a_limit_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 12: eight megabytes of blanks make a request of a few kilobytes."""
    unpack = body.unpack
    monkeypatch.setattr(body, "unpack", lambda data, encoding, limit: unpack(data, encoding, 2**30))
    flooded = replace(CHEATED, hosts=("honest", "honest", "honest", "flood"))
    assert "larger than its limit" in first_failure(flooded)


def test_strangers_that_are_believed_alone_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 1: trust comes from checks alone."""
    monkeypatch.setattr(trust, "is_proven", lambda standing, policy: True)
    assert "had not passed the checks" in first_failure(TRUSTED)


def test_a_caught_hosts_past_that_nobody_looks_at_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 1: what a liar said alone is judged anew once it is caught. Here nobody hears of it."""
    monkeypatch.setattr(invariant, "recount", lambda *args: [])  # it would see the row itself
    sql = "UPDATE reputation SET caught_at = (SELECT MAX(received_at) FROM task)"
    held = "SELECT COUNT(*) FROM work_unit WHERE state = 'provisional'"
    changing_rows(monkeypatch, sql, held)
    assert "nobody will look at it" in first_failure(replace(TRUSTED, vouched=True))


def test_a_server_that_gives_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Liveness 1 and 3: work that is there, and hosts that wait for it in vain."""
    monkeypatch.setattr(dispatch, "room", lambda host, wanted, new: (0, None))
    found = first_failure(replace(CHEATED, hosts=HONEST))
    assert "got no work" in found or "never ended" in found


def test_receipts_that_nobody_hears_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Liveness 2: a result waits at its host until somebody says that it is safe."""
    monkeypatch.setattr(core_reply, "_take_answer", lambda *args: None)
    assert "never got its receipt" in first_failure(replace(CHEATED, hosts=HONEST))


# --- rows changed by hand: what no guard stands before, the watch must see all the same

VANDALISM = {
    "2 credit is paid twice": (
        "UPDATE credit SET micro = micro / 2, base_micro = base_micro WHERE state = 'paid'",
        ("credit", "recount"),
    ),
    "3 an accepted result changes": (
        "UPDATE work_unit SET canonical_manifest = zeroblob(32) WHERE state = 'assimilated'",
        ("accepted", "recount"),
    ),
    "7 a receipted result is gone": (
        "UPDATE task SET manifest = zeroblob(32) WHERE state = 'success'",
        ("receipt", "recount", "fewer agreeing"),
    ),
    "10 a counter is wrong": (
        "UPDATE host SET n_valid = n_valid + 1",
        ("recount",),
    ),
    "11 a state that the log does not know": (
        "UPDATE host SET state = 'retired' WHERE id = 1",
        ("recount",),
    ),
}


@pytest.mark.parametrize("what", VANDALISM)
def test_rows_that_somebody_changed_are_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sql, words = VANDALISM[what]
    changing_rows(
        monkeypatch, sql, "SELECT COUNT(*) > 1 FROM work_unit WHERE state = 'assimilated'"
    )
    found = first_failure(replace(CHEATED, hosts=HONEST))
    assert any(word in found for word in words), found
