"""The small pure decisions: what to ask for, what to start, how long to wait, why."""

import random

import pytest

from idlegrid_client.core.backoff import delay_s
from idlegrid_client.core.explain import explain_agent, explain_project
from idlegrid_client.core.limit import (
    BACKOFF_CAP_S,
    DISK_FREE_MIN_BYTES,
    RESULTS_WAITING_MAX,
    WORK_AHEAD_PER_CORE_MAX,
)
from idlegrid_client.core.model import AgentState, Phase, ProjectState, TaskState
from idlegrid_client.core.task_order import choose_to_start
from idlegrid_client.core.work_fetch import compute_want
from idlegrid_shared.wire import Machine, Refusal

from .story import T0, US, P, changed, project

Q = "6e" * 20


def task(name: str, phase: Phase = "ready", **fields: object) -> TaskState:
    defaults: dict[str, object] = {
        "project": P,
        "id": name,
        "phase": phase,
        "deadline_at": T0 + 1000 * US,
        "accepted_at": T0,
        "memory_bytes": 10,
    }
    return TaskState(**{**defaults, **fields})  # type: ignore[arg-type]


def agent(
    *tasks: TaskState, projects: tuple[ProjectState, ...] = (), **fields: object
) -> AgentState:
    defaults: dict[str, object] = {"cores": 2, "memory_bytes": 100, "machine": Machine()}
    return AgentState(
        **{**defaults, **fields},  # type: ignore[arg-type]
        projects={p.fingerprint: p for p in projects or (project(),)},
        tasks={t.key: t for t in tasks},
    )


def started(state: AgentState) -> list[str]:
    return [t.id for t in choose_to_start(state, T0)]


def test_the_earliest_deadline_starts_first() -> None:
    state = agent(
        task("late", deadline_at=T0 + 900),
        task("soon", deadline_at=T0 + 5),
        task("mid", deadline_at=T0 + 50),
    )
    assert started(state) == ["soon", "mid"]


def test_running_tasks_hold_their_cores_and_memory() -> None:
    state = agent(task("r", "running", memory_bytes=95), task("a"), task("b", memory_bytes=5))
    assert started(state) == []
    assert started(changed(state, memory_bytes=105)) == ["a"]


def test_a_smaller_task_may_pass_but_never_the_most_urgent_one() -> None:
    """Or a large task would starve behind a stream of small ones."""
    state = agent(
        task("r", "running", memory_bytes=60),
        task("big", memory_bytes=50, deadline_at=T0 + 1),
        task("small"),
    )
    assert started(state) == []
    free = agent(
        task("first", memory_bytes=60, deadline_at=T0 + 1),
        task("big", memory_bytes=50, deadline_at=T0 + 2),
        task("small"),
    )
    assert started(free) == ["first", "small"]


def test_tasks_of_a_stale_or_left_project_do_not_start() -> None:
    assert started(agent(task("a"), projects=(project(timestamp_expires_at=T0),))) == []
    assert started(agent(task("a"), projects=(project(leaving=True),))) == []


def test_without_experience_one_spare_task_a_core_is_wanted() -> None:
    want = compute_want(agent(), project())
    assert want is not None
    assert want.tasks == 4


@pytest.mark.parametrize(
    ("task_s", "wanted"), [(0.1, 2 + 2 * 64), (1.0, 22), (10.0, 4), (3600.0, 3)]
)
def test_what_is_kept_ahead_depends_on_how_long_tasks_take(task_s: float, wanted: int) -> None:
    want = compute_want(agent(task_s=task_s), project())
    assert want is not None
    assert want.tasks == wanted <= 2 + 2 * WORK_AHEAD_PER_CORE_MAX


def test_slow_contacts_ask_for_more_ahead() -> None:
    want = compute_want(agent(task_s=10.0), project(interval_s=60.0))
    assert want is not None
    assert want.tasks == 2 + 24


def test_two_projects_share_the_machine() -> None:
    other = project(fingerprint=Q)
    want = compute_want(agent(projects=(project(), other)), other)
    assert want is not None
    assert want.tasks == 2


def test_nothing_is_wanted_when_the_stock_is_not_low() -> None:
    assert compute_want(agent(task("a"), task("b"), task("c"), task("d")), project()) is None


@pytest.mark.parametrize(
    ("state", "of"),
    [
        (agent(cores=0), project()),
        (agent(stopping=True), project()),
        (agent(), project(leaving=True)),
        (agent(disk_free_bytes=DISK_FREE_MIN_BYTES - 1), project()),
        (agent(*(task(f"t{n}", "reporting") for n in range(RESULTS_WAITING_MAX))), project()),
    ],
    ids=["no cores", "stopping", "leaving", "disk full", "results pile up"],
)
def test_reasons_not_to_ask(state: AgentState, of: ProjectState) -> None:
    assert compute_want(state, of) is None


def test_the_backoff_doubles_with_jitter_up_to_its_cap() -> None:
    rng = random.Random(5)
    for failures in range(1, 40):
        whole = min(BACKOFF_CAP_S, 2.0 ** (failures - 1))
        delays = [delay_s(failures, rng) for _ in range(50)]
        assert all(whole / 2 <= d <= whole for d in delays)
        assert len(set(delays)) == 50, "a crowd must not come in step"


def test_the_servers_wish_is_a_lower_bound_but_no_prison() -> None:
    rng = random.Random(5)
    assert delay_s(1, rng, 60.0) == 60.0
    assert delay_s(1, rng, 1e9) == BACKOFF_CAP_S


@pytest.mark.parametrize(
    ("tasks", "of", "words"),
    [
        ((task("a", "running"),), project(), "1 task runs; 1 of 2 cores are free."),
        ((), project(leaving=True), "leaving it as soon as the server knows"),
        ((), project(blocked="wrong results"), "does not want this host (wrong results)"),
        (
            (),
            project(trouble="no answer", next_contact_at=T0 + 9 * US),
            "no answer (the next attempt is in 9 s)",
        ),
        ((), project(enrolled=False), "about to introduce itself"),
        ((), project(timestamp_expires_at=T0), "over seven days old"),
        ((task("a", "downloading"),), project(), "fetching the files of 1 tasks"),
        ((task("a", "ready"),), project(), "1 tasks wait for a free core or memory"),
        (
            (),
            project(
                last_wanted=2, refusals=(Refusal("memory", 412, "412 units need 8 GB of memory."),)
            ),
            "the server gave no work: 412 units need 8 GB of memory (asked again in 0 s)",
        ),
        ((), project(last_wanted=2), "it has no work just now"),
        ((), project(next_contact_at=T0 + 30 * US), "asked for work in 30 s"),
    ],
)
def test_every_wait_has_a_reason_in_words(
    tasks: tuple[TaskState, ...], of: ProjectState, words: str
) -> None:
    said = explain_agent(agent(*tasks, projects=(of,)), T0)
    assert words in said


def test_a_full_disk_and_no_project_are_explained() -> None:
    full = agent(disk_free_bytes=100 * 1024**2)
    assert "the disk has 100 MB free" in explain_project(full, project(), T0)
    nothing = changed(agent(), projects={})
    assert "No project is attached" in explain_agent(nothing, T0)
    assert explain_agent(agent(stopping=True), T0) == "The client is stopping."
    assert "computing" in explain_project(agent(task("a", "running")), project(), T0)
