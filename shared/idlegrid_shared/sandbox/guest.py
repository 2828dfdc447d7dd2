"""Run one program inside this process: the part of the worker that knows nothing of processes."""

import base64
import ctypes
import hashlib
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import wasmtime

from .cache import ModuleCache, cache_name, load_or_compile
from .engine import engine_version, make_engine
from .fault import GuestExit, HostFault, Refused
from .filesystem import FileSystem
from .mounts import mount_all
from .wasi import Before, link
from .world import World

if TYPE_CHECKING:  # loaded only for runs that can be checkpointed, as it costs start time
    from .asyncify import Asyncify
    from .checkpoint import Answer, Checkpointer
    from .snapshot_reader import Snapshot

PAGE_BYTES = 65536
TABLE_ELEMENTS_MAX = 1_000_000
#: With the elements of each, at most 32 MB beside the memory; compilers use one table.
TABLES_MAX = 4
NAME_CHARACTERS_MAX = 80
#: What a checkpoint may weigh beyond the program's memory and files.
CHECKPOINT_EXTRA_BYTES = 128 * 1024 * 1024

_TRAPS = {
    wasmtime.TrapCode.OUT_OF_FUEL: ("out_of_ops", "the program used up its limit of ops"),
    wasmtime.TrapCode.STACK_OVERFLOW: (
        "stack_overflow",
        "the program called itself too deeply and ran out of stack",
    ),
}


