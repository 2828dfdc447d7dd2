"""What the boxes of native programs and of containers have in common: a stage, a log, limits.

The program works in folders of its own and is measured from outside, by what the system says of its
processes.
"""

import contextlib
import os
import subprocess
from typing import IO

import msgspec

from idlegrid_shared.sandbox.job import JobError, Outcome
from idlegrid_shared.sandbox.log import TailLog

from .native.stage import OutputError, Stage
from .order import BoxOrder
from .watched import WatchedRun, failure


class StagedRun(WatchedRun):
    """A watched run in a stage. Subclasses note what its processes take as they look at them."""

    def __init__(self, order: BoxOrder, wall_factor: float, wall_grace_s: float) -> None:
        """Raises :class:`JobError` for arguments that no program can be given."""
        super().__init__()
        if any("\0" in text for text in order.args):
            raise JobError("an argument contains a zero character")
        self.order = order
        self.limits = order.program.limits
        self.stage = Stage(order.output_dir)
        self._wall_s = self.limits.time_s * wall_factor + wall_grace_s
        self._log = TailLog(self.limits.log_bytes)
        self._process: subprocess.Popen[bytes] | None = None
        self._cpu_s = 0.0
        self._peak_bytes = 0

    def _report_progress(self) -> None:
        self._progress = msgspec.structs.replace(
            self._progress, fraction=self.stage.fraction(), peak_memory_bytes=self._peak_bytes
        )

    def _hold_to_time_and_room(self, deleted_bytes: int) -> None:
        """End the run if it takes too long or too much disk.

        ``deleted_bytes`` are in files that its processes hold open and no folder names any more.
        """
        running_s = self._running_s()
        if running_s > self._wall_s:
            said = f"the program ran for {running_s:.0f} s; its limit is {self.limits.time_s:g} s"
            return self._end(failure("time_limit", said))
        try:
            self.stage.check_room(self.limits, deleted_bytes)
        except OutputError as error:
            self._end(failure(error.reason, str(error)))  # type: ignore[arg-type]
        return None

    def _with_outputs(self, outcome: Outcome) -> Outcome:
        """A good outcome with what the program left; that may be what makes it a bad one."""
        try:
            outputs = self.stage.collect(self.limits)
        except OutputError as error:
            return failure(error.reason, str(error))  # type: ignore[arg-type]
        return msgspec.structs.replace(outcome, outputs=outputs)

    def _with_figures(self, outcome: Outcome) -> Outcome:
        return msgspec.structs.replace(
            outcome,
            elapsed_s=self._running_s(),
            cpu_s=self._cpu_s,
            peak_memory_bytes=self._peak_bytes,
            stderr=self._log.text(),
        )

    def _read_log(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while piece := os.read(pipe.fileno(), 1 << 16):
                self._log.write(piece)
