"""The worker: one subprocess, one program, one outcome.

It reads one line of JSON, the job, from standard input and answers with lines of JSON on standard
output: ``{"progress": …}`` a few times a second at most, ``{"outcome": …}`` once at the end. Orders
may follow the job, ``{"checkpoint": …}`` and ``{"cancel": id}``; each checkpoint that was ordered
is answered once. When its standard input ends, its parent is gone, and it goes too.
"""

import contextlib
import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from .confine import confine_process, confine_run
from .fault import Refused
from .landlock import program_places, restrict_files

TICK_S = 0.25
COMPILE_TIME_S_MAX = 900.0
JOB_BYTES_MAX = 64 * 1024 * 1024
#: Room on the native stack for the host's own functions, besides the guest's part of it.
HOST_STACK_BYTES = 8 * 1024 * 1024

Send = Callable[[dict[str, Any]], None]


class Gaps:
    """The longest way that the program went without a host call.

    With a trial (see :class:`.job.GapTrial`) it also says when enough is known.
    """

    def __init__(self, trial: dict[str, Any] | None) -> None:
        self.longest_ops = 0
        self.longest_s = 0.0
        self._ops = 0
        self._cpu_s = self._process_s = 0.0
        self._trial = trial

    def start(self) -> None:
        """The program begins, in this thread."""
        self._cpu_s, self._process_s = time.thread_time(), time.process_time()

    def mark(self, ops: int, cpu_s: float) -> None:
        """A host call begins, or the program ends; ``cpu_s`` is what it has used in all.

        Raises ``Refused`` when the trial is over.
        """
        now_s = time.thread_time()
        self.longest_s = max(self.longest_s, now_s - self._cpu_s)
        self.longest_ops = max(self.longest_ops, ops - self._ops)
        self._ops, self._cpu_s, self._process_s = ops, now_s, time.process_time()
        if self._trial is not None and cpu_s > self._trial["time_s"]:
            raise Refused("killed", f"enough was seen of the program after {cpu_s:.1f} s")

    def is_too_long(self) -> bool:
        """Whether the way since the last host call is one that the trial looks for; any thread."""
        open_s = time.process_time() - self._process_s
        if self._trial is None or open_s <= self._trial["gap_s_max"]:
            return False
        self.longest_s = max(self.longest_s, open_s)
        return True


class Run:
    """One job on its way: the guest runs in a thread of its own, the main thread watches it."""

    def __init__(self, job: dict[str, Any], send: Send) -> None:
        from .guest import Guest  # loads wasmtime, which wants the confined process

        self.job = job
        self.send = send
        self.guest = Guest(job)
        self.started = False
        #: Ops of the checkpoint, once the program is back where it was saved.
        self.resumed_ops = 0
        #: True when a report may be sent; the watcher sets it, the report clears it.
        self.due = True
        measured = job["measure_gaps"] or job["gap_trial"] is not None
        self.gaps = Gaps(job["gap_trial"]) if measured else None
        self.figures: dict[str, Any] = {}
        self.outcome: dict[str, Any] | None = None
        #: Wall and processor seconds of the program, once it has ended.
        self.ended: tuple[float, float] | None = None
        self._once = threading.Lock()

    def at_call(self, name: str, arguments: tuple[Any, ...]) -> bool:
        """Before each host call: look at the orders, and report if it is time.

        True: the call is not to be done (see :class:`.checkpoint.Checkpointer`).
        """
        checkpointer = self.guest.checkpointer
        if checkpointer is not None and checkpointer.at_call(name, arguments):
            return True
        self.resumed_ops = self.guest.snapshot_ops
        if self.gaps is not None:
            self.gaps.mark(self.guest.ops(), self.times()[1])
        if name != "progress":  # which reports the new figure itself
            self.report()
        return False

    def report(self) -> None:
        """Send progress and ops if it is time."""
        if not self.due:
            return
        self.due = False
        self._send_progress()

    def _send_progress(self) -> None:
        world = self.guest.world
        self.figures = {
            "fraction": world.progress if world is not None else 0.0,
            "ops": self.guest.ops(),
            "peak_memory_bytes": self.guest.peak_memory_bytes(),
            "started": self.started,
            "resumed_ops": self.resumed_ops,
        }
        self.send({"progress": self.figures})

    def execute(self) -> None:
        """Compile, run, write outputs, send the outcome: the life of the guest's thread."""
        outputs: list[dict[str, Any]] = []
        code = 0
        try:
            world = self.guest.make_world(
                lambda fraction: self.report(),
                lambda answer: self.send({"checkpoint": answer}),
            )
            module = self.guest.load()
            if self.job["compile_only"]:
                self.finish("ok", "the module is compiled")
                return
            gc.freeze()
            gc.enable()
            # The engine keeps the memory that a module starts with in a file, too.
            limits = self.job["limits"]
            largest = max(limits["output_bytes"], limits["memory_bytes"])
            if self.job["checkpoint_dir"] is not None:
                largest = self.guest.checkpoint_bytes_max()
            confine_run(largest)
            if self.gaps is not None:
                self.gaps.start()
            self.started = True
            self._send_progress()  # the parent's own watch begins with it
            reason, message, code = self.guest.run(module, world, self.at_call)
            self.ended = self.times()
            if self.gaps is not None:
                self.gaps.mark(self.guest.ops(), 0.0)
            self._send_progress()
            if reason == "ok":
                outputs = self.guest.write_outputs()
        except Refused as error:
            reason, message = error.reason, error.message
        self.finish(reason, message, code, outputs)

    def finish(
        self, reason: str, message: str, code: int = 0, outputs: list[dict[str, Any]] | None = None
    ) -> None:
        """Send the outcome; only the first call counts, and the others wait until it is sent."""
        with self._once:
            if self.outcome is None:
                self.outcome = self._describe(reason, message, code, outputs or [])
                self.send({"outcome": self.outcome})

    def _describe(
        self, reason: str, message: str, code: int, outputs: list[dict[str, Any]]
    ) -> dict[str, Any]:
        world = self.guest.world
        elapsed_s, cpu_s = self.times()
        return {
            "status": "success" if reason == "ok" else "error",
            "reason": reason,
            "message": message,
            "exit_code": code,
            "ops": self.figures.get("ops", 0),
            "elapsed_s": elapsed_s,
            "cpu_s": cpu_s,
            "peak_memory_bytes": self.figures.get("peak_memory_bytes", 0),
            "gap_ops": self.gaps.longest_ops if self.gaps is not None else 0,
            "gap_s": self.gaps.longest_s if self.gaps is not None else 0.0,
            "stderr": world.log.text() if world is not None else "",
            "outputs": outputs,
        }

    def times(self) -> tuple[float, float]:
        """Wall and processor seconds since the program started, up to its end."""
        if self.ended is not None:
            return self.ended
        return self.guest.times() if self.started else (0.0, 0.0)

    def obey(self, message: dict[str, Any]) -> None:
        """Take an order from the parent."""
        checkpointer = self.guest.checkpointer
        if "checkpoint" in message:
            order = message["checkpoint"]
            if checkpointer is None:
                self.send(
                    {"checkpoint": {"id": order["id"], "error": "it has not begun, or keeps none"}}
                )
            else:
                checkpointer.give(order)
        elif "cancel" in message and checkpointer is not None:
            checkpointer.cancel(int(message["cancel"]))

    def watch(self, thread: threading.Thread) -> None:
        """Wait for the guest's thread; end the run when its time is up."""
        limit_s: float = self.job["limits"]["time_s"]
        began_s = time.monotonic()
        while thread.is_alive():
            thread.join(TICK_S if limit_s > 4 * TICK_S else min(TICK_S, limit_s / 4))
            self.due = True
            if self.started and self.ended is None and self.times()[1] > limit_s:
                self.finish("time_limit", f"the program used up its {limit_s:g} s of computing")
                return
            running = self.started and self.ended is None
            if self.gaps is not None and running and self.gaps.is_too_long():
                self.finish("killed", "the program goes too long without a host call")
                return
            if not self.started and time.monotonic() - began_s > COMPILE_TIME_S_MAX:
                self.finish(
                    "time_limit", f"the module was not compiled within {COMPILE_TIME_S_MAX:g} s"
                )
                return


