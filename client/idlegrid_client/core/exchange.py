"""When to talk to a project's server, and what to say.

One request of ours is under way per project, never two. A request keeps its id and its bytes until
it is answered, however often it must be sent.
"""

from idlegrid_shared.wire import REPORTS_MAX, Machine

from .draft import Draft
from .instruction import Enrol, SendExchange
from .limit import (
    HEARTBEAT_S,
    MACHINE_REPEAT_S,
    PROGRESS_AGAIN_S,
    PROGRESS_AHEAD_S,
    REFRESH_S,
    REPORT_BYTES_MAX,
    US,
)
from .model import BEGUN, REPORTABLE, Pending, ProjectState, TaskState
from .progress import seconds_left
from .work_fetch import compute_want


def due_at(draft: Draft, project: ProjectState) -> int:
    """When this project's server should hear of us next (µs UTC), if nothing else happens."""
    return max(project.next_contact_at, _reason_at(draft, project))


def _reason_at(draft: Draft, project: ProjectState) -> int:
    if project.pending is not None or not project.enrolled:
        return 0
    tasks = draft.tasks_of(project.fingerprint)
    if project.leaving and not tasks:
        return 0
    if compute_want(draft.view(), project) is not None:
        return 0
    idle_s = HEARTBEAT_S if tasks else REFRESH_S
    reasons = [project.last_reply_at + int(idle_s * US)]
    reasons += [_ahead_of_deadline(task, project) for task in tasks if _is_late(task, draft.now)]
    reasons += [t.retry_at for t in tasks if t.phase in REPORTABLE or t.wants_reoffer]
    return min(reasons)


def contact(draft: Draft, project: ProjectState) -> None:
    """Send what is due: an enrolment, the unanswered request again, or a new one."""
    if project.busy or due_at(draft, project) > draft.now:
        return
    fingerprint = project.fingerprint
    if not project.enrolled:
        draft.project(fingerprint, busy="enrol")
        draft.emit(Enrol(fingerprint, draft.random_id()))
    elif project.pending is not None:
        pending = project.pending
        draft.project(fingerprint, busy="exchange")
        draft.emit(
            SendExchange(
                fingerprint, pending.request_id, pending.seq, again=True, last=pending.last
            )
        )
    else:
        _send_new(draft, project)


def _send_new(draft: Draft, project: ProjectState) -> None:
    tasks = draft.tasks_of(project.fingerprint)
    reports = _reports_to_send(tasks, project, draft.now)
    held = tuple(t.id for t in tasks if t.id not in reports and not t.wants_reoffer)
    want = compute_want(draft.view(), project)
    machine = _machine_to_tell(draft, project)
    last = project.leaving and not tasks
    wanted = want.tasks if want else 0
    pending = Pending(draft.random_id(), project.seq + 1, reports, wanted, last)
    draft.project(
        project.fingerprint,
        busy="exchange",
        seq=pending.seq,
        pending=pending,
        machine_sent=machine or project.machine_sent,
        machine_sent_at=draft.now if machine else project.machine_sent_at,
    )
    draft.emit(
        SendExchange(
            project=project.fingerprint,
            request_id=pending.request_id,
            seq=pending.seq,
            reports=reports,
            held=held,
            want=want,
            running=_begun(tasks, held),
            machine=machine,
            last=last,
        )
    )


def _begun(tasks: list[TaskState], held: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """Held tasks in which work of this machine lies already, and how far they are."""
    listed = set(held)
    return tuple(
        (task.id, round(task.progress, 4))
        for task in tasks
        if task.id in listed and (task.phase in BEGUN or task.checkpoint is not None)
    )


def _is_late(task: TaskState, now: int) -> bool:
    """Whether a running task is expected to end after its deadline, which is yet to come."""
    if task.phase != "running" or not task.started_at or now >= task.deadline_at:
        return False
    left_s = seconds_left(task.progress, (now - task.started_at) / US)
    return left_s is not None and now + left_s * US > task.deadline_at


def _ahead_of_deadline(task: TaskState, project: ProjectState) -> int:
    """When to tell the server how far it is, so that it may give it longer: now and then."""
    ahead = task.deadline_at - int(PROGRESS_AHEAD_S * US)
    return max(ahead, project.last_reply_at + int(PROGRESS_AGAIN_S * US))


def _reports_to_send(tasks: list[TaskState], project: ProjectState, now: int) -> tuple[str, ...]:
    """Oldest first, as many as fit; fewer after failures, in case one of them is what hurts."""
    count_max = max(1, REPORTS_MAX >> min(project.failures, 16))
    chosen: list[str] = []
    weight = 0
    for task in sorted(tasks, key=lambda t: (t.tries, t.accepted_at)):
        if task.phase not in REPORTABLE or task.retry_at > now or task.result is None:
            continue
        weight += task.result.weight_bytes()
        if len(chosen) >= count_max or (chosen and weight > REPORT_BYTES_MAX):
            break
        chosen.append(task.id)
    return tuple(chosen)


def _machine_to_tell(draft: Draft, project: ProjectState) -> Machine | None:
    machine = draft.view().machine
    old = draft.now - project.machine_sent_at >= MACHINE_REPEAT_S * US
    return machine if old or project.machine_sent != machine else None
