"""Runs of the zoo's programs, in the sandbox and natively, for the figures that speak of them."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from examples.programs.zoo import SEED, Program
from idlegrid.build import build_app, build_plain
from idlegrid.local_unit import Step, step_order
from idlegrid.native import build_native
from idlegrid.python_runtime import runtime_places
from idlegrid.way import Way, run_way
from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.sandbox.job import Outcome

PLACE = Path("build/zoo")


class Prepared:
    """A program that is built, in the sandbox's form; ``plain``: without what checkpoints add."""

    def __init__(self, program: Program, *, plain: bool = False) -> None:
        self.program = program
        self.app = program.app()
        self.place = PLACE.absolute() / program.name
        self.built = build_app(self.app)
        if plain:
            self.place.mkdir(parents=True, exist_ok=True)
            module = build_plain(self.app, self.place / "plain.wasm")
            self.app = msgspec.structs.replace(self.app, checkpoint="none")
            self.built = {**self.built, self.app.split.program: module}
        # The interpreter of a Python program; compiled by the first run of each way.
        for built in self.built.values():
            if built.interpreter:
                runtime_places(built.interpreter)

    def order(self, args: Sequence[str]) -> BoxOrder:
        """What a box needs to run it with ``args``; its last outputs are removed."""
        split = self.app.split
        out = self.place / "out"
        shutil.rmtree(out, ignore_errors=True)
        step = Step(split.program, tuple(args), split.inputs, SEED, out)
        return step_order(self.app, self.built, step, PLACE.absolute() / "cache")

    def run(self, args: Sequence[str], way: Way) -> Outcome:
        """Run it; raises ``RuntimeError`` if it does not end well."""
        outcome = run_way(self.order(args), way)
        if outcome.reason != "ok":
            told = f"{outcome.message} {outcome.stderr}"
            raise RuntimeError(f"{self.program.name} on {way.name}: {outcome.reason}: {told}")
        return outcome

    def native(self) -> Path:
        """The folder of its native build."""
        folder = self.place / "native"
        shutil.rmtree(folder, ignore_errors=True)
        return build_native(self.app, folder)