def _take_output() -> Send:
    """Keep the real standard output for messages; whatever else prints goes nowhere."""
    real = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    lock = threading.Lock()

    def send(message: dict[str, Any]) -> None:
        data = memoryview(json.dumps(message).encode() + b"\n")
        with lock:
            while data:
                data = data[os.write(real, data) :]

    return send


class Inbox:
    """Standard input as a row of JSON lines."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def take(self) -> dict[str, Any] | None:
        """The next message; None when the input has ended or a line is too long."""
        while (end := self._rest.find(b"\n")) < 0:
            try:
                piece = os.read(0, 1 << 16)
            except OSError:
                return None
            if not piece or len(self._rest) > JOB_BYTES_MAX:
                return None
            self._rest += piece
        line = bytes(self._rest[:end])
        del self._rest[: end + 1]
        message: dict[str, Any] = json.loads(line)
        return message


def _keep_own_files(job: dict[str, Any]) -> None:
    """Give up all files but those of Python and of the job."""
    readable = [*program_places(), job["module"], *job["inputs"].values()]
    readable += [*job["mounts"].values(), *job["packs"].values()]
    if job["stdin"] is not None:
        readable.append(job["stdin"])
    if job["resume"] is not None:
        readable.append(job["resume"])
    writable = [job["output_dir"]]
    if job["checkpoint_dir"] is not None:
        writable.append(job["checkpoint_dir"])
    if job["cache_dir"] is not None:
        with contextlib.suppress(OSError):  # the cache itself tells what is wrong with it
            os.makedirs(job["cache_dir"], mode=0o700, exist_ok=True)  # noqa: PTH103
        writable.append(job["cache_dir"])
    restrict_files(readable, writable)


def _serve_parent(inbox: Inbox, run: Run) -> None:
    """Obey the parent, and end the process when it is gone."""
    while (message := inbox.take()) is not None:
        run.obey(message)
    os._exit(3)


def main() -> None:
    """Run the job from standard input; never returns."""
    # Loading the engine makes thousands of lasting objects: collecting in between costs 4 ms.
    gc.disable()
    inbox = Inbox()
    message = inbox.take()
    if message is None:
        os._exit(2)
    confine_process(message["parent"])
    send = _take_output()
    _keep_own_files(message["job"])
    run = Run(message["job"], send)

    def give_up(
        kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run.finish("host_error", f"the sandbox worker failed: {kind.__name__}: {error}")
        os._exit(1)

    threading.excepthook = lambda args: give_up(args.exc_type, args.exc_value, args.exc_traceback)
    sys.excepthook = give_up
    threading.Thread(target=_serve_parent, args=(inbox, run), daemon=True).start()
    stack = message["job"]["profile"]["max_wasm_stack_bytes"]
    threading.stack_size(stack + HOST_STACK_BYTES)
    thread = threading.Thread(target=run.execute, daemon=True)
    thread.start()
    run.watch(thread)
    # Nothing is left to tidy up, and tearing down the engine would only cost time.
    os._exit(0)


if __name__ == "__main__":
    main()
