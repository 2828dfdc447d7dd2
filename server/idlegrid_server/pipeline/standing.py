"""How the hosts of units stand that a pass decides on, and whether there are proven ones."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from idlegrid_server.domain.kind import queue_keys
from idlegrid_server.domain.model import Fleet, HostState, Standing
from idlegrid_server.domain.reputation import (
    Crowd,
    Reputation,
    app_subject,
    fleet,
    standing,
)
from idlegrid_server.store.apply.policy import policy
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.host import HOSTS_STATE
from idlegrid_server.store.sql.reputation import CROWDS, DISPUTES, PROVEN, REPUTATIONS
from idlegrid_server.store.sql.unit import UnitStageRow

US = 1_000_000
SEEN_US = 2 * 3600 * US  # a host that asked since then is there
LOOK_AGAIN_US = 60 * US


@dataclass
class Fleets:
    """Who is there, as it was looked up less than a minute ago."""

    looked_at: int | None = None
    crowds: tuple[Crowd, ...] = ()
    passed: dict[str, dict[int, int]] = field(default_factory=dict)  # by subject

    def look(self, db: Connection, now: int, subjects: Iterable[str]) -> None:
        """Look again if it is long ago, or something is asked for the first time."""
        wanted = set(subjects)
        fresh = self.looked_at is not None and 0 <= now - self.looked_at < LOOK_AGAIN_US
        if fresh and wanted <= self.passed.keys():
            return
        since = now - SEEN_US
        self.crowds = tuple(
            Crowd(frozenset(queue_keys(profiles.split())), state, house, count)  # type: ignore[arg-type]
            for profiles, state, house, count in db.fetch_all(CROWDS, since=since)
        )
        self.passed = {
            subject: {} for subject in (wanted | self.passed.keys() if fresh else wanted)
        }
        for subject, passed, count in db.fetch_all(
            PROVEN, subjects=sorted(self.passed), since=since
        ):
            self.passed[subject][passed] = count
        self.looked_at = now


@dataclass
class Known:
    """Reputations, for the snapshots of a pass."""

    now: int
    hosts: dict[int, tuple[HostState, bool]]  # state, and whether it is a house host
    reputations: dict[tuple[int, str], Reputation]
    fleets: dict[int, Fleet]  # by stage
    disputes: dict[int, int]  # by host; of those alone whose word is held

    def standings(self, stage: UnitStageRow, host_ids: Sequence[int]) -> tuple[Standing, ...]:
        """How these hosts stand for a stage's units."""
        trust, app = subjects_of(stage)
        return tuple(
            standing(
                host_id,
                *self.hosts[host_id],
                self.reputations.get((host_id, trust)),
                self.reputations.get((host_id, app)),
                self.now,
                self.disputes.get(host_id, 0),
            )
            for host_id in host_ids
            if host_id in self.hosts
        )


def subjects_of(stage: UnitStageRow) -> tuple[str, str]:
    """What trust, and what finality, is kept for."""
    return stage.subject, app_subject(stage.app_id)


def read_known(
    db: Connection,
    now: int,
    host_ids: Iterable[int],
    stages: Iterable[UnitStageRow],
    fleets: Fleets,
    holders: Collection[int] = (),
) -> Known:
    """Two statements, one more for ``holders`` of provisional units, and two more now and then."""
    stages = list(stages)
    wanted = sorted(set(host_ids))
    subjects = sorted({name for stage in stages for name in subjects_of(stage)})
    fleets.look(db, now, {subjects_of(stage)[0] for stage in stages})
    hosts = db.fetch_all(HOSTS_STATE, host_ids=wanted) if wanted else []
    rows = db.fetch_all(REPUTATIONS, host_ids=wanted, subjects=subjects) if wanted else []
    disputes = db.fetch_all(DISPUTES, host_ids=sorted(set(holders))) if holders else []
    return Known(
        now=now,
        hosts={host_id: (state, house) for host_id, state, house in hosts},  # type: ignore[misc]
        reputations={(row.host_id, row.subject): Reputation(*row) for row in rows},
        fleets={
            stage.stage_id: fleet(
                stage.profile,
                policy(stage.policy),
                fleets.crowds,
                fleets.passed[subjects_of(stage)[0]],
            )
            for stage in stages
        },
        disputes=dict(disputes),
    )
