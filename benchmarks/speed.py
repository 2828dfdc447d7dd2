"""How much slower programs are in the sandbox than compiled for the machine itself."""

import statistics
import time

from examples.programs.zoo import PROGRAMS
from idlegrid.native import native_cpu_s
from idlegrid.way import CRANELIFT

from .figure import Figure, Measured, Options
from .zoo_run import Prepared

ROUNDS_MIN = 3


def measure(options: Options) -> Measured:
    """The median over programs of wasm with ops counted ÷ ``gcc -O3``, in processor time.

    Both take turns, so that both meet the same machine, and the best of each counts.
    """
    ratios: dict[str, float] = {}
    detail: dict[str, object] = {}
    for program in PROGRAMS.values():
        prepared = Prepared(program, plain=True)  # checkpoints have a figure of their own
        folder = prepared.native()
        prepared.run(program.small, CRANELIFT)  # the module is compiled and kept
        boxed, native = [], []
        until = time.monotonic() + options.seconds / len(PROGRAMS)
        while len(boxed) < ROUNDS_MIN or time.monotonic() < until:
            boxed.append(prepared.run(program.large, CRANELIFT).cpu_s)
            native.append(native_cpu_s(folder, program.large))
        ratios[program.name] = min(boxed) / min(native)
        detail[program.name] = {
            "ratio": round(ratios[program.name], 3),
            "sandbox_s": round(min(boxed), 3),
            "native_s": round(min(native), 3),
            "rounds": len(boxed),
        }
    return Measured(statistics.median(ratios.values()), detail)


FIGURES = (
    Figure(
        name="wasm-speed",
        what="processor time in the sandbox ÷ that of gcc -O3, median over the zoo",
        unit="×",
        bar=1.6,
        better="lower",
        measure=measure,
    ),
)
