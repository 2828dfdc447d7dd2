"""What becomes of a batch, plan by plan: exactly these steps, for exactly these reasons."""

import msgspec
import pytest

from idlegrid_server.domain.batch import cancel_batch, decide_batch, fail_batch, final_state
from idlegrid_server.domain.model import (
    BatchChange,
    BatchPlan,
    BatchSnapshot,
    BatchState,
    CanarySnapshot,
    FailurePolicy,
    StageChange,
    StageKind,
    StageSnapshot,
    StageState,
)

NOW = 5_000
SKIP = FailurePolicy("skip")


def stage(
    index: int = 0,
    state: StageState = "running",
    kind: StageKind = "map",
    *,
    expected: int = 10,
    created: int = 10,
    assimilated: int = 0,
    failed: int = 0,
    cancelled: int = 0,
) -> StageSnapshot:
    return StageSnapshot(
        id=70 + index,
        index=index,
        kind=kind,
        state=state,
        placement="grid" if kind == "map" else "server",
        expected=expected,
        created=created,
        assimilated=assimilated,
        failed=failed,
        cancelled=cancelled,
    )


WAITING = stage(1, "waiting", "combine", expected=1, created=1)


def batch(
    *stages: StageSnapshot,
    state: BatchState = "running",
    policy: FailurePolicy = SKIP,
    revision: int = 0,
    canary: CanarySnapshot | None = None,
) -> BatchSnapshot:
    return BatchSnapshot(
        id=7,
        state=state,
        version=3,
        on_failure=policy,
        stages=stages,
        revision=revision,
        canary=canary,
    )


def plan(
    *steps: tuple[BatchState, str],
    stages: tuple[StageChange, ...] = (),
    answer: int | None = None,
    due_at: int | None = None,
) -> BatchPlan:
    return BatchPlan(
        batch_id=7,
        version=3,
        steps=tuple(BatchChange(*step) for step in steps),
        stages=stages,
        answer=answer,
        due_at=due_at,
    )


def canary(valid: int, failed: int, until: int, total: int = 4, errors: int = 0) -> CanarySnapshot:
    return CanarySnapshot(total=total, valid=valid, failed=failed, errors=errors, until=until)


NOTHING = plan()
DONE = StageChange(70, "complete", "stage_done")
ENDED = stage(assimilated=10)


@pytest.mark.parametrize("state", ["draft", "checking", "paused", "complete", "failed", "retired"])
def test_what_stands_still_is_left_alone(state: BatchState) -> None:
    assert decide_batch(batch(ENDED, state=state), NOW) == NOTHING


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (batch(stage(assimilated=9)), NOTHING),
        (batch(stage(assimilated=9, created=9)), NOTHING),
        (batch(stage(assimilated=10, created=9)), NOTHING),
        (batch(ENDED), plan(stages=(DONE,), answer=1)),
        (batch(ENDED, revision=4), plan(stages=(DONE,), answer=5)),
        (batch(stage(assimilated=6, failed=3, cancelled=1)), plan(stages=(DONE,), answer=1)),
        (batch(stage(0, "complete"), revision=1), plan(answer=2)),
        (
            batch(ENDED, WAITING),
            plan(
                ("combining", "next_stage"),
                stages=(DONE, StageChange(71, "running", "next_stage")),
            ),
        ),
        (
            batch(stage(0, "complete"), WAITING),
            plan(("combining", "next_stage"), stages=(StageChange(71, "running", "next_stage"),)),
        ),
        (
            batch(stage(0, "complete"), WAITING, state="combining"),
            plan(stages=(StageChange(71, "running", "next_stage"),)),
        ),
        (
            batch(stage(0, "complete", "combine"), stage(1, "waiting"), state="combining"),
            plan(("running", "next_stage"), stages=(StageChange(71, "running", "next_stage"),)),
        ),
        (batch(stage(0, "waiting")), plan(stages=(StageChange(70, "running", "next_stage"),))),
        (batch(stage(0, "cancelled")), NOTHING),
    ],
)
def test_stages_follow_each_other_and_an_answer_the_last(
    given: BatchSnapshot, wanted: BatchPlan
) -> None:
    assert decide_batch(given, NOW) == wanted


