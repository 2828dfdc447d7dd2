"""``idlegrid run-local``: the whole batch here, without a server."""

import time
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from idlegrid.app import App
from idlegrid.appfile import read_app
from idlegrid.local import LocalAnswer, Watcher, run_local
from idlegrid_shared.seeds import SEED_TEXT

from .screen import Screen, json_option, pass_screen

SKIPPED_SHOWN_MAX = 10


class _Bar(Watcher):
    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.task = progress.add_task("reading", total=None)
        self.failed = 0

    def step(self, text: str) -> None:
        self.progress.update(self.task, description=text)

    def planned(self, units: int) -> None:
        self.progress.update(self.task, description="computing", total=units, completed=0)

    def unit_done(self, failed: bool) -> None:
        self.failed += failed
        words = f"computing, {self.failed} failed" if self.failed else "computing"
        self.progress.update(self.task, advance=1, description=words)


@click.command("run-local")
@click.argument("folder", metavar="APP", type=click.Path(path_type=Path), default=".")
@click.option("--table", type=click.Path(path_type=Path), help="Instead of [split] table.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for the answer  [default: NAME-answer]"
)
@click.option("--jobs", type=int, help="How many units at a time  [default: one a processor]")
@click.option("--seed", default=SEED_TEXT, show_default=True, help="As in `batch submit`.")
@json_option
@pass_screen
def run_local_command(
    screen: Screen, folder: Path, table: Path | None, out: Path | None, jobs: int | None, seed: str
) -> None:
    """Run the batch of the app in folder APP on this machine.

    The answer is, byte for byte, the one that the grid would give.
    """
    app = read_app(folder)
    place = out or Path(f"{app.name}-answer")
    began_s = time.monotonic()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=screen.err,
        disable=screen.json,
        transient=True,
    )
    with bar:
        answer = run_local(app, place, table=table, jobs=jobs, seed=seed, watcher=_Bar(bar))
    elapsed_s = time.monotonic() - began_s
    screen.result(_data(answer, elapsed_s), lambda: _show(screen, app, answer, elapsed_s))


def _data(answer: LocalAnswer, elapsed_s: float) -> dict[str, object]:
    return {
        "out": str(answer.out),
        "units": answer.units,
        "skipped": answer.skipped,
        "files": answer.manifest,
        "usage": answer.usage,
        "notes": answer.notes,
        "elapsed_s": round(elapsed_s, 3),
    }


def _show(screen: Screen, app: App, answer: LocalAnswer, elapsed_s: float) -> None:
    lines = [f"{answer.units} units in {elapsed_s:.1f} s; the answer is in {answer.out}:"]
    lines += [f"  {entry.name}  {entry.bytes:,} bytes" for entry in answer.manifest]
    for name, usage in answer.usage.items():
        limits = app.programs[name].limits
        lines.append(
            f"{name}: at most {usage.ops_max:.3g} of {limits.max_ops:.3g} ops, "
            f"{usage.memory_bytes_max / 2**20:.1f} of {limits.memory_bytes / 2**20:.0f} MiB, "
            f"{usage.cpu_s_max:.2f} of {limits.time_s:g} s, "
            f"{usage.output_bytes_max:,} of {limits.output_bytes:,} bytes of output"
        )
    if answer.skipped:
        lines.append(f"{len(answer.skipped)} units failed and were skipped:")
        lines += [
            f"  unit {unit.index} ({' '.join(unit.args)}): {unit.message}"
            for unit in answer.skipped[:SKIPPED_SHOWN_MAX]
        ]
    lines += [f"Note: {note}" for note in answer.notes]
    screen.out.print("\n".join(lines), markup=False)
