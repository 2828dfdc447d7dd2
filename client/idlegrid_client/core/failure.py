"""What a failed request to the server changes: wait, enrol again, take a new key, or give way."""

from .backoff import delay_s
from .draft import Draft
from .event import ExchangeFailed, ProblemReceived
from .instruction import CloseExchange, ForgetProject, NewDeviceKey, Notify, SaveProject
from .limit import BLOCKED_RETRY_S, NOTICE_CHARS_MAX, US
from .model import ProjectState
from .transition import move

# Statuses that may pass by themselves: the same request is sent again, unchanged.
_PASSING = frozenset({401, 408, 425, 429})

# The server (an answer without a code is somebody else's, a proxy's) does not want this host.
_UNWANTED = frozenset({403, 426})


def exchange_failed(draft: Draft, event: ExchangeFailed) -> None:
    """Nothing usable came back: the same again, later."""
    _wait(draft, draft.projects[event.project], event.text, event.retry_after_s)


def problem_received(draft: Draft, event: ProblemReceived) -> None:
    """The server said what is wrong; each kind has its remedy."""
    project = draft.projects[event.project]
    farewell = project.pending is not None and project.pending.last
    if farewell and event.code and 400 <= event.status < 500 and event.status not in _PASSING:
        draft.emit(ForgetProject(project.fingerprint))  # no matter why it does not know us
        del draft.projects[project.fingerprint]
    elif event.code == "unknown_host":
        draft.project(project.fingerprint, enrolled=False)
        _wait(draft, project, event.text, event.retry_after_s)
        draft.emit(SaveProject(draft.projects[project.fingerprint]))
    elif event.code == "clone":
        _become_another(draft, project)
    elif event.code and event.status in _UNWANTED:
        _give_way(draft, project, event)
    elif event.code and 400 <= event.status < 500 and event.status not in _PASSING:
        _drop_request(draft, project, event)
    else:
        _wait(draft, project, event.text, event.retry_after_s)


def _wait(draft: Draft, project: ProjectState, text: str, retry_after_s: float) -> None:
    failures = project.failures + 1
    pause = int(delay_s(failures, draft.rng, retry_after_s) * US)
    text = text[:NOTICE_CHARS_MAX]
    draft.project(
        project.fingerprint,
        busy="",
        failures=failures,
        trouble=text,
        next_contact_at=draft.now + pause,
    )
    if failures == 1 or text != project.trouble:
        said = f"{text}; the next attempt is in {pause / US:.0f} s"
        draft.emit(Notify("warning", "contact_failed", said, project.fingerprint))


def _drop_request(draft: Draft, project: ProjectState, event: ProblemReceived) -> None:
    """The server will never take this request: say the same things in a new one, later.

    What it reported waits longer than the rest, in case one of those reports is the reason.
    """
    _wait(draft, project, event.text, event.retry_after_s)
    if project.pending is None:
        return
    for task_id in project.pending.reported:
        task = draft.tasks.get((project.fingerprint, task_id))
        if task is not None:
            tries = task.tries + 1
            pause = int(delay_s(tries + 1, draft.rng) * US)
            draft.task(task, tries=tries, retry_at=draft.now + pause)
    draft.project(project.fingerprint, pending=None)
    draft.emit(CloseExchange(project.fingerprint, project.pending.seq))


def _give_way(draft: Draft, project: ProjectState, event: ProblemReceived) -> None:
    text = event.text[:NOTICE_CHARS_MAX]
    blocked = draft.project(
        project.fingerprint,
        busy="",
        blocked=text,
        trouble=text,
        failures=project.failures + 1,
        next_contact_at=draft.now + int(BLOCKED_RETRY_S * US),
    )
    draft.emit(SaveProject(blocked))
    said = f"the server does not want this host: {text}; it is asked again in a day"
    draft.emit(Notify("error", event.code or "blocked", said, project.fingerprint))


def _become_another(draft: Draft, project: ProjectState) -> None:
    """Two machines use one key (a copied disk, a restored backup). This one takes a new key.

    The tasks here belong to the other copy now, and it will report them; nobody would take a
    report from a new device, so they are forgotten.
    """
    fingerprint = project.fingerprint
    said = "another machine uses this one's device key; this one takes a new key and new tasks"
    draft.emit(Notify("warning", "clone", said, fingerprint))
    for task in draft.tasks_of(fingerprint):
        move(draft, task, "forgotten", "it belongs to the machine that keeps the old device key")
    changed = draft.project(
        fingerprint,
        busy="key",
        enrolled=False,
        pending=None,
        seq=0,
        machine_sent=None,
        machine_sent_at=0,
    )
    draft.emit(CloseExchange(fingerprint, 0), NewDeviceKey(fingerprint), SaveProject(changed))
