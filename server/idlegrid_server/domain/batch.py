"""What to do with a batch: stages in order, failures by policy, an answer at the end."""

import msgspec

from .canary import decide_canary
from .model import (
    BatchChange,
    BatchPlan,
    BatchSnapshot,
    BatchState,
    CanarySnapshot,
    FailurePolicy,
    StageChange,
    StageSnapshot,
)

DECIDED = frozenset({"running", "combining"})


def decide_batch(batch: BatchSnapshot, now: int = 0) -> BatchPlan:
    """Decide on one batch at ``now`` (µs).

    Pure; calling it on the outcome plans nothing but the missing answer.
    """
    if batch.state == "canary":
        return _watch_canaries(batch, now)
    if batch.state not in DECIDED:
        return _plan(batch)
    for stage in batch.stages:
        if stage.state == "complete":
            continue
        failure = _failure(stage, batch.on_failure)
        if failure:
            return fail_batch(batch, failure)
        if stage.state == "waiting":
            return _start(batch, stage)
        if stage.state != "running" or not _has_ended(stage):
            return _plan(batch)
        return _complete(batch, stage)
    return _plan(batch, answer=batch.revision + 1)


def _watch_canaries(batch: BatchSnapshot, now: int) -> BatchPlan:
    for stage in batch.stages:
        failure = _failure(stage, batch.on_failure) if stage.state == "running" else ""
        if failure:
            return fail_batch(batch, failure)
    canary = batch.canary
    if canary is None:  # there are none: nothing is held back
        return _plan(batch, steps=(BatchChange("running", "canaries_passed"),), due_at=now)
    word = decide_canary(canary, now)
    if word == "stop":
        return _plan(batch, steps=(BatchChange("paused", "canaries_failed"),))
    if word == "wait":
        return _keep_waiting(batch, canary, now)
    slow = 2 * canary.valid < canary.total
    reason = "canaries_slow" if slow else "canaries_passed"
    return _plan(batch, steps=(BatchChange("running", reason),), due_at=now)


def _keep_waiting(batch: BatchSnapshot, canary: CanarySnapshot, now: int) -> BatchPlan:
    times = [canary.until] if canary.until > now else []
    reserved = canary.proven_until is not None
    if canary.proven_until is not None and canary.proven_until > now:
        times.append(canary.proven_until)
        reserved = False  # for now it is right that they are
    plan = _plan(batch, due_at=min(times, default=None))
    return msgspec.structs.replace(plan, open_canaries=reserved)


def _has_ended(stage: StageSnapshot) -> bool:
    if stage.reopening:
        return False
    ended = stage.assimilated + stage.failed + stage.cancelled
    return stage.created == stage.expected and ended == stage.expected


def _failure(stage: StageSnapshot, policy: FailurePolicy) -> str:
    """The reason why the failures of a stage end the batch, or nothing."""
    if stage.failed == 0:
        return ""
    if stage.kind == "combine":
        return "combine_failed"
    if policy.mode == "stop":
        return "unit_failed"
    if policy.max_units is not None and stage.failed > policy.max_units:
        return "too_many_failures"
    if policy.max_share is not None and stage.failed > policy.max_share * stage.expected:
        return "too_many_failures"
    if stage.failed == stage.expected:
        return "nothing_left"
    return ""


def _complete(batch: BatchSnapshot, stage: StageSnapshot) -> BatchPlan:
    done = StageChange(stage.id, "complete", "stage_done")
    later = [other for other in batch.stages if other.index > stage.index]
    if not later:
        return _plan(batch, stages=(done,), answer=batch.revision + 1)
    started = _start(batch, later[0])
    return _plan(batch, steps=started.steps, stages=(done, *started.stages))


def _start(batch: BatchSnapshot, stage: StageSnapshot) -> BatchPlan:
    wanted: BatchState = "combining" if stage.kind == "combine" else "running"
    steps = () if batch.state == wanted else (BatchChange(wanted, "next_stage"),)
    return _plan(batch, steps=steps, stages=(StageChange(stage.id, "running", "next_stage"),))


def final_state(batch: BatchSnapshot) -> tuple[BatchState, str]:
    """(state, reason) that the newest answer ends the batch in."""
    if any(stage.failed or stage.cancelled for stage in batch.stages):
        return "complete_with_failures", "some_skipped"
    return "complete", "all_done"


def fail_batch(batch: BatchSnapshot, reason: str) -> BatchPlan:
    """End a batch that cannot go on; its running stages fail, those that wait are cancelled."""
    stages = tuple(
        StageChange(stage.id, "failed" if stage.state == "running" else "cancelled", reason)
        for stage in batch.stages
        if stage.state in ("running", "waiting")
    )
    return _plan(batch, steps=(BatchChange("failed", reason),), stages=stages)


def cancel_batch(batch: BatchSnapshot, reason: str) -> BatchPlan:
    """End a batch because somebody asked for it."""
    stages = tuple(
        StageChange(stage.id, "cancelled", reason)
        for stage in batch.stages
        if stage.state in ("running", "waiting")
    )
    return _plan(batch, steps=(BatchChange("cancelled", reason),), stages=stages)


def _plan(
    batch: BatchSnapshot,
    *,
    steps: tuple[BatchChange, ...] = (),
    stages: tuple[StageChange, ...] = (),
    answer: int | None = None,
    due_at: int | None = None,
) -> BatchPlan:
    return BatchPlan(
        batch_id=batch.id,
        version=batch.version,
        steps=steps,
        stages=stages,
        answer=answer,
        due_at=due_at,
    )
