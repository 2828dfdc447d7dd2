"""The box of WebAssembly programs: the deterministic sandbox."""

from idlegrid_shared.sandbox.job import SandboxJob
from idlegrid_shared.sandbox.run import SandboxProcess

from .order import BoxOrder


def wasm_job(order: BoxOrder) -> SandboxJob:
    """The sandbox's job for an order; raises ``JobError``."""
    program = order.program
    return SandboxJob(
        module=order.places[program.module.sha256],
        module_sha256=program.module.sha256,
        program=program.name,
        args=list(order.args),
        inputs=dict(order.inputs),
        output_dir=order.output_dir,
        seed=order.seed,
        limits=program.limits,
        profile=order.profile,
        cache_dir=order.cache_dir,
        checkpoint=order.checkpoint,
        checkpoint_dir=order.checkpoint_dir,
        resume=order.resume,
        work=order.work,
    )


def open_wasm(order: BoxOrder) -> SandboxProcess:
    """A sandbox for an order, not started yet; raises ``JobError``."""
    return SandboxProcess(wasm_job(order))
