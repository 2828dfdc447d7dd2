"""One container on its way, watched from outside."""

import contextlib
import json
import math
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from idlegrid_shared.box.native.ending import explain_end
from idlegrid_shared.box.native.tree import deleted_bytes, usage, whole_tree
from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.box.staged import StagedRun
from idlegrid_shared.box.watched import failure
from idlegrid_shared.sandbox.job import JobError, Outcome
from idlegrid_shared.sandbox.run import WALL_FACTOR, WALL_GRACE_S

from .engine import (
    PROCESSES_MAX,
    Engine,
    EngineError,
    engine_environment,
    owner_inside,
    run_options,
)
from .image import ImageError, image_id
from .seccomp import write_profile
from .store import ImageStore

POLL_S = 0.1
START_S_MAX = 60.0
FILE_ROOM_BYTES = 4096
#: The engine's own limit lies above the one that is watched, so that the end has its reason.
MEMORY_ROOM_BYTES = 512 * 1024**2
#: The engine's own: it could not start the container, or found no such command in it.
_ENGINE_CODES = frozenset({125, 126, 127})


def read_entry(entry: str) -> tuple[str, tuple[str, ...]]:
    """Image and command of ``Program.entry``: an id, and a JSON list of words behind it, maybe.

    Raises ``ValueError``.
    """
    image, _, rest = entry.partition(" ")
    command = msgspec.json.decode(rest, type=tuple[str, ...]) if rest else ()
    if not image.startswith("sha256:"):
        raise ValueError(f"{image[:80]!r} is not the id of an image")
    return image, command


