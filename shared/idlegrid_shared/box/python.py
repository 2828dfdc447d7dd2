"""The box of Python programs: an interpreter in the deterministic sandbox, their files beside it.

The guest sees the program's files at /app, the interpreter's library where its release puts it, and
starts :data:`BOOT` there, which the build packed with them: so a released program is started the
same way for ever, whatever client runs it.
"""

from idlegrid_shared.documents import Program
from idlegrid_shared.sandbox.job import JobError, SandboxJob
from idlegrid_shared.sandbox.profile import RuntimeProfile
from idlegrid_shared.sandbox.run import SandboxProcess

from .order import BoxOrder

APP_FOLDER = "app"
BOOT = "idlegrid_boot.py"


def python_job(order: BoxOrder) -> SandboxJob:
    """The sandbox's job for an order; raises ``JobError``."""
    program, interpreter = order.program, order.interpreter
    if interpreter is None:
        raise JobError(f"program {program.name}: the interpreter of its release is not here")
    start, *flags = interpreter.entry.split()
    own = order.checkpoint == "app"
    return SandboxJob(
        module=order.places[interpreter.module.sha256],
        module_sha256=interpreter.module.sha256,
        program="python",
        args=[*flags, f"/{APP_FOLDER}/{BOOT}", program.entry, *order.args],
        inputs=dict(order.inputs),
        mounts={file.name: order.places[file.sha256] for file in interpreter.files},
        packs={APP_FOLDER: order.places[program.module.sha256]},
        control=True,
        start=start,
        output_dir=order.output_dir,
        seed=order.seed,
        limits=program.limits,
        profile=order.profile,
        cache_dir=order.cache_dir,
        # An interpreter is not instrumented: only what a program writes itself can be kept.
        checkpoint="app" if own else "none",
        checkpoint_dir=order.checkpoint_dir if own else None,
        resume=order.resume if own else None,
        work=order.work,
    )


def open_python(order: BoxOrder) -> SandboxProcess:
    """A sandbox for an order, not started yet; raises ``JobError``."""
    return SandboxProcess(python_job(order))


def compile_job(
    interpreter: Program,
    module: str,
    profile: RuntimeProfile,
    work_dir: str,
    cache_dir: str,
    threads: int = 0,
) -> SandboxJob:
    """Compile an interpreter into the cache, once a machine; ``work_dir`` is an empty folder.

    ``threads`` is that of ``SandboxJob.compile_threads``.
    """
    return SandboxJob(
        module=module,
        module_sha256=interpreter.module.sha256,
        program="python",
        output_dir=work_dir,
        seed=b"-",
        limits=interpreter.limits,
        profile=profile,
        cache_dir=cache_dir,
        compile_only=True,
        compile_threads=threads,
    )
