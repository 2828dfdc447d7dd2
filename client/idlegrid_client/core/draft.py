"""The next state while an event is handled: values stay immutable, the draft collects changes."""

import random
from typing import Any

import msgspec

from .instruction import Instruction
from .model import AgentState, FileState, ProjectState, RuntimeState, TaskKey, TaskState


class Draft:
    """A copy of the state to work on, and the instructions gathered so far."""

    def __init__(self, state: AgentState, now: int, rng: random.Random) -> None:
        self._base = state
        self.projects: dict[str, ProjectState] = dict(state.projects)
        self.tasks: dict[TaskKey, TaskState] = dict(state.tasks)
        self.runtimes: dict[str, RuntimeState] = dict(state.runtimes)
        self.instructions: list[Instruction] = []
        self.now = now
        self.rng = rng

    def view(self) -> AgentState:
        """The state as it stands; read it at once, for the draft goes on changing."""
        return msgspec.structs.replace(
            self._base, projects=self.projects, tasks=self.tasks, runtimes=self.runtimes
        )

    def change(self, **fields: Any) -> None:
        """Replace fields of the agent itself."""
        self._base = msgspec.structs.replace(self._base, **fields)

    def emit(self, *instructions: Instruction) -> None:
        """Add instructions, in order."""
        self.instructions.extend(instructions)

    def project(self, fingerprint: str, **fields: Any) -> ProjectState:
        """Replace fields of a project and return it."""
        changed = msgspec.structs.replace(self.projects[fingerprint], **fields)
        self.projects[fingerprint] = changed
        return changed

    def task(self, task: TaskState, **fields: Any) -> TaskState:
        """Replace fields of a task and return it; its phase changes by ``transition.move`` only."""
        changed = msgspec.structs.replace(task, **fields)
        self.tasks[task.key] = changed
        return changed

    def file(self, fingerprint: str, file: FileState) -> None:
        """Put a file's state into its project."""
        files = {**self.projects[fingerprint].files, file.sha256: file}
        self.project(fingerprint, files=files)

    def drop_file(self, fingerprint: str, sha256: str) -> None:
        """Take a file out of its project."""
        files = {k: f for k, f in self.projects[fingerprint].files.items() if k != sha256}
        self.project(fingerprint, files=files)

    def tasks_of(self, fingerprint: str) -> list[TaskState]:
        """The project's tasks, oldest first."""
        return [t for key, t in self.tasks.items() if key[0] == fingerprint]

    def runtime(self, runtime: RuntimeState, **fields: Any) -> None:
        """Put a runtime's state into the agent."""
        self.runtimes[runtime.sha256] = msgspec.structs.replace(runtime, **fields)

    def random_id(self) -> str:
        """An id that nobody used before: 128 random bits in hex."""
        return f"{self.rng.getrandbits(128):032x}"
