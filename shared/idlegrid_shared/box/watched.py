"""What the boxes around processes of the system have in common: a thread, a clock, an outcome."""

import threading
import time
from types import TracebackType
from typing import Self

import msgspec

from idlegrid_shared.sandbox.job import Outcome, Progress, Reason

EXIT_WAIT_S = 10.0


def failure(reason: Reason, message: str) -> Outcome:
    """An outcome that is an error."""
    return Outcome(status="error", reason=reason, message=message)


class WatchedRun:
    """A run in a thread of its own, which starts the program and watches it to its end.

    Linux ties a child's life to the *thread* that made it, so it must be one thread to the end. A
    subclass gives :meth:`_follow`, :meth:`_hold`, :meth:`_release` and :meth:`_destroy`.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._launched = threading.Event()
        self._done = threading.Event()
        self._outcome: Outcome | None = None
        #: Why this side ended the run, if it did.
        self._ended_as: Outcome | None = None
        self._progress = Progress()
        self._pid: int | None = None
        self._started_s: float | None = None
        self._suspended_since_s: float | None = None
        self._suspended_s = 0.0

    # --- as Box says

    def launch(self) -> None:
        """Start it and return once it has a process id, or has failed to start."""
        threading.Thread(target=self._serve, name="box", daemon=True).start()
        self._launched.wait()

    @property
    def pid(self) -> int | None:
        """The process at the root of its tree; None if it could not be started."""
        return self._pid

    @property
    def progress(self) -> Progress:
        """The newest report."""
        return self._progress

    @property
    def suspended(self) -> bool:
        """Whether :meth:`suspend` holds it now."""
        return self._suspended_since_s is not None

    def wait(self, timeout: float | None = None) -> Outcome | None:
        """The outcome, waited for at most ``timeout`` seconds; None if there is none by then."""
        self._done.wait(timeout)
        return self._outcome

    def suspend(self) -> None:
        """Stop it where it stands; its time stands still too."""
        with self._lock:
            if self._suspended_since_s is None and not self._done.is_set():
                self._suspended_since_s = time.monotonic()
                self._hold()

    def resume(self) -> None:
        """Let it go on."""
        with self._lock:
            if self._suspended_since_s is not None:
                self._end_suspension()
                self._release()

    def kill(self, message: str = "the run was stopped by its owner") -> None:
        """End it at once; the outcome says ``killed``, unless it had already ended."""
        self._end(failure("killed", message))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._done.is_set():
            self.kill()
            self._done.wait(EXIT_WAIT_S)

    # --- for subclasses

    def _follow(self) -> Outcome:
        """Start the program and see it through; raises ``OSError`` and ``ValueError``."""
        raise NotImplementedError

    def _hold(self) -> None:
        """Stop all processes of the run; the lock is held."""
        raise NotImplementedError

    def _release(self) -> None:
        """Let them go on; the lock is held."""
        raise NotImplementedError

    def _destroy(self) -> None:
        """End them all at once; the lock is held."""
        raise NotImplementedError

    def _started(self, pid: int) -> None:
        """The program is on its way: the clock runs from here."""
        with self._lock:
            self._pid = pid
            self._started_s = time.monotonic()
            if self._ended_as is not None:
                self._destroy()
        self._progress = msgspec.structs.replace(self._progress, started=True)
        self._launched.set()

    def _running_s(self) -> float:
        """Seconds since the start without those suspended."""
        with self._lock:
            if self._started_s is None:
                return 0.0
            until_s = self._suspended_since_s or time.monotonic()
            return max(0.0, until_s - self._started_s - self._suspended_s)

    def _end(self, outcome: Outcome) -> None:
        """End the run for a reason; the first reason counts."""
        with self._lock:
            if self._ended_as is None:
                self._ended_as = outcome
            if not self._done.is_set():
                self._destroy()

    def _end_suspension(self) -> None:
        if self._suspended_since_s is not None:
            self._suspended_s += time.monotonic() - self._suspended_since_s
            self._suspended_since_s = None

    def _serve(self) -> None:
        outcome = failure("host_error", "the box failed without a word")
        try:
            outcome = self._follow()
        except (OSError, ValueError) as error:
            outcome = failure("host_error", f"the program could not be run here: {error}")
        finally:
            # Whatever happens, nobody may be left waiting.
            with self._lock:
                self._end_suspension()
                self._outcome = outcome
            self._launched.set()
            self._done.set()
