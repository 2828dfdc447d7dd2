"""From a server's answer to what may be believed of it: the bridge between wire and core."""

from collections.abc import Collection, Mapping

import msgspec

from idlegrid_shared.documents import TaskDescriptor
from idlegrid_shared.signing import Signed
from idlegrid_shared.wire import ExchangeReply, FileSource, ReportAnswer, TaskOffer

from .core.event import Answer, CheckedReply, Offer, RefusedOffer
from .core.model import FileNeed
from .verify import (
    DEADLINE_S_MAX,
    Trust,
    VerifyError,
    check_descriptor,
    check_receipt,
    check_runtime,
)

URL_CHARS_MAX = 2_000


def check_reply(
    reply: ExchangeReply,
    trust: Trust,
    releases: Mapping[str, Signed],
    sources: Mapping[str, str],
    reported: Mapping[str, str],
    device: str,
    offered: Collection[str] = frozenset(),
) -> CheckedReply:
    """Verify every part of ``reply`` by itself; one bad offer does not spoil the others.

    ``releases`` by hash and ``sources`` (address by file hash) hold what is known here and what
    came with the reply. ``reported`` maps each reported task to its manifest hash. ``offered`` are
    the profiles of native programs and containers that may be run here.
    """
    offers: list[Offer] = []
    refused: list[RefusedOffer] = []
    for given in reply.tasks:
        try:
            offers.append(_check_offer(given, trust, releases, sources, offered))
        except VerifyError as error:
            task = _claimed_task(given)
            if task and error.code != "no_release":
                refused.append(RefusedOffer(task, error.code, str(error)))
    return CheckedReply(
        next_contact_s=reply.next_contact_s,
        answers=tuple(_check_answer(a, trust, reported, device) for a in reply.answers),
        offers=tuple(offers),
        refused=tuple(refused),
        cancel=reply.cancel,
        extended=tuple(
            (e.task, e.deadline_s) for e in reply.extended if 1 <= e.deadline_s <= DEADLINE_S_MAX
        ),
        refusals=reply.refusals,
        notices=reply.notices,
        timestamp_expires_at=trust.expires_at,
    )


def _check_offer(
    given: TaskOffer,
    trust: Trust,
    releases: Mapping[str, Signed],
    sources: Mapping[str, str],
    offered: Collection[str],
) -> Offer:
    descriptor, release = check_descriptor(trust, given.descriptor, releases, offered)
    program = release.program(descriptor.program)
    runtime = check_runtime(release, program, releases)
    needs = program.needs() | (runtime.needs() if runtime is not None else {})
    needs.update({file.sha256: file.bytes for file in descriptor.inputs})
    if descriptor.resume is not None:
        needs[descriptor.resume.sha256] = descriptor.resume.bytes
    known = {**sources, **source_addresses(given.files)}
    files = []
    for sha256, size in needs.items():
        if sha256 not in known:
            raise VerifyError("no_source", f"file {sha256[:16]}… of the task has no address")
        files.append(FileNeed(sha256, size, known[sha256]))
    return Offer(
        task=descriptor.task,
        unit=descriptor.unit,
        app=descriptor.app,
        version=descriptor.version,
        program=descriptor.program,
        batch=descriptor.batch_name,
        release=descriptor.release,
        deadline_s=descriptor.deadline_s,
        memory_bytes=program.limits.memory_bytes,
        time_s=program.limits.time_s,
        descriptor=given.descriptor,
        files=tuple(files),
        checkpoints=release.checkpoint != "none",
        migrates=release.migrate and release.checkpoint != "none",
        resume=descriptor.resume.sha256 if descriptor.resume is not None else "",
        runtime=release.runtime_release if runtime is not None else "",
        runtime_name=f"{runtime.app} {runtime.version}" if runtime is not None else "",
        compile_bytes=runtime.programs[0].limits.memory_bytes if runtime is not None else 0,
    )


def source_addresses(files: tuple[FileSource, ...]) -> dict[str, str]:
    """Address by hash. Only a path below the project's own address is a good one."""
    return {
        f.sha256: f.url
        for f in files
        if f.url.startswith("/") and not f.url.startswith("//") and len(f.url) <= URL_CHARS_MAX
    }


def _claimed_task(offered: TaskOffer) -> str:
    """The task that an offer claims to be, unverified: good for nothing but giving it back."""
    try:
        task = msgspec.json.decode(offered.descriptor.body, type=TaskDescriptor).task
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return task if 0 < len(task) <= 64 else ""


def _check_answer(
    answer: ReportAnswer, trust: Trust, reported: Mapping[str, str], device: str
) -> Answer:
    receipted, trouble = False, ""
    if answer.fate in ("accepted", "duplicate"):
        try:
            if answer.receipt is None:
                raise VerifyError("bad_receipt", "there is no receipt")
            check_receipt(trust, answer.receipt, answer.task, device, reported.get(answer.task, ""))
            receipted = True
        except VerifyError as error:
            trouble = str(error)
    return Answer(
        task=answer.task,
        fate=answer.fate,
        reason=answer.reason,
        receipted=receipted,
        trouble=trouble,
        missing=answer.missing,
    )