class ContainerProcess(StagedRun):
    """A container of an engine that was tried."""

    def __init__(
        self,
        order: BoxOrder,
        engine: Engine,
        *,
        wall_factor: float = WALL_FACTOR,
        wall_grace_s: float = WALL_GRACE_S,
    ) -> None:
        super().__init__(order, wall_factor, wall_grace_s)
        try:
            self._image, self._command = read_entry(order.program.entry)
        except (ValueError, msgspec.DecodeError) as error:
            raise JobError(f"program {order.program.name}: {error}") from error
        self.images = ImageStore(order.cache_dir, engine)
        self.engine = self.images.engine
        self.name = f"idlegrid-{secrets.token_hex(8)}"
        self._first: int | None = None

    # --- as WatchedRun asks

    def _hold(self) -> None:
        with contextlib.suppress(EngineError):
            self.engine.call("pause", self.name, check=False)

    def _release(self) -> None:
        with contextlib.suppress(EngineError):
            self.engine.call("unpause", self.name, check=False)

    def _destroy(self) -> None:
        self.engine.remove_container(self.name)
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def _follow(self) -> Outcome:
        program = self.order.program
        archive = Path(self.order.places[program.module.sha256])
        try:
            if image_id(archive) != self._image:
                return failure(
                    "bad_module", f"program {program.name}: its archive holds another image"
                )
            owner = owner_inside(self.engine)
            self.stage.make_folders(self.order.inputs, owner if os.geteuid() == 0 else None)
            with self.images.using(archive, program.module.sha256, self._image):
                return self._with_figures(self._run())
        except ImageError as error:
            return failure("bad_module", f"program {program.name}: {error}")
        finally:
            self.stage.remove()

    # --- inside

    def _run(self) -> Outcome:
        with self.stage.stdout.open("ab") as stdout, self._guard():
            process = subprocess.Popen(
                [*self.engine.command, "run", *self._options()],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.PIPE,
                env=engine_environment(),
                cwd="/",
                process_group=0,
            )
            with self._lock:
                self._process = process
            reader = threading.Thread(target=self._read_log, args=(process.stderr,), daemon=True)
            reader.start()
            try:
                self._started(process.pid)
                return self._watch(process)
            finally:
                self.engine.remove_container(self.name)
                if process.poll() is None:
                    process.kill()
                    process.wait()
                reader.join(POLL_S * 20)
                if process.stderr is not None:
                    process.stderr.close()

    def _options(self) -> list[str]:
        limits = self.limits
        options = run_options(
            self.engine,
            self.name,
            write_profile(self.stage.root),
            memory_bytes=limits.memory_bytes + MEMORY_ROOM_BYTES,
            file_bytes=limits.output_bytes + FILE_ROOM_BYTES,
            cpu_s=math.ceil(limits.time_s) + 1,
        )
        for source, target, mode in (
            (self.stage.inputs, "/in", "ro"),
            (self.stage.out, "/out", "rw"),
            (self.stage.progress, "/progress", "rw"),
        ):
            options += ["--volume", f"{source}:{target}:{mode}"]
        for name, value in (
            ("LANG", "C.UTF-8"),
            ("IDLEGRID_IN", "/in"),
            ("IDLEGRID_OUT", "/out"),
            ("IDLEGRID_PROGRESS", "/progress"),
            ("IDLEGRID_SEED", self.order.seed.hex()),
        ):
            options += ["--env", f"{name}={value}"]
        command = list(self._command)
        if command:
            options += ["--entrypoint", json.dumps(command[:1]) if self._podman() else command[0]]
        return [*options, self._image, *command[1:], *self.order.args]

    def _podman(self) -> bool:
        return self.engine.kind == "podman"

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        """A shell that ends the container when this process is gone, however it went.

        Engines keep containers in sessions of their own, which no signal to us reaches. The shell
        waits for the end of its input, which comes with our end.
        """
        words = [*self.engine.command, *self.engine.removal(self.name)]
        guard = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _; exec "$@" >/dev/null 2>&1', "guard", *words],
            stdin=subprocess.PIPE,
            env=engine_environment(),
            cwd="/",
            start_new_session=True,
        )
        try:
            yield
        finally:
            if guard.stdin is not None:
                guard.stdin.close()
            guard.wait()

    def _watch(self, process: subprocess.Popen[bytes]) -> Outcome:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLL_S)
            if process.returncode is not None:
                break
            if not self.suspended:
                self._look()
        if self._ended_as is not None:
            return self._ended_as
        code = process.returncode
        if self._first is None and code in _ENGINE_CODES:
            return failure("host_error", f"the engine failed: {self._log.text()[-400:]}")
        # 137 without our doing: the kernel took it for want of memory, the cgroup's or the host's.
        if code == 137 and self._peak_bytes > self.limits.memory_bytes // 2:
            said = f"the program used more memory than its {self.limits.memory_bytes} bytes"
            return failure("memory_limit", said)
        outcome = explain_end(
            128 - code if 128 < code < 192 else code, self.limits, self._peak_bytes
        )
        if outcome.status == "error":
            return outcome
        self._await_end()
        return self._with_outputs(outcome)

    def _await_end(self) -> None:
        """The first process takes all others of its container with it; wait until it is gone."""
        until_s = time.monotonic() + START_S_MAX
        while self._first and usage(self._first) is not None and time.monotonic() < until_s:
            time.sleep(0.005)

    def _look(self) -> None:
        """Compare what the container takes with what it may take; end it for good reason."""
        limits = self.limits
        if self._first is None:
            self._first = self.engine.first_process(self.name)
        self._report_progress()
        family = whole_tree(self._first) if self._first is not None else []
        found = [now for now in map(usage, family) if now is not None]
        memory = sum(now.memory_bytes for now in found)
        self._peak_bytes = max(self._peak_bytes, memory)
        self._cpu_s = max(self._cpu_s, sum(now.cpu_s for now in found))
        if memory > limits.memory_bytes:
            said = f"the program used more memory than its {limits.memory_bytes} bytes"
            return self._end(failure("memory_limit", said))
        if sum(now.threads for now in found) > 4 * PROCESSES_MAX:
            return self._end(failure("process_limit", "the program started too many processes"))
        if self._cpu_s > limits.time_s:
            said = f"the program used up its {limits.time_s:g} s of computing"
            return self._end(failure("time_limit", said))
        self._hold_to_time_and_room(sum(map(deleted_bytes, family)))
        return None
