"""How a worker is started: its command, its environment, its paths."""

import os
import sys
from pathlib import Path

import msgspec

from .job import SandboxJob

#: The argument that makes a frozen program become a worker; its entry calls ``worker.main()``.
FROZEN_ARGUMENT = "--sandbox-worker"


def worker_command() -> list[str]:
    """The command of a worker; a frozen program runs itself again."""
    if getattr(sys, "frozen", False):
        return [sys.executable, FROZEN_ARGUMENT]
    # -P: modules in the folder where it is started, which holds outputs, are never imported.
    return [sys.executable, "-E", "-P", "-m", "idlegrid_shared.sandbox.worker"]


def worker_environment(compile_threads: int = 0) -> dict[str, str]:
    """The worker's whole environment: no proxies, no secrets, nothing of the user's."""
    environment = {"LANG": "C.UTF-8", "RUST_BACKTRACE": "0"}
    if compile_threads > 0:
        environment["RAYON_NUM_THREADS"] = str(compile_threads)  # Cranelift's pool
    if sys.platform == "win32":
        # Windows cannot start a program without the first; Python finds a user's packages by the
        # second.
        kept = {name: os.environ.get(name, "") for name in ("SYSTEMROOT", "APPDATA")}
        environment |= {name: value for name, value in kept.items() if value}
    return environment


def absolute_paths(job: SandboxJob) -> SandboxJob:
    """The same job with absolute host paths, as the worker runs in another folder."""

    def full(path: str) -> str:
        return str(Path(path).absolute())

    return msgspec.structs.replace(
        job,
        module=full(job.module),
        inputs={name: full(path) for name, path in job.inputs.items()},
        mounts={place: full(path) for place, path in job.mounts.items()},
        packs={place: full(path) for place, path in job.packs.items()},
        stdin=None if job.stdin is None else full(job.stdin),
        output_dir=full(job.output_dir),
        cache_dir=None if job.cache_dir is None else full(job.cache_dir),
        checkpoint_dir=None if job.checkpoint_dir is None else full(job.checkpoint_dir),
        resume=None if job.resume is None else full(job.resume),
    )
