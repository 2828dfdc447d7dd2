"""``idlegrid app test``: the same everywhere? And what does a unit need?"""

from pathlib import Path

import click
from rich.table import Table

from idlegrid.appfile import read_app
from idlegrid.safepoint import GAP_S_MAX
from idlegrid.trial import CheckpointCost, NativeSpeed, Trial, try_app
from idlegrid.verdict import WayRun

from .screen import Screen, json_option, pass_screen

MIB = 2**20
UNCOUNTED = "not counted outside the sandbox"


@click.command("test")
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option("--units", type=int, default=1, show_default=True, help="How many, from the first.")
@click.option("--table", type=click.Path(path_type=Path), help="Instead of [split] table.")
@json_option
@pass_screen
def test_app(screen: Screen, folder: Path, units: int, table: Path | None) -> None:
    """Run the first units of the app in FOLDER in every way, twice, and compare.

    Ends with 1 if two runs differ in a byte or an op, or a unit fails.
    """
    app = read_app(folder)
    with screen.working("building") as say:
        trial = try_app(app, units=units, table=table, say=say)
    screen.result(trial, lambda: _show(screen, trial))
    if trial.faults:
        click.get_current_context().exit(1)


def _show(screen: Screen, trial: Trial) -> None:
    runs = Table(box=None, pad_edge=False)
    for heading in ("unit", "on", "ended", "ops", "seconds", "memory", "output"):
        runs.add_column(heading, justify="left" if heading in ("on", "ended") else "right")
    for run in trial.runs:
        runs.add_row(*_cells(run))
    screen.out.print(runs)
    screen.out.print()
    facts = Table(box=None, pad_edge=False, show_header=False)
    for name, text in _facts(trial):
        facts.add_row(name, text)
    screen.out.print(facts)
    screen.out.print()
    for fault in trial.faults:
        screen.out.print(f"Not well: {fault}", markup=False)
    if trial.faults:
        stderr = next((run.stderr for run in trial.runs if run.stderr), "")
        if stderr:
            screen.out.print(stderr, markup=False)
    elif trial.needs.ops:
        screen.out.print("Well: every run gave the same bytes and the same ops.")
    else:
        screen.out.print("Well: every run gave the same bytes here; other processors may differ.")


def _cells(run: WayRun) -> tuple[str, ...]:
    return (
        str(run.unit),
        run.way,
        run.reason,
        f"{run.ops:,}",
        f"{run.cpu_s:.2f}",
        f"{run.peak_memory_bytes / MIB:.1f} MiB",
        f"{run.output_bytes:,} B",
    )


def _facts(trial: Trial) -> list[tuple[str, str]]:
    needs, limits = trial.needs, trial.limits
    ops = (
        f"at most {needs.ops:,}; max_ops is {limits.max_ops:,}, and "
        f"{needs.suggested_max_ops:,} would do"
    )
    memory = (
        f"at most {needs.memory_bytes:,} bytes; memory_bytes is {limits.memory_bytes:,}, and "
        f"{needs.suggested_memory_bytes:,} would do"
    )
    return [
        ("ops", ops if needs.ops else UNCOUNTED),
        ("memory", memory if needs.memory_bytes else UNCOUNTED),
        ("output", f"at most {needs.output_bytes:,} bytes of {limits.output_bytes:,}"),
        ("time", f"at most {needs.cpu_s:.2f} s of {limits.time_s:g}"),
        ("speed", _speed(trial.native)),
        ("checkpoints", _checkpoints(trial.checkpoint)),
    ]


def _speed(native: NativeSpeed) -> str:
    if native.why_not:
        return f"not compared with a native build: {native.why_not}"
    return f"{native.ratio:.2f} times as long as outside the sandbox ({native.cpu_s:.2f} s)"


def _checkpoints(cost: CheckpointCost) -> str:
    text = f'"{cost.mode}"; longest way between two host calls {cost.gap_s:.2f} s'
    if cost.mode == "auto":
        text += f" of {GAP_S_MAX:g} s; they make it {cost.ratio:.2f} times as long"
    return text
