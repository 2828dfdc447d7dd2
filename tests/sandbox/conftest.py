"""The laboratory: a folder with a module cache in which tests run guests in real workers."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from idlegrid_shared.sandbox.job import Outcome, SandboxJob
from idlegrid_shared.sandbox.limits import Limits
from idlegrid_shared.sandbox.profile import RuntimeProfile, current_profile
from idlegrid_shared.sandbox.run import run_sandboxed

from .compiler import compiled, source_of
from .guest import GuestDesk, assemble, module_text
from .wasi_case import Case, set_stage

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
    """Compile a program of ``programs/`` to wasm, by its name."""

    def build(name: str) -> bytes:
        return compiled(source_of(name), "wasm").read_bytes()

    return build


@pytest.fixture
def stage(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[GuestDesk]:
    """The stage for the case of the table of WASI calls that the test is parametrised with."""
    one: Case = request.node.callspec.params["one"]
    desk = set_stage(tmp_path, one.settings)
    yield desk
    desk.files.reader.close()
