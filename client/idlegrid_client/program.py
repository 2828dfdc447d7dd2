"""Starting the agent as a program: lock, signals, a clean end. Demonstrations start here too."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from .agent_loop import Agent, AgentOptions
from .core.limit import LEAVE_MEMORY_S, MEMORY_KEEP_BYTES
from .layout import DataFolder
from .lock import DataLock
from .machine.facts import core_count, task_memory_bytes
from .runner.runner import Runner

MakeRunner = Callable[[Path], Runner]


def run_client(
    data: DataFolder,
    *,
    cores: int | None = None,
    memory_bytes: int | None = None,
    leave_memory_s: float = LEAVE_MEMORY_S,
    memory_keep_bytes: int = MEMORY_KEEP_BYTES,
    until_idle: bool = False,
    leave: str = "",
    time_s_max: float | None = None,
    echo: Callable[[str], None] | None = None,
    make_runner: MakeRunner = Runner,
) -> None:
    """Compute until SIGTERM or SIGINT, or with ``until_idle`` until there is nothing to do.

    ``leave`` names a project to be left, which ends the run too; ``time_s_max`` ends it anyway.

    ``make_runner`` takes the folder for compiled modules; a subclass of :class:`Runner` may be
    given by tests and demonstrations. Raises ``LockedError`` and ``DiskRefusedError``.
    """
    data.make()
    with DataLock(data.lock):
        options = AgentOptions(
            cores=cores if cores is not None else core_count(),
            memory_bytes=memory_bytes if memory_bytes is not None else task_memory_bytes(),
            leave_memory_s=leave_memory_s,
            memory_keep_bytes=memory_keep_bytes,
            until_idle=until_idle,
            leave=leave,
            time_s_max=time_s_max,
            echo=echo,
        )
        agent = Agent(data, options, make_runner(data.compiled))
        with _stopping_on_signals(agent), _failing_with_its_threads(agent):
            agent.run()


@contextmanager
def _failing_with_its_threads(agent: Agent) -> Iterator[None]:
    """A thread that dies of a fault of ours must not leave an agent that waits for ever."""

    def fail(args: threading.ExceptHookArgs) -> None:
        agent.fail(args.exc_value or RuntimeError("a thread ended without a word"))

    before = threading.excepthook
    threading.excepthook = fail
    try:
        yield
    finally:
        threading.excepthook = before


@contextmanager
def _stopping_on_signals(agent: Agent) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        agent.stop()

    wanted = [signal.SIGINT, signal.SIGTERM]
    before = {number: signal.signal(number, stop) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
