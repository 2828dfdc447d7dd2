"""Ways to run one and the same program, which must not differ in a byte or an op."""

from collections.abc import Callable, Sequence

import msgspec

from idlegrid_shared.box.open import open_box
from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.sandbox.job import Executor, GapTrial, JobError, Outcome, SandboxJob
from idlegrid_shared.sandbox.limits import TIME_S_MAX
from idlegrid_shared.sandbox.profile import OptLevel
from idlegrid_shared.sandbox.run import SandboxProcess

from .fault import InputError

POLL_S = 0.5
#: How many times its limit of processor time a program may take where it is slow.
TIME_FACTOR = 60.0


class Way(msgspec.Struct, frozen=True):
    """An engine with its settings."""

    name: str
    executor: Executor = "native"
    #: None: that of the app's profile.
    opt_level: OptLevel | None = None
    #: Starts the worker; None: this installation's.
    command: Sequence[str] | None = None
    #: Folder for compiled modules; None: that of the order.
    cache: str | None = None


#: As on every host.
CRANELIFT = Way("Cranelift")
UNOPTIMISED = Way("Cranelift, not optimised", opt_level="none")
PULLEY = Way("Pulley", executor="pulley")
#: The only way of programs outside the sandbox.
AS_ON_A_HOST = Way("as on a host")


def run_way(
    order: BoxOrder,
    way: Way,
    *,
    measure_gaps: bool = False,
    gap_trial: GapTrial | None = None,
    on_fraction: Callable[[float], None] | None = None,
) -> Outcome:
    """Run ``order`` in one way; ``on_fraction`` hears now and then how much is done, as it says.

    Raises :class:`InputError` for an order that cannot be run, or not in this way.
    """
    try:
        box = open_box(order)
    except JobError as error:
        raise InputError(f"program {order.program.name}: {error}") from error
    if isinstance(box, SandboxProcess):
        job = msgspec.structs.replace(
            _job(box.job, way), measure_gaps=measure_gaps, gap_trial=gap_trial
        )
        box = SandboxProcess(job, command=way.command)
    elif way != AS_ON_A_HOST:
        raise InputError(
            f"program {order.program.name} is {order.runtime}: only programs in the sandbox can be "
            f"run on {way.name}"
        )
    with box as process:
        process.launch()
        while (outcome := process.wait(POLL_S)) is None:
            if on_fraction is not None:
                on_fraction(process.progress.fraction)
        return outcome


def _job(job: SandboxJob, way: Way) -> SandboxJob:
    profile = job.profile
    if way.opt_level is not None:
        profile = msgspec.structs.replace(profile, opt_level=way.opt_level)
    slow = way.executor != "native" or way.command is not None
    time_s = min(TIME_S_MAX, job.limits.time_s * (TIME_FACTOR if slow else 1))
    return msgspec.structs.replace(
        job,
        executor=way.executor,
        profile=profile,
        limits=msgspec.structs.replace(job.limits, time_s=time_s),
        cache_dir=way.cache or job.cache_dir,
    )
