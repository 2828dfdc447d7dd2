"""Scientists' programs that the server runs itself: in the sandbox, under a job's lease."""

from collections.abc import Callable, Mapping
from pathlib import Path

from idlegrid_server.scheduler.stage_facts import read_runtime
from idlegrid_shared.box.open import open_box
from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.documents import BOXED_IN_WASM, Program, Release
from idlegrid_shared.sandbox.job import Outcome

from .lease import Interrupted, Lease
from .tools import Tools

POLL_S = 0.2


class UnrunnableError(Exception):
    """A program that the server does not run; the message says which and why."""


def make_order(
    tools: Tools,
    release: Release,
    program: Program,
    folder: Path,
    *,
    inputs: Mapping[str, Path],
    seed: bytes,
    args: tuple[str, ...] = (),
) -> BoxOrder:
    """What to run and with which files; outputs go to ``folder``/out.

    Raises :class:`UnrunnableError`, and ``MissingFile`` if a file of the program is gone.
    """
    if release.runtime_of(program) not in BOXED_IN_WASM:
        # A scientist's native code never runs on the server, whatever the database says.
        raise UnrunnableError(
            f"program {program.name} is {release.runtime_of(program)}: only wasm and python "
            "programs run on the server"
        )
    copies = folder / "copies"
    copies.mkdir(exist_ok=True)
    interpreter = _interpreter(tools, release, program)
    needs = program.needs() | (interpreter.needs() if interpreter is not None else {})
    return BoxOrder(
        program=program,
        places={sha256: str(tools.place_file(bytes.fromhex(sha256), copies)) for sha256 in needs},
        interpreter=interpreter,
        args=args,
        inputs={name: str(path) for name, path in inputs.items()},
        output_dir=str(folder / "out"),
        seed=seed,
        profile=release.profile,
        runtime=release.runtime_of(program),
        platform=release.platform,
        cache_dir=str(tools.work / "modules"),
    )


def _interpreter(tools: Tools, release: Release, program: Program) -> Program | None:
    """What runs a Python program; None for others."""
    if release.runtime_of(program) != "python":
        return None
    try:
        with tools.store.reading() as db:
            return read_runtime(db, release.runtime_release)[1].programs[0]
    except LookupError as error:
        raise UnrunnableError(f"program {program.name} cannot be run: {error}") from error


def run_box(order: BoxOrder, lease: Lease, stopping: Callable[[], bool]) -> Outcome:
    """Run it to its end. Raises ``LeaseLost`` and, if the server is to stop, ``Interrupted``."""
    with open_box(order) as process:
        process.launch()
        while (outcome := process.wait(POLL_S)) is None:
            if stopping():
                process.kill("the server was told to stop")
                lease.give_back()
                raise Interrupted(order.program.name)
            lease.keep()
    return outcome
