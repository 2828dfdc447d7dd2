"""What decided units say of the hosts in them, applied: reputations, and states that follow."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from idlegrid_server.domain.host import VALID_UNTIL_TRUSTED, next_state
from idlegrid_server.domain.model import Check, HostState, UnitPlan
from idlegrid_server.domain.newcomer import day_of
from idlegrid_server.domain.reputation import (
    Reputation,
    add_check,
    app_subject,
    fade,
    standing,
)
from idlegrid_server.domain.trust import is_proven, next_standing, shut_out_until
from idlegrid_server.store.apply.policy import policy
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import host as host_sql
from idlegrid_server.store.sql import reputation as sql
from idlegrid_shared.documents import Policy

Key = tuple[int, str]  # host and subject


@dataclass(frozen=True)
class Subject:
    """What trust in a stage's results is kept for, and what its app asks for."""

    trust: str
    app: str
    app_id: int
    policy: Policy


@dataclass
class Checks:
    """The reputations of a command's hosts as they change from plan to plan."""

    now: int
    subjects: dict[int, Subject]  # by stage
    known: dict[Key, Reputation]
    changed: set[Key] = field(default_factory=set)
    caught: set[int] = field(default_factory=set)
    #: (trust before, failed checks after), for each check that a host failed, in order.
    failures: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    #: Stages in which a host's results were confirmed.
    confirmed: dict[int, set[int]] = field(default_factory=dict)
    ops: dict[int, list[int]] = field(default_factory=dict)  # by app
    newcomers: int = 0  # results confirmed of hosts on probation, and of others
    others: int = 0

    def relies_on_caught(self, plan: UnitPlan, canonical_host: int | None) -> bool:
        """Whether a plan takes the word of a host that this very command found to be wrong."""
        if not self.caught or not plan.steps:
            return False
        takes = {check.host_id for check in plan.checks if check.passed} | {canonical_host}
        if plan.hold is not None:
            takes.add(plan.hold.host_id)
        return bool(takes & self.caught)

    def add(self, stage_id: int, checks: Sequence[Check]) -> None:
        """The checks of one plan."""
        subject = self.subjects[stage_id]
        for check in checks:
            for name in (subject.trust, subject.app):
                key = (check.host_id, name)
                before = fade(self._of(key), self.now)
                after = add_check(before, check, self.now)
                self.known[key] = after
                self.changed.add(key)
                if not check.passed and name == subject.trust:
                    self.caught.add(check.host_id)
                    sums = (before.passed, after.failed)
                    self.failures.setdefault(check.host_id, []).append(sums)

    def begin(self, host_id: int, subject: str) -> None:
        """Somebody waits for this host's checks: have a row, though there were none yet."""
        key = (host_id, subject)
        if key not in self.known:
            self.known[key] = self._of(key)
            self.changed.add(key)

    def confirm(self, stage_id: int, host: host_sql.StandingRow) -> None:
        """A result of the host was found valid."""
        self.confirmed.setdefault(host.id, set()).add(stage_id)
        if host.state in ("new", "probation") and not host.house:
            self.newcomers += 1
        else:
            self.others += 1

    def took(self, stage_id: int, ops: int) -> None:
        """A result that was accepted took so many ops."""
        if ops:
            self.ops.setdefault(self.subjects[stage_id].app_id, []).append(ops)

    def _of(self, key: Key) -> Reputation:
        return self.known.get(key) or Reputation(*key, faded_at=self.now)

    # --- states

    def states(
        self, host: host_sql.StandingRow, n_valid: int
    ) -> tuple[list[tuple[HostState, str]], int | None, bool]:
        """The steps of a host's life cycle, until when it is shut out, whether it is newly so."""
        state: HostState = host.state  # type: ignore[assignment]
        steps: list[tuple[HostState, str]] = []
        until, shut_out = None, False
        for passed, failed in self.failures.get(host.id, ()):
            step = next_standing(state, passed, failed)
            if step is not None:
                steps.append(step)
                state = step[0]
                shut_out |= state == "quarantined"
        if shut_out:
            until = shut_out_until(self.now, host.n_shut_out)
        stages = self.confirmed.get(host.id, set())
        if stages:
            proven = any(self._is_proven(host, state, self.subjects[s]) for s in stages)
            by_quorum = any(self._counts_by_quorum(host.id, self.subjects[s]) for s in stages)
            while step := next_state(state, n_valid, proven=proven, by_quorum=by_quorum):
                steps.append(step)
                state = step[0]
        return steps, until, shut_out

    def _is_proven(self, host: host_sql.StandingRow, state: HostState, subject: Subject) -> bool:
        trust = self.known.get((host.id, subject.trust))
        found = standing(host.id, state, bool(host.house), trust, None, self.now)
        return is_proven(found, subject.policy)

    def _counts_by_quorum(self, host_id: int, subject: Subject) -> bool:
        """One that was caught begins to count anew. A quorum of one is nobody's confirmation."""
        if subject.policy.quorum < 2:
            return False
        trust = self._of((host_id, subject.trust))
        clean = trust.caught_at is None or trust.streak >= VALID_UNTIL_TRUSTED
        return subject.policy.replication == "fixed" and clean

    # --- write

    def write(self, db: Connection) -> None:
        """Store what changed; hosts must be locked."""
        rows = [
            [getattr(self.known[key], name) for name in sql.ReputationRow._fields]
            for key in sorted(self.changed)
        ]
        db.execute_many(sql.REPUTATION_SET, rows)
        if self.newcomers or self.others:
            db.execute(
                sql.CONFIRMED_COUNT,
                day=day_of(self.now),
                newcomers=self.newcomers,
                others=self.others,
            )
        db.execute_many(
            sql.TYPICAL_OPS,
            [(round(sum(ops) / len(ops)), app_id) for app_id, ops in sorted(self.ops.items())],
        )


def read_checks(
    db: Connection, now: int, host_ids: Iterable[int], stage_ids: Iterable[int]
) -> Checks:
    """The reputations that decisions about units of these stages may change: two statements."""
    subjects = {
        row.stage_id: Subject(
            row.subject,
            app_subject(row.app_id),
            row.app_id,
            policy(row.policy),
        )
        for row in db.fetch_all(sql.SUBJECTS, stage_ids=sorted(set(stage_ids)))
    }
    names = sorted({name for s in subjects.values() for name in (s.trust, s.app)})
    rows = db.fetch_all(sql.REPUTATIONS, host_ids=sorted(set(host_ids)), subjects=names)
    return Checks(now, subjects, {(row.host_id, row.subject): reputation(row) for row in rows})


def reputation(row: sql.ReputationRow) -> Reputation:
    """A row as decisions see it."""
    return Reputation(*row)


def steps_of(
    ledger: Ledger, host: host_sql.StandingRow, steps: Sequence[tuple[HostState, str]]
) -> None:
    """Write the steps of a host to the event log."""
    state = host.state
    for after, reason in steps:
        ledger.step("host", host.id, state, after, reason)
        state = after