class Guest:
    """One program: prepared, run once, and its outputs written."""

    def __init__(self, job: dict[str, Any]) -> None:
        """Take a job as plain data (see ``SandboxJob``); the engine is not touched yet."""
        self.job = job
        self.limits = job["limits"]
        self.world: World | None = None
        self.store: wasmtime.Store | None = None
        self.started_s = 0.0
        self.started_cpu_s = 0.0
        self.checkpointer: Checkpointer | None = None
        self._snapshot: Snapshot | None = None

    # --- preparing

    def load(self) -> wasmtime.Module:
        """The compiled module; raises ``Refused`` for a wrong profile, hash or module."""
        job = self.job
        engine = make_engine(job["profile"], job["executor"])
        try:
            with open(job["module"], "rb") as file:  # noqa: PTH123 (pathlib costs start time)
                wasm = file.read()
        except OSError as error:
            raise HostFault(
                f"cannot read the module {job['module']!r}: {error.strerror}"
            ) from error
        digest = hashlib.sha256(wasm).hexdigest()
        if digest != job["module_sha256"]:
            raise Refused(
                "bad_module",
                f"the module has SHA-256 {digest}, not {job['module_sha256']}; fetch it again",
            )

        def compile_module() -> wasmtime.Module:
            # Text would be accepted by the binding; only binary modules are programs here.
            if not wasm.startswith(b"\0asm"):
                raise Refused("bad_module", "the file is no WebAssembly module")
            try:
                return wasmtime.Module(engine, wasm)
            except wasmtime.WasmtimeError as error:
                raise Refused("bad_module", f"not a valid module: {_one_line(error)}") from error

        cache = ModuleCache(job["cache_dir"]) if job["cache_dir"] else None
        name = cache_name(digest, engine_version(), job["profile"], job["executor"])
        self._engine = engine
        return load_or_compile(engine, cache, name, compile_module)

    def make_world(
        self,
        on_progress: Callable[[float], None] | None = None,
        answer: "Answer | None" = None,
    ) -> World:
        """Everything the program will see; raises ``Refused`` or ``HostFault`` for bad inputs.

        ``answer`` is told what became of orders for checkpoints.
        """
        job, limits = self.job, self.limits
        files = FileSystem(
            limits["output_bytes"],
            limits["output_files"],
            job["inputs"],
            own_checkpoints=job["checkpoint"] == "app",
        )
        if job["stdin"] is not None:
            files.set_stdin(job["stdin"])
        mount_all(files, job["mounts"], job["packs"], control=job["control"])
        self.world = World(
            files,
            args=[job["program"], *job["args"]],
            env=job["env"],
            seed=base64.b64decode(job["seed"]),
            log_bytes=limits["log_bytes"],
            on_progress=on_progress,
        )
        if job["checkpoint"] != "none":
            self._make_checkpointer(self.world, answer)
        return self.world

    def checkpoint_bytes_max(self) -> int:
        """No checkpoint of this run is larger."""
        limits = self.limits
        size: int = limits["memory_bytes"] + limits["output_bytes"] + limits["log_bytes"]
        return size + CHECKPOINT_EXTRA_BYTES

    def _make_checkpointer(self, world: World, answer: "Answer | None") -> None:
        from .checkpoint import Checkpointer
        from .identity import work_identity

        identity = work_identity(self.job, world.files)
        if self.job["resume"] is not None:
            self._open_checkpoint(self.job["resume"], identity, world.files)
        self.checkpointer = Checkpointer(
            self.job,
            identity,
            world,
            answer or (lambda message: None),
            lambda: (self.ops(), self.times()),
        )

    def _open_checkpoint(self, path: str, identity: str, files: FileSystem) -> None:
        from .snapshot_file import SnapshotError
        from .snapshot_reader import Snapshot

        kind = "whole" if self.job["checkpoint"] == "auto" else "files"
        try:
            self._snapshot = Snapshot(path, kind, identity, self.checkpoint_bytes_max())
            if files.checkpoint is not None:
                self._snapshot.restore_files(files, files.checkpoint)
        except SnapshotError as error:
            if self._snapshot is not None:
                self._snapshot.close()
            raise _refuse_checkpoint(error) from error

    # --- running

    def run(
        self, module: wasmtime.Module, world: World, before: Before | None = None
    ) -> tuple[str, str, int]:
        """Run ``_start``; returns (reason, message, exit code). ``before`` runs at host calls."""
        store = wasmtime.Store(self._engine)
        store.set_fuel(self.limits["max_ops"] - self.snapshot_ops)
        store.set_limits(
            memory_size=self.limits["memory_bytes"],
            table_elements=TABLE_ELEMENTS_MAX,
            instances=1,
            tables=TABLES_MAX,
            memories=1,
        )
        self.store = store
        self.started_s, self.started_cpu_s = time.monotonic(), time.process_time()
        try:
            return self._call(module, store, world, before)
        except GuestExit as error:
            if error.code == 0:
                return "ok", "the program ended normally", 0
            return self._blame_memory(
                "exit_code", f"the program ended with exit code {error.code}", error.code
            )
        except wasmtime.Trap as error:
            if self._travels() is not None:
                return self._lost_on_the_way()
            code = error.trap_code
            if code in _TRAPS:
                return (*_TRAPS[code], 0)
            where = _first_function(error)
            name = code.name.lower().replace("_", " ") if code is not None else "trap"
            return self._blame_memory("trap", f"the program stopped{where}: {name}", 0)
        except Refused as error:
            return error.reason, error.message, 0
        finally:
            world.files.reader.close()
            if self._snapshot is not None:
                self._snapshot.close()

    def _call(
        self,
        module: wasmtime.Module,
        store: wasmtime.Store,
        world: World,
        before: Before | None,
    ) -> tuple[str, str, int]:
        linker = wasmtime.Linker(self._engine)
        link(linker, module.imports, world, before)
        self._check_size(module)
        try:
            instance = linker.instantiate(store, module)
        except wasmtime.WasmtimeError as error:
            raise _instantiation_fault(error) from error
        exports = instance.exports(store)
        memory = exports.get("memory")
        if isinstance(memory, wasmtime.Memory):
            found = memory

            def locate() -> tuple[int, int]:
                pointer = ctypes.cast(found.data_ptr(store), ctypes.c_void_p).value
                return pointer or 0, found.data_len(store)

            world.memory.attach(locate)
        name = self.job["start"]
        start = exports.get(name)
        if not isinstance(start, wasmtime.Func):
            raise Refused(
                "bad_module",
                f"the module exports no function {name}; build a program, not a library",
            )
        try:
            first = exports.get("_initialize") if name != "_start" else None
            is_continued = self._snapshot is not None and self.job["checkpoint"] == "auto"
            if isinstance(first, wasmtime.Func) and not is_continued:
                first(store)  # as WASI says of modules that are no commands
            asyncify = self._prepare_checkpoints(exports, store, world)
            code = start(store)
            while asyncify is not None and asyncify.state == "unwinding" and self.checkpointer:
                self.checkpointer.write_whole()
                asyncify.start_rewind()
                code = start(store)
        except wasmtime.WasmtimeError as error:
            raise Refused("bad_module", f"{name} cannot be called: {_one_line(error)}") from error
        if asyncify is not None and asyncify.state != "running":
            raise Refused("bad_checkpoint", "the checkpoint leads to no place in the program")
        if isinstance(code, int) and code:
            raise GuestExit(code & 0xFFFF_FFFF)
        return "ok", "the program ended normally", 0

    def _prepare_checkpoints(
        self, exports: Mapping[str, Any], store: wasmtime.Store, world: World
    ) -> "Asyncify | None":
        """The controls of an ``auto`` run that can be interrupted, at its last checkpoint."""
        job, checkpointer = self.job, self.checkpointer
        if job["checkpoint"] != "auto" or checkpointer is None:
            return None
        if job["checkpoint_dir"] is None and self._snapshot is None:
            return None
        from .asyncify import Asyncify
        from .snapshot_file import SnapshotError

        stack_bytes = job["profile"]["max_wasm_stack_bytes"]
        asyncify = Asyncify(exports, store, world.memory, stack_bytes)
        checkpointer.asyncify = asyncify
        if self._snapshot is not None:
            memory = exports["memory"]

            def grow(pages: int) -> None:
                if not isinstance(memory, wasmtime.Memory):
                    raise SnapshotError("the module has no memory")
                try:
                    memory.grow(store, pages)
                except wasmtime.WasmtimeError as error:
                    raise SnapshotError("its memory is larger than the module's can be") from error

            try:
                self._snapshot.restore(world, asyncify, self.limits["memory_bytes"], grow)
            except SnapshotError as error:
                raise _refuse_checkpoint(error) from error
            asyncify.start_rewind()
        return asyncify

    def _travels(self) -> str | None:
        """``unwinding`` or ``rewinding`` while the program is on its way out or back."""
        asyncify = self.checkpointer.asyncify if self.checkpointer is not None else None
        return asyncify.state if asyncify is not None and asyncify.state != "running" else None

    def _lost_on_the_way(self) -> tuple[str, str, int]:
        """A trap there is none of the program's own: a forged checkpoint, or no room for notes."""
        if self._travels() == "rewinding":
            return "bad_checkpoint", "the checkpoint cannot be used: it leads nowhere", 0
        return "host_error", "the program could not be checkpointed: it lost its way", 0

    def _check_size(self, module: wasmtime.Module) -> None:
        for export in module.exports:
            if isinstance(export.type, wasmtime.MemoryType):
                wanted = export.type.limits.min * PAGE_BYTES
                if wanted > self.limits["memory_bytes"]:
                    raise Refused(
                        "memory_limit",
                        f"the module starts with {wanted} bytes of memory; "
                        f"its limit is {self.limits['memory_bytes']}",
                    )

    def _blame_memory(self, reason: str, message: str, code: int) -> tuple[str, str, int]:
        """Say memory_limit when a program failed with its memory all but used up.

        The engine does not tell of a refused ``memory.grow``. Allocators grow in small steps, so
        less than a sixteenth of the limit (at least a page) left over is taken as the sign.
        """
        limit = self.limits["memory_bytes"]
        if limit - self.peak_memory_bytes() < max(PAGE_BYTES, limit // 16):
            return "memory_limit", f"{message}, with its memory of {limit} bytes used up", code
        return reason, message, code

    # --- figures

    @property
    def snapshot_ops(self) -> int:
        """Ops of the checkpoint that the run goes on from; 0 without one."""
        return self._snapshot.ops if self._snapshot is not None else 0

    def ops(self) -> int:
        """Fuel used so far; call it only from a host call or after the run."""
        if self.store is None:
            return 0
        asyncify = self.checkpointer.asyncify if self.checkpointer is not None else None
        # On the way out and back, the fuel in the store is not the program's.
        under_way = asyncify is not None and (asyncify.state != "running" or asyncify.notes)
        fuel = asyncify.fuel if asyncify is not None and under_way else self.store.get_fuel()
        used: int = self.limits["max_ops"] - fuel
        return used

    def times(self) -> tuple[float, float]:
        """Wall and processor seconds since the start, with those before the checkpoint."""
        if not self.started_s:
            return 0.0, 0.0
        before = self._snapshot.times if self._snapshot is not None else (0.0, 0.0)
        return (
            before[0] + time.monotonic() - self.started_s,
            before[1] + time.process_time() - self.started_cpu_s,
        )

    def peak_memory_bytes(self) -> int:
        """The size of the memory, which never shrinks."""
        return self.world.memory.size() if self.world is not None else 0

    def write_outputs(self) -> list[dict[str, Any]]:
        """Write the output files to the job's folder; returns name, sha256 and bytes of each.

        Raises ``HostFault`` when the disk will not have them.
        """
        folder = self.job["output_dir"]
        entries = []
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103
            for name, data in self.world.files.outputs() if self.world is not None else []:
                *folders, last = name.split("/")
                path = os.path.join(_inside(folder, folders), last)  # noqa: PTH118
                if os.path.lexists(path):
                    os.unlink(path)  # noqa: PTH108
                with open(path, "xb") as file:  # noqa: PTH123
                    file.write(data)
                digest = hashlib.sha256(data).hexdigest()
                entries.append({"name": name, "sha256": digest, "bytes": len(data)})
        except OSError as error:
            raise HostFault(f"cannot write the output files: {error}") from error
        return entries


def _inside(folder: str, names: list[str]) -> str:
    """Make the folders ``names`` inside each other; a planted link is not followed out of it."""
    for name in names:
        folder = os.path.join(folder, name)  # noqa: PTH118
        if os.path.islink(folder):  # noqa: PTH114
            raise HostFault(f"cannot write the output files: {folder!r} is a link")
        os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103
    return folder


def _refuse_checkpoint(error: Exception) -> Refused:
    return Refused("bad_checkpoint", f"the checkpoint cannot be used: {error}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _first_function(trap: wasmtime.Trap) -> str:
    frames = trap.frames
    name = frames[0].func_name if frames else None
    return f" in function {name[:NAME_CHARACTERS_MAX]}" if name else ""


def _instantiation_fault(error: wasmtime.WasmtimeError) -> Refused:
    text = _one_line(error)
    if "incompatible import type" in text:
        return Refused("bad_import", f"an import has the wrong type: {text}")
    if "memory" in text and "exceed" in text:
        return Refused("memory_limit", f"the module starts with too much memory: {text}")
    return Refused("bad_module", f"the module cannot be started: {text}")
