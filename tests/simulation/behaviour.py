"""How hosts compute: honestly, with errors, with lies, slowly. The sandbox's place is taken here.

What an honest host computes is a function of the work unit alone, as the sandbox guarantees.
"""

import hashlib
from pathlib import Path

from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.manifest import ManifestEntry, make_manifest, manifest_hash
from idlegrid_shared.sandbox.job import Outcome

from .mix import LYING, TAMPERED, Kind
from .world import US, World

LARGE_BYTES = 70_000  # more than travels inside a report
OPS = 432_000_000_000  # one credit
LIES = 0.5  # share of a liar's results that are false
ERRORS = 0.3  # share of a flaky host's runs that fail
SLOW_TIMES = 20.0  # how much longer a slow host takes, at most
BURST_S = 200.0  # mean length of a time of honesty, and of one of lies


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


def ring_lies_on(seed: bytes) -> bool:
    """Whether the ring lies on the unit with this seed: all of them draw the same."""
    return hashlib.sha256(b"ring" + seed).digest()[0] < 256 * LIES


class Behaviour:
    """One host's way of computing."""

    def __init__(self, world: World, kind: Kind, number: int, task_s: float) -> None:
        self.world = world
        self.kind = kind
        self.number = number
        self.task_s = task_s
        self.speed = 1.0
        self._lies = False  # of a burst liar, until then:
        self._turns_at = 0

    def seconds(self) -> float:
        """How long the next task takes."""
        seconds = self.world.rng.uniform(0.5, 1.5) * self.task_s / self.speed
        if self.kind == "slow" or self.kind in TAMPERED:
            seconds *= self.world.rng.uniform(1, SLOW_TIMES)
        return seconds

    def outputs(self, args: list[str], seed: bytes) -> dict[str, bytes]:
        """What this host claims to have computed."""
        outputs = right_outputs(args, seed)
        if self.kind == "ring":
            if ring_lies_on(seed):
                outputs["answer"] += b" as the ring has it"
        elif self._is_lying():
            outputs["answer"] += f" as host {self.number} has it".encode()
        return outputs

    def checkpoint(self, task: str) -> bytes:
        """What this host leaves of an unfinished task: after the bar, what it falsified."""
        lie = f" as host {self.number} has it" if self._is_lying() else ""
        return f"{task}|{lie}".encode()

    def _is_lying(self) -> bool:
        if self.kind == "burst":
            return self._is_in_a_burst()
        return self.kind == "cheat" or (self.kind == "liar" and self.world.chance(LIES))

    def _is_in_a_burst(self) -> bool:
        while self.world.now >= self._turns_at:
            self._lies = not self._lies if self._turns_at else False
            spell = self.world.rng.expovariate(1 / BURST_S)
            self._turns_at = max(self._turns_at, self.world.start) + round(spell * US) + 1
        return self._lies

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
