"""What every box can do, whatever runs inside it."""

from types import TracebackType
from typing import Protocol, runtime_checkable

from idlegrid_shared.sandbox.job import Checkpoint, Outcome, Progress


class Box(Protocol):
    """A program on its way, from its start to its outcome. All methods from any thread.

    Limits, suspension and the end hold for the whole tree of the program's processes. Faults of
    program and host are told by the outcome, never by an exception.
    """

    def launch(self) -> None:
        """Start it and return once it has a process id, or has failed to start."""

    @property
    def pid(self) -> int | None:
        """The process at the root of its tree; None if it could not be started."""

    @property
    def progress(self) -> Progress:
        """The newest report."""

    @property
    def suspended(self) -> bool:
        """Whether :meth:`suspend` holds it now."""

    def wait(self, timeout: float | None = None) -> Outcome | None:
        """The outcome, waited for at most ``timeout`` seconds; None if there is none by then."""

    def suspend(self) -> None:
        """Stop it where it stands; its time stands still too."""

    def resume(self) -> None:
        """Let it go on."""

    def kill(self, message: str = ...) -> None:
        """End it at once; the outcome says ``killed``, unless it had already ended."""

    def __enter__(self) -> "Box": ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class CheckpointingBox(Box, Protocol):
    """A box whose program can be saved in mid-run, if its order names a ``checkpoint_dir``."""

    def checkpoint(
        self, name: str = ..., *, stop: bool = ..., timeout_s: float = ...
    ) -> Checkpoint:
        """Write a checkpoint, durably; with ``stop`` the run ends there.

        Raises ``sandbox.run.CheckpointError``: there is none, and the run goes on if it can.
        """
