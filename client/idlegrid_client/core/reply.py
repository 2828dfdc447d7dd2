"""What an answer of the server changes. Its signatures were checked before it came here."""

import msgspec

from .backoff import delay_s
from .draft import Draft
from .event import Answer, CheckedReply, Offer, RefusedOffer, ReplyReceived
from .instruction import CloseExchange, ForgetProject, Notify, SaveTask
from .limit import CONTACT_FIRST_S, CONTACT_MAX_S, NOTICE_CHARS_MAX, US
from .model import REPORTABLE, UNFINISHED, Pending, Result, TaskState
from .transition import admit, move


def receive(draft: Draft, event: ReplyReceived) -> None:
    """Apply the whole answer. One to a request that is no longer ours is left alone."""
    project = draft.projects[event.project]
    pending = project.pending
    if pending is None or pending.request_id != event.request_id:
        return
    if pending.last:
        draft.emit(CloseExchange(event.project, pending.seq), ForgetProject(event.project))
        del draft.projects[event.project]
        return
    reply = event.reply
    for answer in reply.answers:
        _take_answer(draft, event.project, answer, pending)
    answered = {a.task for a in reply.answers}
    for task_id in pending.reported:
        task = draft.tasks.get((event.project, task_id))
        if task is not None and task_id not in answered:
            _report_later(draft, task)
    _take_cancellations(draft, event.project, reply, pending)
    for task_id, deadline_s in reply.extended:
        _take_extension(draft, event.project, task_id, deadline_s)
    for offer in reply.offers:
        _take_offer(draft, event.project, offer)
    for refused in reply.refused:
        _take_refused(draft, event.project, refused)
    draft.emit(CloseExchange(event.project, pending.seq))
    _take_news(draft, event.project, reply, pending)


def _take_answer(draft: Draft, project: str, answer: Answer, pending: Pending) -> None:
    task = draft.tasks.get((project, answer.task))
    if task is None or task.phase not in REPORTABLE or answer.task not in pending.reported:
        return
    if answer.fate in ("accepted", "duplicate") and answer.receipted:
        move(draft, task, "receipted", "the server's receipt is good")
        delivered = draft.projects[project].delivered + 1
        draft.project(project, delivered=delivered)
    elif answer.fate in ("accepted", "duplicate"):
        _report_later(draft, task)
        text = f"the receipt cannot be believed, so the result is kept: {answer.trouble}"
        draft.emit(Notify("error", "bad_receipt", text, project, task.id))
    elif answer.fate == "refused":
        text = f"the server refused the report: {answer.reason or 'no reason given'}"
        draft.emit(Notify("warning", "report_refused", text, project, task.id))
        move(draft, task, "forgotten", text[:NOTICE_CHARS_MAX])
    elif answer.fate == "missing_files" and task.phase == "reporting":
        _send_missing(draft, task, answer)
    else:
        _report_later(draft, task)


def _send_missing(draft: Draft, task: TaskState, answer: Answer) -> None:
    """Upload what the server lacks, also what was thought to travel inside the report."""
    if task.result is None:
        return
    missing = set(answer.missing)
    lacking = {e.name for e in task.result.manifest if e.sha256 in missing}
    if not lacking:
        _report_later(draft, task)
        return
    inline = tuple(n for n in task.result.inline if n not in lacking)
    tries = task.tries + 1
    move(
        draft,
        task,
        "uploading",
        f"the server misses {len(lacking)} of its files",
        uploaded=tuple(s for s in task.uploaded if s not in missing),
        result=msgspec.structs.replace(task.result, inline=inline),
        tries=tries,
        retry_at=draft.now + int(delay_s(tries, draft.rng) * US) if task.tries else 0,
    )


def _report_later(draft: Draft, task: TaskState) -> None:
    tries = task.tries + 1
    draft.task(task, tries=tries, retry_at=draft.now + int(delay_s(tries, draft.rng) * US))


def _take_cancellations(draft: Draft, project: str, reply: CheckedReply, pending: Pending) -> None:
    for task_id in reply.cancel:
        task = draft.tasks.get((project, task_id))
        # What this request reports gets an answer of its own; a cancellation does not undo it.
        if task is not None and task_id not in pending.reported:
            move(draft, task, "forgotten", "the server does not want it any more")


