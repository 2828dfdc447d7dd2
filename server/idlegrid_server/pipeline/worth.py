"""What credit asks of a unit's stage and hosts, beside the unit itself: read where it is asked."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from idlegrid_server.domain.benchmark import FLEET_LOOK, ops_per_second, typical_ops_per_second
from idlegrid_server.domain.model import UnitSnapshot
from idlegrid_server.domain.spread import percentile
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.credit import BENCHMARKS, BENCHMARKS_OF_HOSTS, SPREAD_OF_STAGES
from idlegrid_shared.documents import WALLED_BY_SYSTEM, Release
from idlegrid_shared.signing import Signed

BOUND = 0.9  # the percentile that bounds what is not agreed
RELEASES_KEPT = 256


def with_worth(
    db: Connection, units: Sequence[UnitSnapshot], releases: Mapping[int, bytes]
) -> list[UnitSnapshot]:
    """The units, with what their credit is bound by; ``releases`` by the stage's id.

    No statement where every result is agreed and counted; else one, and two more for programs whose
    ops are not counted.
    """
    unmetered = {stage_id for stage_id, release in releases.items() if not is_metered(release)}
    asked = unmetered | {unit.stage_id for unit in units if may_be_single(unit)}
    if not asked:
        return list(units)
    p90 = _p90(db, asked)
    speeds = _speeds(db, [unit for unit in units if unit.stage_id in unmetered])
    return [_with(unit, unit.stage_id not in unmetered, p90, speeds) for unit in units]


def may_be_single(unit: UnitSnapshot) -> bool:
    """Whether one result alone may be accepted."""
    return unit.policy.replication != "fixed" or unit.policy.quorum == 1


@lru_cache(maxsize=RELEASES_KEPT)
def is_metered(release: bytes) -> bool:
    """Whether a release's programs have their ops counted."""
    signed = msgspec.json.decode(release, type=Signed)
    return msgspec.json.decode(signed.body, type=Release).runtime not in WALLED_BY_SYSTEM


def _p90(db: Connection, stages: set[int]) -> dict[int, int | None]:
    counts: dict[int, dict[int, int]] = {stage_id: {} for stage_id in stages}
    for stage_id, bucket, units in db.fetch_all(SPREAD_OF_STAGES, stage_ids=sorted(stages)):
        counts[stage_id][bucket] = units
    return {stage_id: percentile(found, BOUND) for stage_id, found in counts.items()}


def _speeds(db: Connection, units: list[UnitSnapshot]) -> dict[int, tuple[int, int]]:
    """Ops in a second and cores, by the host's id."""
    hosts = {task.host_id for unit in units for task in unit.tasks if task.host_id is not None}
    if not hosts:
        return {}
    typical = typical_ops_per_second(db.fetch_all(BENCHMARKS, limit=FLEET_LOOK))
    return {
        host_id: (ops_per_second(micro, took_us) or typical, cores)
        for host_id, micro, took_us, cores in db.fetch_all(
            BENCHMARKS_OF_HOSTS, host_ids=sorted(hosts)
        )
    }


def _with(
    unit: UnitSnapshot,
    metered: bool,
    p90: Mapping[int, int | None],
    speeds: Mapping[int, tuple[int, int]],
) -> UnitSnapshot:
    tasks = []
    for task in unit.tasks:
        speed = None if metered else speeds.get(task.host_id or 0)
        if speed is not None:
            task = msgspec.structs.replace(task, ops_per_second=speed[0], cores=speed[1])
        tasks.append(task)
    return msgspec.structs.replace(
        unit, tasks=tuple(tasks), metered=metered, p90_micro=p90.get(unit.stage_id)
    )
