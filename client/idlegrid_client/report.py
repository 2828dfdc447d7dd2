"""From finished tasks to the reports that go into a request."""

import hashlib

from idlegrid_shared.wire import InlineFile, Report

from .core.model import TaskState
from .layout import ProjectFolder


def compose_reports(
    folder: ProjectFolder, tasks: list[TaskState]
) -> tuple[list[Report], dict[str, str]]:
    """The reports, and the manifest hash of each task, against which its receipt is checked.

    A task whose outputs cannot be read any more is left out: it stays here unanswered, and the
    next start of the client, which reads all results, has it computed anew.
    """
    reports = []
    for task in tasks:
        report = _compose(folder, task)
        if report is not None:
            reports.append(report)
    hashes = {t.id: t.result.manifest_hash for t in tasks if t.result is not None}
    return reports, hashes


def _compose(folder: ProjectFolder, task: TaskState) -> Report | None:
    result = task.result
    if result is None:
        return None
    out = folder.task(task.id).out
    hashes = {entry.name: entry.sha256 for entry in result.manifest}
    inline = []
    for name in result.inline:
        try:
            data = (out / name).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(data).hexdigest() != hashes[name]:
            return None
        inline.append(InlineFile(name=name, data=data))
    return Report(
        task=task.id,
        outcome=result.outcome,
        reason=result.reason[:64],
        exit_code=result.exit_code,
        ops=result.ops,
        elapsed_s=result.elapsed_s,
        cpu_s=result.cpu_s,
        peak_memory_bytes=result.peak_memory_bytes,
        profile=result.profile,
        stderr=result.stderr,
        manifest=result.manifest,
        inline=tuple(inline),
    )
