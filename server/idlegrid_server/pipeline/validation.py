"""The job ``validate``: look at the outputs of one work unit that its stage's validator must see.

What is found is kept by the content of the outputs, so doing it again finds it known. A validator
that fails itself decides nothing: the unit waits, an admin is told, and it is tried again, each
time after a longer while.
"""

import logging
from collections.abc import Callable

from idlegrid_server.domain.quorum import questions
from idlegrid_server.faults import reach
from idlegrid_server.store.command import FinishJob
from idlegrid_server.store.sql.unit import UNITS_BY_ID
from idlegrid_server.store.sql.validation import STAGE_RULE

from .finding import hold, keep_findings, try_later
from .judge import Judge, Rule, ValidatorFailed
from .lease import Lease
from .snapshot import unit_snapshots
from .tools import Tools

log = logging.getLogger(__name__)


def run_validation(tools: Tools, lease: Lease, stopping: Callable[[], bool]) -> None:
    """Answer what the unit of a claimed job waits for.

    Raises ``LeaseLost``, ``Interrupted``, ``StoreError`` and ``OSError``.
    """
    reach("validate.claimed")
    unit_id = lease.job.object_id
    with tools.store.reading() as db:
        row = db.fetch_one(STAGE_RULE, unit_id=unit_id)
        found = unit_snapshots(db, db.fetch_all(UNITS_BY_ID, unit_ids=[unit_id]))
    if row is None or row[0] is None or not found:
        _end(tools, lease)
        return
    text, digest, release, _ = row
    unit = found[0]
    wanted = questions(unit)
    try:
        judge = Judge(tools, lease, stopping, Rule.read(text, digest, release))
        outputs, pairs = judge.look(wanted.outputs, wanted.pairs)
    except ValidatorFailed as error:
        _postpone(tools, lease, unit.stage_id, str(error))
        return
    reach("validate.found")
    keep_findings(tools, lease, digest, [*outputs, *pairs], ends_for=unit_id)
    reach("validate.done.after")


def _end(tools: Tools, lease: Lease) -> None:
    tools.store.execute(FinishJob(now=tools.clock(), job_id=lease.job.id, worker=lease.worker))


def _postpone(tools: Tools, lease: Lease, stage_id: int, why: str) -> None:
    log.warning("A validator failed.", extra={"job": lease.job.id, "stage": stage_id})
    text = f"unit {lease.job.object_id} waits, since the validator failed: {why}"
    hold(lease, try_later(tools, lease, stage_id, text, why))
