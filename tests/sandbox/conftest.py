"""The laboratory: a folder with a module cache in which tests run guests in real workers."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from idlegrid_shared.sandbox.job import Outcome, SandboxJob
from idlegrid_shared.sandbox.limits import Limits
from idlegrid_shared.sandbox.profile import RuntimeProfile, current_profile
from idlegrid_shared.sandbox.run import run_sandboxed

from .guest import assemble, module_text

ROOT = Path(__file__).parents[2]
LIMITS = Limits(
    memory_bytes=4 * 65536,
    max_ops=50_000_000,
    time_s=30.0,
    output_bytes=100_000,
    output_files=5,
)


class Lab:
    """Makes jobs with sensible limits and runs them; every job gets its own output folder."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.cache = cache
        self.count = 0

    def job(
        self, module: str | bytes, *, limits: dict[str, Any] | None = None, **fields: Any
    ) -> SandboxJob:
        """A job for a module, given as bytes, or for a body (see ``module_text``)."""
        if isinstance(module, str):
            module = assemble(module if module.startswith("(module") else module_text(module))
        self.count += 1
        path = self.folder / f"module{self.count}.wasm"
        path.write_bytes(module)
        values: dict[str, Any] = {
            "module": str(path),
            "module_sha256": hashlib.sha256(module).hexdigest(),
            "program": "guest",
            "output_dir": str(self.folder / f"out{self.count}"),
            "seed": b"seed",
            "limits": msgspec.structs.replace(LIMITS, **(limits or {})),
            "profile": current_profile(),
            "cache_dir": str(self.cache),
        }
        return SandboxJob(**(values | fields))

    def run(self, module: str | bytes, **fields: Any) -> Outcome:
        """Run a module to its end."""
        return run_sandboxed(self.job(module, **fields), timeout=60)

    def output(self, job: SandboxJob, name: str) -> bytes:
        """The content of an output file."""
        return (Path(job.output_dir) / name).read_bytes()


@pytest.fixture(scope="session")
def module_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests of a process, so that equal modules compile once."""
    return tmp_path_factory.mktemp("cache") / "modules"


@pytest.fixture
def lab(tmp_path: Path, module_cache: Path) -> Lab:
    """A laboratory in a fresh folder."""
    return Lab(tmp_path, module_cache)


@pytest.fixture
def profile() -> RuntimeProfile:
    """The profile of this installation."""
    return current_profile()


@pytest.fixture(scope="session")
def build_c() -> Callable[[str], bytes]:
    """Compile a program of ``programs/`` to wasm; kept under build/, by the hash of its source."""

    def build(name: str) -> bytes:
        source = Path(__file__).parent / "programs" / f"{name}.c"
        digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
        target = ROOT / "build" / "test-programs" / f"{name}-{digest}.wasm"
        if not target.exists():
            compile_once(source, target)
        return target.read_bytes()

    return build


def compile_once(source: Path, target: Path) -> None:
    """Compile under a lock folder, as several test processes may want the same program."""
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = target.with_suffix(".lock")
    until_s = time.monotonic() + 200
    while True:
        try:
            lock.mkdir()
            break
        except FileExistsError:
            if target.exists() or time.monotonic() > until_s:
                break
            time.sleep(0.2)
    try:
        if target.exists():
            return
        cache = str(ROOT / "build" / "zig-cache")
        environment = os.environ | {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
        fresh = target.with_suffix(f".{os.getpid()}")
        command = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-O2", "-s"]
        subprocess.run(
            [*command, "-o", str(fresh), str(source)], check=True, env=environment, timeout=280
        )
        fresh.replace(target)
    finally:
        if lock.exists():
            lock.rmdir()