def _take_extension(draft: Draft, project: str, task_id: str, deadline_s: int) -> None:
    """The server waits longer for it; a deadline never comes nearer by that."""
    task = draft.tasks.get((project, task_id))
    deadline_at = draft.now + deadline_s * US
    if task is not None and task.phase in UNFINISHED and deadline_at > task.deadline_at:
        draft.emit(SaveTask(draft.task(task, deadline_at=deadline_at)))


def _take_offer(draft: Draft, project: str, offer: Offer) -> None:
    known = draft.tasks.get((project, offer.task))
    if known is not None:
        if known.wants_reoffer:
            fresh = draft.task(known, files=offer.files, resume=offer.resume, wants_reoffer=False)
            draft.emit(SaveTask(fresh))
        return
    state = draft.view()
    task = TaskState(
        project=project,
        id=offer.task,
        phase="new",
        deadline_at=draft.now + offer.deadline_s * US,
        accepted_at=draft.now,
        memory_bytes=offer.memory_bytes,
        time_s=offer.time_s,
        app=offer.app,
        version=offer.version,
        program=offer.program,
        unit=offer.unit,
        batch=offer.batch,
        release=offer.release,
        descriptor=offer.descriptor,
        files=offer.files,
        resume=offer.resume,
        checkpoints=offer.checkpoints,
        migrates=offer.migrates,
        runtime=offer.runtime,
        runtime_name=offer.runtime_name,
        compile_bytes=offer.compile_bytes,
    )
    admitted = admit(draft, task, "the server sent it")
    if draft.projects[project].leaving:
        abort(draft, admitted, "project_left", "the volunteer leaves the project")
    elif offer.memory_bytes > state.memory_bytes:
        need, have = offer.memory_bytes // 1024**2, state.memory_bytes // 1024**2
        text = f"it needs {need} MB of memory and this client may use {have} MB"
        abort(draft, admitted, "too_big", text)
    elif offer.compile_bytes > state.memory_bytes:
        need, have = offer.compile_bytes // 1024**2, state.memory_bytes // 1024**2
        text = (
            f"{offer.runtime_name} needs {need} MB of memory once, to be compiled for this "
            f"computer, and this client may use {have} MB"
        )
        abort(draft, admitted, "too_big", text)


def _take_refused(draft: Draft, project: str, refused: RefusedOffer) -> None:
    if (project, refused.task) in draft.tasks:
        return
    text = refused.text[:NOTICE_CHARS_MAX]
    task = TaskState(
        project=project,
        id=refused.task,
        phase="aborted",
        deadline_at=draft.now,
        accepted_at=draft.now,
        result=Result(outcome="aborted", reason=refused.code, stderr=text),
    )
    admit(draft, task, f"refused: {text}")
    draft.emit(Notify("error", refused.code, f"task not accepted: {text}", project, refused.task))


def _take_news(draft: Draft, project: str, reply: CheckedReply, pending: Pending) -> None:
    known = draft.projects[project]
    interval_s = min(max(reply.next_contact_s, CONTACT_FIRST_S), CONTACT_MAX_S)
    if known.leaving:
        interval_s = CONTACT_FIRST_S  # a farewell is short
    draft.project(
        project,
        busy="",
        pending=None,
        failures=0,
        trouble="",
        blocked="",
        interval_s=interval_s,
        next_contact_at=draft.now + int(interval_s * US),
        last_reply_at=draft.now,
        last_wanted=pending.wanted,
        last_given=len(reply.offers),
        refusals=reply.refusals,
        timestamp_expires_at=reply.timestamp_expires_at or known.timestamp_expires_at,
    )
    for notice in reply.notices:
        text = notice.text[:NOTICE_CHARS_MAX]
        draft.emit(Notify(notice.level, notice.code[:64], text, project))
    needed = {f.sha256 for t in draft.tasks_of(project) for f in t.files}
    for file in known.files.values():
        # One that is on its way stays known, or it could be fetched twice at a time.
        if file.sha256 not in needed and file.state != "downloading":
            draft.drop_file(project, file.sha256)


def abort(draft: Draft, task: TaskState, code: str, text: str) -> TaskState:
    """Give an unfinished task back to the server, with the reason as code and sentence."""
    text = text[:NOTICE_CHARS_MAX]
    result = Result(outcome="aborted", reason=code, stderr=text)
    draft.emit(Notify("warning", code, f"task given back: {text}", task.project, task.id))
    return move(draft, task, "aborted", text, result=result, wants_reoffer=False)
