"""From a sandbox's outcome to the result that will be reported."""

import os
from pathlib import Path

from idlegrid_client.core.model import Result
from idlegrid_client.durable import hash_file
from idlegrid_shared.manifest import ManifestEntry, make_manifest, manifest_hash
from idlegrid_shared.sandbox.job import Outcome
from idlegrid_shared.wire import INLINE_BYTES_MAX, STDERR_BYTES_MAX

INLINE_FILES_MAX = 1_000  # as the wire allows

#: Ends that the machine is to blame for, not the program: the task is run again.
MACHINE_FAULTS = frozenset({"host_error", "killed", "worker_died"})


def read_outputs(out: Path) -> tuple[ManifestEntry, ...]:
    """The manifest of what lies in ``out``, by its bytes on the disk.

    Raises ``ManifestError`` for names that break the rules and ``OSError``.
    """
    entries = []
    for folder, _, names in os.walk(out):
        for name in names:
            path = Path(folder, name)
            sha256, size = hash_file(path)
            entries.append(ManifestEntry(path.relative_to(out).as_posix(), sha256, size))
    return make_manifest(entries)


def choose_inline(manifest: tuple[ManifestEntry, ...]) -> tuple[str, ...]:
    """The outputs that travel inside the report: the smallest first, while all of them fit."""
    chosen: list[str] = []
    total = 0
    for entry in sorted(manifest, key=lambda e: (e.bytes, e.name)):
        total += entry.bytes
        if total > INLINE_BYTES_MAX or len(chosen) >= INLINE_FILES_MAX:
            break
        chosen.append(entry.name)
    return tuple(sorted(chosen))


def make_result(outcome: Outcome, profile: str, manifest: tuple[ManifestEntry, ...]) -> Result:
    """The result of a run that came to an end of its own."""
    success = outcome.status == "success"
    stderr = outcome.stderr if success else f"{outcome.message}\n{outcome.stderr}".strip()
    return Result(
        outcome=outcome.status,
        reason=outcome.reason,
        exit_code=outcome.exit_code,
        ops=max(0, outcome.ops),
        elapsed_s=max(0.0, outcome.elapsed_s),
        cpu_s=max(0.0, outcome.cpu_s),
        peak_memory_bytes=max(0, outcome.peak_memory_bytes),
        profile=profile,
        stderr=stderr[-STDERR_BYTES_MAX // 4 :],
        manifest=manifest if success else (),
        manifest_hash=manifest_hash(manifest) if success else "",
        inline=choose_inline(manifest) if success else (),
    )
