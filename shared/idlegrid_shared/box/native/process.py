"""One native program on its way, watched from outside."""

import contextlib
import json
import math
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO

from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.box.staged import StagedRun
from idlegrid_shared.box.watched import failure
from idlegrid_shared.sandbox.job import Outcome
from idlegrid_shared.sandbox.launch import worker_environment
from idlegrid_shared.sandbox.run import WALL_FACTOR, WALL_GRACE_S

from .ending import explain_end
from .start import launcher_command
from .tree import children, deleted_bytes, signal_tree, usage
from .wall import (
    LIBRARIES,
    ExecutableError,
    Wall,
    box_environment,
    bubblewrap_command,
    is_dynamic,
    landlock_places,
)

POLL_S = 0.05
POLL_S_MAX = 1.0
#: Looking takes at most this share of the time.
LOOK_SHARE = 0.02
#: What the kernel refuses outright lies above the limit that is watched, so that a program which
#: takes more and more is ended with a reason instead of meeting a failed allocation.
DATA_ROOM_BYTES = 512 * 1024**2
ADDRESS_ROOM_BYTES = 2 * 1024**3
FILE_ROOM_BYTES = 4096
THREADS_MAX = 256
GONE_S_MAX = 5.0
_SHELL_SIGNALS = 128  # bubblewrap tells signal n as exit code 128 + n


