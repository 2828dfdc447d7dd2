"""How hosts compute: honestly, with errors, with lies, slowly. The sandbox's place is taken here.

What an honest host computes is a function of the work unit alone, as the sandbox guarantees.
"""

import hashlib
from pathlib import Path

from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.manifest import ManifestEntry, make_manifest, manifest_hash
from idlegrid_shared.sandbox.job import Outcome

from .mix import LYING, TAMPERED, Kind
from .world import World

LARGE_BYTES = 70_000  # more than travels inside a report
OPS = 432_000_000_000  # one credit
LIES = 0.5  # share of a liar's results that are false
ERRORS = 0.3  # share of a flaky host's runs that fail
SLOW_TIMES = 20.0  # how much longer a slow host takes, at most


def right_outputs(args: list[str], seed: bytes) -> dict[str, bytes]:
    """What an honest host writes."""
    outputs = {"answer": " ".join(args).encode() + b" " + seed.hex().encode()}
    if "large" in args:
        outputs["large"] = hashlib.shake_128(seed).digest(LARGE_BYTES)
    return outputs


def right_manifest(args: list[str], seed: bytes) -> bytes:
    """The manifest hash of what an honest host writes."""
    entries = [
        ManifestEntry(name, hashlib.sha256(data).hexdigest(), len(data))
        for name, data in right_outputs(args, seed).items()
    ]
    return bytes.fromhex(manifest_hash(make_manifest(entries)))


class Behaviour:
    """One host's way of computing."""

    def __init__(self, world: World, kind: Kind, number: int, task_s: float) -> None:
        self.world = world
        self.kind = kind
        self.number = number
        self.task_s = task_s

    def seconds(self) -> float:
        """How long the next task takes."""
        seconds = self.world.rng.uniform(0.5, 1.5) * self.task_s
        if self.kind == "slow" or self.kind in TAMPERED:
            seconds *= self.world.rng.uniform(1, SLOW_TIMES)
        return seconds

    def outputs(self, args: list[str], seed: bytes) -> dict[str, bytes]:
        """What this host claims to have computed."""
        outputs = right_outputs(args, seed)
        if self.kind == "cheat" or (self.kind == "liar" and self.world.chance(LIES)):
            outputs["answer"] += f" as host {self.number} has it".encode()
        return outputs

    def checkpoint(self, task: str) -> bytes:
        """What this host leaves of an unfinished task: after the bar, what it falsified."""
        forged = self.kind == "cheat" or (self.kind == "liar" and self.world.chance(LIES))
        lie = f" as host {self.number} has it" if forged else ""
        return f"{task}|{lie}".encode()

    def compute(self, job: BoxOrder) -> Outcome:
        """In place of the sandbox: outputs on the disk, and how it ended."""
        world = self.world
        if self.kind == "flaky" and world.chance(ERRORS):
            reason = world.rng.choice(("trap", "exit_code", "memory_limit", "time_limit"))
            return Outcome(status="error", reason=reason, message="it failed")
        outputs = self.outputs(list(job.args), job.seed)
        if job.resume is not None:
            # What was forged before stays forged, however honestly it is continued.
            outputs["answer"] += Path(job.resume).read_bytes().partition(b"|")[2]
        ops = OPS * 7 if self.kind in LYING else OPS
        folder = Path(job.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in outputs.items():
            (folder / name).write_bytes(data)
        return Outcome(status="success", reason="ok", message="", ops=ops, elapsed_s=self.task_s)
