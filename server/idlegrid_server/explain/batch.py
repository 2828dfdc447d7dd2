"""Why a batch stands where it stands: its stages, what is out, and why nothing runs."""

from collections.abc import Collection

from idlegrid_server.domain.matching import Distinct
from idlegrid_server.domain.story import reason_words, state_words
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.batch import STAGES_OF_BATCH, BatchRow, StageRow
from idlegrid_server.store.sql.explain import STAGE_WANTS, TASKS_OUT
from idlegrid_server.store.sql.unit import UNIT_FAILURES

from .story import Explained, Names, steps_of
from .unit import SENDING, is_closed
from .waiting import NO_STAGE, asked_words, askers, count_hindrances, refusals, refused_words

FAILURES_TOLD = 5


def explain_batch(
    db: Connection,
    names: Names,
    batch: BatchRow,
    why: str,
    now: int,
    distinct: Collection[Distinct],
) -> Explained:
    """A batch; ``why`` is the sentence that its page shows."""
    stages = db.fetch_all(STAGES_OF_BATCH, batch_id=batch.id)
    steps, truncated = steps_of(
        db, names, [("batch", [batch.id]), ("stage", [stage.id for stage in stages])]
    )
    words = reason_words("batch", batch.reason)
    state = state_words("batch", batch.state)
    found = [why]
    for stage in stages:
        found += _stage(db, stage, now, distinct)
    if batch.state in SENDING:
        everywhere = refused_words(refusals(db, now, [NO_STAGE]), "of any batch")
        found += [everywhere] if everywhere else []
    return Explained(
        kind="batch",
        id=names.of("batch", batch.id),
        headline=f"{state}: {words}" if words else f"{state}.",
        now=tuple(found),
        facts={
            "name": batch.name,
            "owner": names.of("account", batch.account_id),
            "priority": batch.priority,
            "answers": batch.revision,
            **{
                f"stage {stage.idx}": (
                    f"{stage.state}: {stage.assimilated:,} of {stage.expected:,} in the answer, "
                    f"{stage.failed:,} failed, {stage.cancelled:,} cancelled"
                )
                for stage in stages
            },
        },
        steps=steps,
        truncated=truncated,
    )


def _stage(db: Connection, stage: StageRow, now: int, distinct: Collection[Distinct]) -> list[str]:
    found = []
    for reason, cause, count, example in db.fetch_all(
        UNIT_FAILURES, stage_id=stage.id, limit=FAILURES_TOLD
    ):
        first = reason_words("unit", reason)
        last = f" The newest error: {reason_words('task', cause)}" if cause else ""
        units = "1 unit" if count == 1 else f"{count:,} units"
        found.append(f"Stage {stage.idx}: {units} failed, such as {example}. {first}{last}")
    wants = db.fetch_one(STAGE_WANTS, stage_id=stage.id)
    if wants is None or stage.state != "running" or stage.placement != "grid":
        return found
    out = db.fetch_one(TASKS_OUT, stage_id=stage.id) or 0
    left = stage.expected - stage.assimilated - stage.failed - stage.cancelled
    found.append(f"Stage {stage.idx}: {left:,} units are open; {out:,} copies are being computed.")
    if is_closed(wants) or not wants.dispatchable:
        if not is_closed(wants):
            found.append(f"Stage {stage.idx}: no copy waits to be sent.")
        return found
    counts = count_hindrances(askers(db, now), wants, None, distinct)
    found.append(f"Stage {stage.idx}: {asked_words(counts)}")
    refused = refused_words(refusals(db, now, [stage.id]), f"of stage {stage.idx}")
    return [*found, refused] if refused else found
