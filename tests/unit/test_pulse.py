"""The pulse of a stage: its slices of time, and that each report is news exactly once."""

from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.domain.model import TaskSnapshot, UnitSnapshot
from idlegrid_server.domain.pulse import SLICE_US, SLICES, read_news, slice_start
from idlegrid_server.domain.unit import decide_unit
from idlegrid_shared.documents import Policy

YEAR_US = 366 * 86_400 * 1_000_000
moments = st.integers(0, YEAR_US)


@given(moments, moments, moments)
def test_slices_never_go_back_and_hold_their_moment(since: int, one: int, other: int) -> None:
    early, late = sorted((since + one, since + other))
    assert slice_start(early, since) <= early, "a slice that begins after its moment"
    assert slice_start(early, since) <= slice_start(late, since), "a later moment, an earlier slice"
    width = late - slice_start(late, since)
    assert width < max(SLICE_US, 2 * (late - since) // SLICES + 1), "a slice too wide for its age"


def test_a_stage_of_a_year_has_some_hundred_slices() -> None:
    """Whoever reads them all reads little."""
    seen, now = set(), 0
    while now < YEAR_US:
        seen.add(slice_start(now, 0))
        now += max(SLICE_US, now // (4 * SLICES))
    assert len(seen) < 1_000


def task(n: int, state: str, received_at: int | None, host: int = 1) -> TaskSnapshot:
    return TaskSnapshot(
        id=n,
        n=n,
        state=state,  # type: ignore[arg-type]
        verdict="pending" if state == "success" else None,
        host_id=host,
        sent_at=1,
        deadline_at=1_000,
        received_at=received_at,
        manifest=b"m" if state == "success" else None,
        reason="ok" if state == "success" else "trap",
    )


def unit(due_at: int | None, *tasks: TaskSnapshot) -> UnitSnapshot:
    return UnitSnapshot(
        id=9,
        stage_id=1,
        batch_id=1,
        index=0,
        state="open",
        version=1,
        policy=Policy(quorum=3, replicas=3),
        tasks=tasks,
        target=3,
        due_at=due_at,
    )


def test_what_came_since_the_last_pass_is_news() -> None:
    seen = unit(50, task(1, "success", 20), task(2, "error", 50, 4), task(3, "success", 55, 5))
    news = read_news(seen, 60)
    assert news is not None
    assert news.results == 1
    assert [(e.task_id, e.host_id, e.reason, e.took_us) for e in news.errors] == [
        (2, 4, "trap", 49)
    ]


def test_a_deadline_alone_is_no_news() -> None:
    assert (
        read_news(unit(1_000, task(1, "success", 20), task(2, "in_progress", None)), 1_001) is None
    )
    assert read_news(unit(None, task(1, "success", 20)), 60) is None


@given(st.lists(st.integers(1, 400), min_size=1, max_size=3, unique=True), st.integers(0, 3))
def test_every_report_is_news_exactly_once(times: list[int], passes_missed: int) -> None:
    """Reports come at any time, passes now and then; the unit is due as the store keeps it."""
    times = sorted(times)
    due: int | None = None
    seen: list[int] = []
    arrived: list[TaskSnapshot] = []
    for number, at in enumerate(times):
        arrived.append(task(number, "error", at, number))
        due = at if due is None else min(due, at)
        if passes_missed and number % (passes_missed + 1) != passes_missed and at != times[-1]:
            continue
        now = at + 1
        waiting = [task(90, "in_progress", None)]
        snapshot = unit(due, *arrived, *waiting)
        news = read_news(snapshot, now)
        seen += [e.task_id for e in news.errors] if news else []
        due = decide_unit(snapshot, now).due_at
    assert sorted(seen) == list(range(len(times))), "a report was seen twice, or never"
