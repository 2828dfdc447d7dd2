"""What the runs of a trial say: whether they agree, and which limits would fit them."""

import math
from collections.abc import Sequence

import msgspec

from idlegrid_shared.manifest import Manifest
from idlegrid_shared.sandbox.job import Outcome
from idlegrid_shared.sandbox.limits import MEMORY_BYTES_MAX, OPS_MAX

from .way import PULLEY, Way

#: How much more than was seen a limit should allow: other units may need more.
OPS_ROOM = 5
MEMORY_ROOM = 1.5
MEMORY_STEP = 16 * 1024**2


class WayRun(msgspec.Struct, frozen=True):
    """One run of one unit."""

    unit: int
    way: str
    reason: str
    message: str
    stderr: str
    ops: int
    cpu_s: float
    peak_memory_bytes: int
    outputs: Manifest

    @property
    def output_bytes(self) -> int:
        """All its outputs together."""
        return sum(entry.bytes for entry in self.outputs)


class Needs(msgspec.Struct, frozen=True):
    """What the units took at most, and the limits that would fit them.

    Outside the sandbox ops and memory are not counted: they are 0 then, and so are the limits.
    """

    ops: int
    cpu_s: float
    memory_bytes: int
    output_bytes: int
    suggested_max_ops: int
    suggested_memory_bytes: int


def note_run(unit: int, way: Way, outcome: Outcome) -> WayRun:
    """One run of a unit, as it ended."""
    return WayRun(
        unit=unit,
        way=way.name,
        reason=outcome.reason,
        message=outcome.message,
        stderr=outcome.stderr,
        ops=outcome.ops,
        cpu_s=outcome.cpu_s,
        peak_memory_bytes=outcome.peak_memory_bytes,
        outputs=outcome.outputs,
    )


def find_faults(runs: Sequence[WayRun]) -> list[str]:
    """What is wrong with the runs of one unit, in sentences; empty if they agree and went well."""
    first = runs[0]
    if first.reason != "ok" and all(run.reason == first.reason for run in runs):
        return [f"unit {first.unit} failed: {first.message}"]
    faults = []
    for number, run in enumerate(runs[1:], 2):
        where = f"unit {run.unit}, run {number} (on {run.way})"
        if run.reason != first.reason:
            faults.append(f"{where} ended with {run.reason}, not {first.reason}: {run.message}")
            continue
        faults += [f"{where}: {text}" for text in _output_differences(first, run)]
        if run.ops != first.ops:
            faults.append(f"{where} took {run.ops:,} ops, not {first.ops:,}")
    return faults


def _output_differences(first: WayRun, run: WayRun) -> list[str]:
    one = {entry.name: entry.sha256 for entry in first.outputs}
    other = {entry.name: entry.sha256 for entry in run.outputs}
    texts = [f"{name} is missing" for name in sorted(one.keys() - other.keys())]
    texts += [f"{name} is new" for name in sorted(other.keys() - one.keys())]
    same = sorted(one.keys() & other.keys())
    texts += [f"{name} has other bytes" for name in same if one[name] != other[name]]
    return texts


def compute_needs(runs: Sequence[WayRun]) -> Needs:
    """The largest of each over all runs; time only as hosts have it."""
    ops = max(run.ops for run in runs)
    memory = max(run.peak_memory_bytes for run in runs)
    return Needs(
        ops=ops,
        cpu_s=max(run.cpu_s for run in runs if run.way != PULLEY.name),
        memory_bytes=memory,
        output_bytes=max(run.output_bytes for run in runs),
        suggested_max_ops=suggest_max_ops(ops) if ops else 0,
        suggested_memory_bytes=suggest_memory_bytes(memory) if memory else 0,
    )


def suggest_max_ops(ops: int) -> int:
    """A round limit, at least :data:`OPS_ROOM` times what was seen."""
    wanted = max(1, ops * OPS_ROOM)
    step = int(10 ** int(math.log10(wanted)))
    return min(OPS_MAX, -(-wanted // step) * step)


def suggest_memory_bytes(memory: int) -> int:
    """A limit in steps of 16 MiB, with room for units that need more."""
    wanted = int(memory * MEMORY_ROOM)
    return min(MEMORY_BYTES_MAX, max(1, -(-wanted // MEMORY_STEP)) * MEMORY_STEP)
