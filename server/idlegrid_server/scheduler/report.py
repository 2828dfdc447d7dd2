"""Reports as they come, checked without the database, for the store's exchange command."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from idlegrid_server.store.command import FileIn, ReportIn
from idlegrid_shared.manifest import Manifest, ManifestError, manifest_bytes
from idlegrid_shared.wire import INLINE_BYTES_MAX, InlineFile, Report

DecodeTask = Callable[[str], int]  # raises ValueError


class ReportError(ValueError):
    """A report that cannot be taken; ``code`` says of which kind the fault is."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(slots=True)
class Refused:
    """A report that was refused before the database saw it, and why."""

    task: str
    code: str
    text: str


def check_reports(
    reports: Sequence[Report], decode_task: DecodeTask
) -> tuple[list[ReportIn], list[Refused]]:
    """Those that can be taken, and those that cannot. One bad report does not spoil the others."""
    good: list[ReportIn] = []
    refused: list[Refused] = []
    seen: set[int] = set()
    for report in reports:
        try:
            task_id = decode_task(report.task)
        except ValueError:
            refused.append(Refused(report.task, "malformed", "that is not the id of a task"))
            continue
        try:
            if task_id in seen:
                raise ReportError("malformed", "this request reports the task twice")
            seen.add(task_id)
            good.append(check_report(report, task_id))
        except ReportError as error:
            refused.append(Refused(report.task, error.code, str(error)))
    return good, refused


def check_report(report: Report, task_id: int) -> ReportIn:
    """One report with its inline files verified; raises :class:`ReportError`."""
    if report.outcome != "success":
        return ReportIn(
            task_id=task_id,
            outcome=report.outcome,
            reason=report.reason,
            exit_code=report.exit_code,
            ops=report.ops,
            elapsed_us=round(report.elapsed_s * 1e6),
            cpu_us=round(report.cpu_s * 1e6),
            profile=report.profile,
            stderr=report.stderr,
        )
    try:
        manifest = manifest_bytes(report.manifest)
    except ManifestError as error:
        raise ReportError("malformed", f"the manifest is not good: {error}") from error
    return ReportIn(
        task_id=task_id,
        outcome="success",
        reason=report.reason,
        exit_code=report.exit_code,
        ops=report.ops,
        elapsed_us=round(report.elapsed_s * 1e6),
        cpu_us=round(report.cpu_s * 1e6),
        profile=report.profile,
        stderr=report.stderr,
        manifest=manifest,
        manifest_hash=hashlib.sha256(manifest).digest(),
        files=_files(report.manifest, report.inline) if report.manifest else (),
    )


def _files(manifest: Manifest, inline: tuple[InlineFile, ...]) -> tuple[FileIn, ...]:
    """Every file of the manifest, each hash once, with its content if it came along."""
    given = {file.name: file.data for file in inline}
    if sum(len(data) for data in given.values()) > INLINE_BYTES_MAX:
        raise ReportError(
            "too_large",
            f"at most {INLINE_BYTES_MAX} bytes travel inside a report; upload the others",
        )
    files: dict[bytes, FileIn] = {}
    for entry in manifest:
        digest = bytes.fromhex(entry.sha256)
        data = given.pop(entry.name, None)
        if data is not None and (
            len(data) != entry.bytes or hashlib.sha256(data).digest() != digest
        ):
            raise ReportError(
                "hash_mismatch",
                f"the bytes sent as {entry.name!r} are not those that the manifest names",
            )
        known = files.get(digest)
        if known is not None and known.size != entry.bytes:
            raise ReportError("malformed", f"{entry.name!r} has two sizes for one hash")
        if known is None or known.data is None:
            files[digest] = FileIn(digest, entry.bytes, data)
    if given:
        name = next(iter(given))
        raise ReportError("malformed", f"the file {name!r} came along, but no manifest names it")
    return tuple(files.values())