@pytest.mark.parametrize(
    ("one", "policy", "reason"),
    [
        (stage(failed=1), FailurePolicy("stop"), "unit_failed"),
        (stage(failed=3), FailurePolicy("skip", max_units=2), "too_many_failures"),
        (stage(failed=6), FailurePolicy("skip", max_share=0.5), "too_many_failures"),
        (stage(failed=10), SKIP, "nothing_left"),
        (stage(failed=1, kind="combine"), SKIP, "combine_failed"),
        (stage(failed=9), SKIP, None),
        (stage(failed=2), FailurePolicy("skip", max_units=2), None),
        (stage(failed=5), FailurePolicy("skip", max_share=0.5), None),
        (stage(), FailurePolicy("stop"), None),
    ],
)
@pytest.mark.parametrize("state", ["running", "canary"])
def test_failures_end_a_batch_as_its_owner_said(
    one: StageSnapshot, policy: FailurePolicy, reason: str | None, state: BatchState
) -> None:
    waits = canary(0, 0, NOW + 1) if state == "canary" else None
    found = decide_batch(batch(one, WAITING, state=state, policy=policy, canary=waits), NOW)
    if reason is None:
        assert not found.steps
        return
    assert found == plan(
        ("failed", reason),
        stages=(StageChange(70, "failed", reason), StageChange(71, "cancelled", reason)),
    )


@pytest.mark.parametrize(
    ("one", "wanted"),
    [
        (None, plan(("running", "canaries_passed"), due_at=NOW)),
        (canary(3, 0, NOW + 1), plan(("running", "canaries_passed"), due_at=NOW)),
        (canary(2, 0, NOW), plan(("running", "canaries_passed"), due_at=NOW)),
        (canary(1, 0, NOW), plan(("running", "canaries_slow"), due_at=NOW)),
        (canary(0, 4, NOW + 1), plan(("paused", "canaries_failed"))),
        (canary(0, 0, NOW + 1), plan(due_at=NOW + 1)),
    ],
)
def test_the_rest_follows_its_canaries(one: CanarySnapshot | None, wanted: BatchPlan) -> None:
    assert decide_batch(batch(stage(), state="canary", canary=one), NOW) == wanted


def test_canaries_kept_for_proven_hosts_become_anybodys_in_time() -> None:
    def waits(proven_until: int) -> BatchPlan:
        one = msgspec.structs.replace(canary(0, 0, NOW + 9), proven_until=proven_until)
        return decide_batch(batch(stage(), state="canary", canary=one), NOW)

    assert waits(NOW + 4) == plan(due_at=NOW + 4)
    opened = msgspec.structs.replace(plan(due_at=NOW + 9), open_canaries=True)
    assert waits(NOW) == opened


def test_the_owners_word_cancels_what_has_not_ended() -> None:
    stages = (stage(0, "complete"), stage(1), stage(2, "waiting"))
    assert cancel_batch(batch(*stages), "by_owner") == plan(
        ("cancelled", "by_owner"),
        stages=(StageChange(71, "cancelled", "by_owner"), StageChange(72, "cancelled", "by_owner")),
    )
    assert fail_batch(batch(*stages), "brake") == plan(
        ("failed", "brake"),
        stages=(StageChange(71, "failed", "brake"), StageChange(72, "cancelled", "brake")),
    )


def test_the_last_answer_says_whether_something_is_missing() -> None:
    assert final_state(batch(ENDED)) == ("complete", "all_done")
    for odd in (stage(failed=1), stage(cancelled=1)):
        assert final_state(batch(ENDED, odd)) == ("complete_with_failures", "some_skipped")