class NativeProcess(StagedRun):
    """A native program behind a wall. Linux only."""

    def __init__(
        self,
        order: BoxOrder,
        wall: Wall,
        *,
        shown: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        wall_factor: float = WALL_FACTOR,
        wall_grace_s: float = WALL_GRACE_S,
    ) -> None:
        """``shown``: further host paths that the program may read."""
        super().__init__(order, wall_factor, wall_grace_s)
        self.wall = wall
        self._shown = list(shown)
        self._environment = dict(environment or {})
        #: What stands on the status pipe, as far as it came.
        self._status = bytearray()
        #: The program itself, as this side of the wall sees it.
        self._program: int | None = None

    # --- as WatchedRun asks

    def _hold(self) -> None:
        if self._pid is not None:
            signal_tree(self._pid, signal.SIGSTOP)

    def _release(self) -> None:
        if self._pid is not None:
            signal_tree(self._pid, signal.SIGCONT)

    def _destroy(self) -> None:
        # A process keeps its number until it was waited for, which happens under the same lock.
        if self._process is not None and self._process.returncode is None:
            signal_tree(self._process.pid, signal.SIGKILL)

    def _follow(self) -> Outcome:
        program = self.order.program
        source = self.order.places[program.module.sha256]
        try:
            with open(source, "rb") as file:  # noqa: PTH123 (a host path as text)
                dynamic = is_dynamic(file.read(1 << 16))
            self.stage.make(source, program.module.sha256, self.order.inputs)
        except (ExecutableError, ValueError) as error:
            return failure("bad_module", f"program {program.name}: {error}")
        try:
            shown = sorted({*self._shown, *(LIBRARIES if dynamic else ())})
            return self._with_figures(self._run(shown))
        finally:
            self.stage.remove()

    # --- inside

    def _run(self, shown: list[str]) -> Outcome:
        read_end, write_end = os.pipe()
        with open(self.stage.stdout, "ab") as stdout, open(read_end, "rb", buffering=0) as status:  # noqa: PTH123
            try:
                process = subprocess.Popen(
                    launcher_command(),
                    stdin=subprocess.PIPE,
                    stdout=stdout,
                    stderr=subprocess.PIPE,
                    env=worker_environment(),
                    cwd=self.stage.root,
                    pass_fds=(write_end,),
                )
            finally:
                os.close(write_end)
            with self._lock:
                self._process = process
            reader = threading.Thread(target=self._read_log, args=(process.stderr,), daemon=True)
            reader.start()
            try:
                order = self._launch_order(shown) | {"status": write_end}
                if process.stdin is not None:
                    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                        pipe.write(json.dumps(order).encode())
                self._started(process.pid)
                return self._watch(process, status)
            finally:
                self._reap(process)
                reader.join(GONE_S_MAX)
                if process.stderr is not None:
                    process.stderr.close()

    def _launch_order(self, shown: list[str]) -> dict[str, object]:
        environment = box_environment(self.wall, self.stage, self.order.seed) | self._environment
        readable, writable = landlock_places(self.stage, shown)
        inside = self.wall == "bubblewrap"
        program = ["/program" if inside else str(self.stage.program), *self.order.args]
        limits = self.limits
        return {
            "parent": os.getpid(),
            "wall": self.wall,
            "command": (
                bubblewrap_command(self.stage, program, environment, shown) if inside else program
            ),
            "env": {} if inside else environment,
            "cwd": str(self.stage.root),
            "readable": readable,
            "writable": writable,
            "data_bytes": limits.memory_bytes + DATA_ROOM_BYTES,
            "address_bytes": limits.memory_bytes + ADDRESS_ROOM_BYTES,
            "file_bytes": limits.output_bytes + FILE_ROOM_BYTES,
            "cpu_s": math.ceil(limits.time_s) + 1,
        }

    def _watch(self, process: subprocess.Popen[bytes], status: IO[bytes]) -> Outcome:
        pause_s = 0.0
        while True:
            self._read_status(status)
            code = self._poll(process, min(max(POLL_S, pause_s), POLL_S_MAX))
            if code is not None:
                break
            began_s = time.monotonic()
            if not self.suspended:
                self._look(process)
            pause_s = (time.monotonic() - began_s) / LOOK_SHARE
        self._await_end()
        self._read_status(status)
        if self._ended_as is not None:
            return self._ended_as
        facts = self._told()
        if "failed" in facts:
            return failure("host_error", f"the box could not be closed: {facts['failed']}")
        if "ready" not in facts:
            return failure("worker_died", f"the box was not built: {self._log.text()[-300:]}")
        if self.wall == "bubblewrap" and "exit-code" not in facts:
            if code < 0 or "child-pid" in facts:
                return failure("worker_died", "the box was ended from outside; try it again")
            return failure("host_error", f"bubblewrap failed: {self._log.text()[-300:]}")
        return self._judge(code)

    def _poll(self, process: subprocess.Popen[bytes], timeout_s: float) -> int | None:
        """The exit code once there is one, waited for at most so many seconds."""
        handle = os.pidfd_open(process.pid) if process.returncode is None else None
        if handle is not None:
            try:
                select.select([handle], [], [], timeout_s)
            finally:
                os.close(handle)
        with self._lock:
            return process.poll()

    def _judge(self, code: int) -> Outcome:
        """What came of a program that ended by itself."""
        if self.wall == "bubblewrap" and _SHELL_SIGNALS < code <= _SHELL_SIGNALS + signal.NSIG:
            code = _SHELL_SIGNALS - code
        outcome = explain_end(code, self.limits, self._peak_bytes)
        if outcome.status == "error":
            return outcome
        return self._with_outputs(outcome)

    def _look(self, process: subprocess.Popen[bytes]) -> None:
        """Compare what the program takes with what it may take; end it for good reason."""
        limits = self.limits
        self._report_progress()
        pid = self._find_program(process)
        now = usage(pid) if pid is not None else None
        if pid is not None and now is not None:
            self._cpu_s = max(self._cpu_s, now.cpu_s)
            self._peak_bytes = max(self._peak_bytes, now.memory_bytes)
            if now.memory_bytes > limits.memory_bytes:
                said = f"the program used more memory than its {limits.memory_bytes} bytes"
                return self._end(failure("memory_limit", said))
            if now.threads > THREADS_MAX:
                said = f"the program started {now.threads} threads; the limit is {THREADS_MAX}"
                return self._end(failure("process_limit", said))
            if now.cpu_s > limits.time_s:
                said = f"the program used up its {limits.time_s:g} s of computing"
                return self._end(failure("time_limit", said))
        self._hold_to_time_and_room(deleted_bytes(pid) if pid is not None else 0)
        return None

    def _find_program(self, process: subprocess.Popen[bytes]) -> int | None:
        """The process of the program itself. In bubblewrap it is the child of the first inside."""
        if self._program is None:
            if self.wall == "landlock":
                self._program = process.pid
            else:
                first = self._told().get("child-pid")
                inside = children(first) if isinstance(first, int) else []
                self._program = inside[0] if inside else None
        return self._program

    def _read_status(self, status: IO[bytes]) -> None:
        while select.select([status], [], [], 0)[0]:
            piece = os.read(status.fileno(), 4096)
            if not piece:
                break
            self._status += piece

    def _told(self) -> dict[str, object]:
        """What launcher and bubblewrap said, all lines together."""
        facts: dict[str, object] = {}
        for line in self._status.split(b"\n"):
            with contextlib.suppress(ValueError):
                facts |= json.loads(line)
        return facts

    def _await_end(self) -> None:
        """Wait until the last process inside is gone; only then its files stand still."""
        first = self._told().get("child-pid")
        until_s = time.monotonic() + GONE_S_MAX
        while isinstance(first, int) and usage(first) is not None and time.monotonic() < until_s:
            time.sleep(0.002)

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            if process.poll() is None:
                signal_tree(process.pid, signal.SIGKILL)
                process.wait(GONE_S_MAX)
