"""Words to tell stories about the agent's core with: states, events, exact instructions."""

import random
from typing import Any

import msgspec

from idlegrid_client.core.agent import handle
from idlegrid_client.core.event import (
    CheckedReply,
    DownloadFinished,
    Enrolled,
    Event,
    Offer,
    ReplyReceived,
    Started,
    TaskFinished,
)
from idlegrid_client.core.instruction import Instruction, Wait
from idlegrid_client.core.model import (
    AgentState,
    FileNeed,
    ProjectState,
    Result,
    TaskState,
)
from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.signing import Signed
from idlegrid_shared.wire import Machine

US = 1_000_000
T0 = 1_750_000_000 * US
P = "5f" * 20
NOBODY = Signed(b"{}", "00" * 32, b"\0" * 64)  # the core never looks inside: it was verified before
MODULE = "aa" * 32
WEEK = 7 * 86_400 * US


def offer(task: str = "task_1", **changes: Any) -> Offer:
    fields: dict[str, Any] = {
        "task": task,
        "unit": "wu_1",
        "app": "demo",
        "version": "1",
        "program": "main",
        "batch": "",
        "release": "bb" * 32,
        "deadline_s": 3600,
        "memory_bytes": 100,
        "time_s": 10.0,
        "descriptor": NOBODY,
        "files": (FileNeed(MODULE, 10, "/files/m"),),
    }
    return Offer(**{**fields, **changes})


def reply(**fields: Any) -> CheckedReply:
    return CheckedReply(**{"next_contact_s": 60.0, "timestamp_expires_at": T0 + WEEK, **fields})


def entry(name: str = "out", size: int = 3, sha: str = "cc" * 32) -> ManifestEntry:
    return ManifestEntry(name, sha, size)


def success(inline: bool = True, **fields: Any) -> Result:
    return Result(
        outcome="success",
        manifest=(entry(),),
        manifest_hash="dd" * 32,
        inline=("out",) if inline else (),
        elapsed_s=2.0,
        **fields,
    )


def project(**fields: Any) -> ProjectState:
    defaults: dict[str, Any] = {
        "fingerprint": P,
        "name": "Sun",
        "url": "https://sun.example",
        "enrolled": True,
        "timestamp_expires_at": T0 + WEEK,
    }
    return ProjectState(**{**defaults, **fields})


class Story:
    """An agent that lives event by event; ``now`` moves as told."""

    def __init__(self, cores: int = 1, memory_bytes: int = 1_000, **fields: Any) -> None:
        self.state = AgentState(
            cores=cores, memory_bytes=memory_bytes, machine=Machine(name="box"), **fields
        )
        self.now = T0
        self.rng = random.Random(1)

    def tell(self, event: Event, after_s: float = 0.0) -> list[Instruction]:
        """One event, ``after_s`` seconds later; the instructions but for the wait at the end."""
        self.now += int(after_s * US)
        self.state, instructions = handle(self.state, event, self.now, self.rng)
        if instructions and isinstance(instructions[-1], Wait):
            self.wait = instructions.pop().until  # type: ignore[union-attr]
        return instructions

    def kinds(self, event: Event, after_s: float = 0.0) -> list[str]:
        """The names of the instructions."""
        return [type(i).__name__ for i in self.tell(event, after_s)]

    @property
    def project(self) -> ProjectState:
        return self.state.projects[P]

    def task(self, task: str = "task_1") -> TaskState:
        return self.state.tasks[(P, task)]

    def has(self, task: str = "task_1") -> bool:
        return (P, task) in self.state.tasks

    def request_id(self) -> str:
        assert self.project.pending is not None, "no request is open"
        return self.project.pending.request_id

    # --- ways to a place in the middle of a story

    def attached(self, **fields: Any) -> "Story":
        """An enrolled project; its first exchange is under way."""
        self.tell(Started((project(**fields),), ()))
        return self

    def answered(self, **fields: Any) -> list[Instruction]:
        """The open exchange is answered."""
        return self.tell(ReplyReceived(P, self.request_id(), reply(**fields)))

    def running(self, *offers: Offer) -> "Story":
        """Tasks were given, their file is here, and they run."""
        self.answered(offers=offers or (offer(),))
        self.tell(DownloadFinished(P, MODULE))
        return self

    def computed(self, result: Result | None = None) -> list[Instruction]:
        """``task_1`` ran to its end."""
        return self.tell(TaskFinished(P, "task_1", result or success()))

    def reporting(self) -> "Story":
        """A story in which the report of ``task_1`` is under way."""
        self.attached().running().computed()
        self.later()
        return self

    def later(self, seconds: float = 61.0) -> list[Instruction]:
        from idlegrid_client.core.event import Timer

        return self.tell(Timer(), seconds)

    def enrolled(self) -> list[Instruction]:
        return self.tell(Enrolled(P))


def changed(value: Any, **fields: Any) -> Any:
    return msgspec.structs.replace(value, **fields)
