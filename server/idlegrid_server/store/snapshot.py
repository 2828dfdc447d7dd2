"""Snapshots of batches."""

from collections.abc import Sequence

import msgspec

from idlegrid_server.domain.model import BatchSnapshot, FailurePolicy, StageSnapshot
from idlegrid_server.store.sql import batch as sql

_failure_policy = msgspec.json.Decoder(FailurePolicy)


def stage_snapshot(row: sql.StageRow) -> StageSnapshot:
    """A stage as decisions see it."""
    return StageSnapshot(
        id=row.id,
        index=row.idx,
        kind=row.kind,  # type: ignore[arg-type]
        state=row.state,  # type: ignore[arg-type]
        placement=row.placement,  # type: ignore[arg-type]
        expected=row.expected,
        created=row.created,
        assimilated=row.assimilated,
        failed=row.failed,
        cancelled=row.cancelled,
        reopening=row.reopen_from is not None,
    )


def snapshot(batch: sql.BatchRow, stages: Sequence[sql.StageRow]) -> BatchSnapshot:
    """A batch as decisions see it."""
    return BatchSnapshot(
        id=batch.id,
        state=batch.state,  # type: ignore[arg-type]
        version=batch.version,
        on_failure=_failure_policy.decode(batch.on_failure),
        stages=tuple(stage_snapshot(stage) for stage in stages),
        revision=batch.revision,
        answer_stale=bool(batch.answer_stale),
    )
