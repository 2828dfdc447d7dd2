"""The same bytes and the same ops, whatever runs the program.

The first run takes long: each way compiles the interpreters of the Python programs for itself, and
the emulated processor does so slowly. What it compiled is kept in ``build``.
"""

import sys
from collections.abc import Iterator
from importlib.metadata import version

import msgspec

from examples.programs.zoo import PROGRAMS, PYTHON_PROGRAMS
from idlegrid.way import CRANELIFT, PULLEY, UNOPTIMISED, Way
from idlegrid_shared.sandbox.job import Outcome

from . import aarch64
from .figure import Figure, Measured, Options
from .zoo_run import Prepared


def _told(outcome: Outcome) -> str:
    outputs = " ".join(f"{entry.name}={entry.sha256[:12]}" for entry in outcome.outputs)
    return f"ops={outcome.ops} {outputs}"


def _ways() -> tuple[tuple[Way, ...], tuple[Way, ...]]:
    """Those of the compiled programs, and those of the Python ones."""
    emulated = Way(
        "Cranelift on aarch64",
        command=aarch64.worker_command(),
        cache=str(aarch64.cache_folder()),
    )
    # Emulated, an interpreter takes half an hour to compile with optimisation.
    plain = msgspec.structs.replace(
        emulated, name="Cranelift on aarch64, not optimised", opt_level="none"
    )
    usual = (CRANELIFT, UNOPTIMISED, PULLEY)
    return (*usual, emulated), (*usual, plain)


def _runs() -> Iterator[tuple[Prepared, Way]]:
    compiled, interpreted = _ways()
    for programs, ways in ((PROGRAMS, compiled), (PYTHON_PROGRAMS, interpreted)):
        for program in programs.values():
            prepared = Prepared(program)
            for way in ways:
                yield prepared, way


def measure(options: Options) -> Measured:
    """How many runs differ from the usual one, over programs and ways."""
    del options  # counted, not timed
    differences: list[str] = []
    programs: dict[str, str] = {}
    ways: dict[str, int] = {}
    for prepared, way in _runs():
        program = prepared.program
        print(f"{program.name} on {way.name}", file=sys.stderr, flush=True)
        told = _told(prepared.run(program.small, way))
        usual = programs.setdefault(program.name, told)
        if told != usual:
            differences.append(f"{program.name} on {way.name}: {told}, not {usual}")
            print(differences[-1], file=sys.stderr, flush=True)
        ways[way.name] = ways.get(way.name, 0) + 1
    detail: dict[str, object] = {
        "wasmtime": version("wasmtime"),
        "runs": sum(ways.values()),
        "ways": ways,
        "differences": differences,
        "programs": programs,
    }
    return Measured(len(differences), detail)


FIGURES = (
    Figure(
        name="same-everywhere",
        what="runs of real programs whose bytes or ops differ, over engines and processors",
        unit="differences",
        bar=0,
        better="equal",
        measure=measure,
    ),
)
