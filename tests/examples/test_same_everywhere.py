"""The zoo's compiled programs give the same bytes and ops however they are run.

Other processors, and the Python programs, are the matter of `python -m benchmarks run
same-everywhere`, which takes long.
"""

import pytest

from examples.programs import zoo
from idlegrid.build import build_app
from idlegrid.local_unit import Step, step_order
from idlegrid.place import cache_folder
from idlegrid.way import CRANELIFT, PULLEY, UNOPTIMISED, run_way


@pytest.mark.parametrize("name", zoo.PROGRAMS)
def test_every_way_gives_the_same_bytes_and_ops(name: str, own_folders, tmp_path) -> None:
    program = zoo.PROGRAMS[name]
    app = program.app()
    built = build_app(app)
    step = Step(app.split.program, program.small, app.split.inputs, zoo.SEED, tmp_path / "out")
    order = step_order(app, built, step, cache_folder() / "modules")
    usual = run_way(order, CRANELIFT)
    assert usual.reason == "ok", usual.message
    assert usual.outputs
    for way in (UNOPTIMISED, PULLEY):
        other = run_way(order, way)
        assert other.reason == "ok", f"{way.name}: {other.message}"
        assert other.outputs == usual.outputs, f"other bytes on {way.name}"
        assert other.ops == usual.ops, f"other ops on {way.name}"
