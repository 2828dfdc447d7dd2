"""``idlegrid batch``: submit, watch, steer and fetch."""

from pathlib import Path

import click
import msgspec
from rich.table import Column, Table

from idlegrid.appfile import read_app
from idlegrid.batch import Batch
from idlegrid.grid import Grid
from idlegrid.keys import key_path
from idlegrid.reply import BatchProgress
from idlegrid_shared.seeds import SEED_TEXT

from .app import build_with_spinner, publishing_key
from .connection import project_option
from .screen import Screen, json_option, pass_screen
from .watch import watch_batch

LIST_MAX = 50


@click.group()
def batch() -> None:
    """Submit batches, watch them, fetch their answers."""


@batch.command("submit")
@click.argument("folder", metavar="APP", type=click.Path(path_type=Path), default=".")
@project_option
@click.option("--table", type=click.Path(path_type=Path), help="Instead of [split] table.")
@click.option("--name", default="", help="To find it again  [default: the app's name]")
@click.option("--seed", default=SEED_TEXT, show_default=True, help="Another gives other chance.")
@click.option("--priority", type=int, default=0, show_default=True, help="Among your batches.")
@click.option("--on-failure", help='"stop", "skip", "skip 10" or "skip 5%".')
@click.option("--public", is_flag=True, help="Let everybody see its name and progress.")
@click.option("--no-canary", is_flag=True, help="All units at once, not a few before the others.")
@click.option("--hosts", help="own, house, or ids of hosts with commas: for these alone.")
@click.option("--each-host", is_flag=True, help="Each of --hosts gets each unit once.")
@click.option("--yes", is_flag=True, help="Publish the app's version without asking.")
@click.option("--watch", is_flag=True, help="Wait for the end and show the progress.")
@json_option
@pass_screen
def submit(
    screen: Screen,
    folder: Path,
    grid: Grid,
    table: Path | None,
    name: str,
    seed: str,
    priority: int,
    on_failure: str | None,
    public: bool,
    no_canary: bool,
    hosts: str | None,
    each_host: bool,
    yes: bool,
    watch: bool,
) -> None:
    """Submit the app in folder APP with its table.

    The version is built, signed and published first if the project has it not.
    """
    app = read_app(folder)
    build_with_spinner(screen, app)
    with screen.working("reading the table") as say:
        made = grid.submit(
            app,
            table,
            name=name,
            seed=seed,
            priority=priority,
            on_failure=on_failure,
            public=public,
            canary=not no_canary,
            hosts=[word.strip() for word in hosts.split(",")] if hosts else [],
            each_host=each_host,
            open_key_for=publishing_key(screen, grid, key_path(), yes=yes),
            on_step=say,
        )
    if watch:
        screen.say(f"Submitted {made.name} as {made.id}")
        _finish(screen, made)
        return
    screen.result(
        {"id": made.id, "name": made.name},
        f"Submitted {made.name} as {made.id}; follow it with `idlegrid batch watch {made.name}`",
    )


def _finish(screen: Screen, made: Batch) -> None:
    ended = watch_batch(screen, made)
    screen.result(
        ended,
        f"{ended.name} is {ended.state.replace('_', ' ')}; "
        f"fetch the answer with `idlegrid batch fetch {ended.name} --out DIR`",
    )


@batch.command("list")
@project_option
@click.option("--all", "everything", is_flag=True, help=f"Not only the newest {LIST_MAX}.")
@json_option
@pass_screen
def list_command(screen: Screen, grid: Grid, everything: bool) -> None:
    """List your batches, newest first."""
    found: list[BatchProgress] = []
    for progress in grid.batches():
        if len(found) >= LIST_MAX and not everything:
            break
        found.append(progress)
    screen.result({"batches": found}, lambda: _show_list(screen, found))


def _show_list(screen: Screen, batches: list[BatchProgress]) -> None:
    if not batches:
        screen.out.print("no batches yet; submit one with `idlegrid batch submit APP`")
        return
    table = Table("name", Column("id", no_wrap=True), "state", "app", "made (UTC)", "now")
    for progress in batches:
        app = f"{progress.app} {progress.version}"
        made = progress.created_at[:16].replace("T", " ")
        table.add_row(
            progress.name, progress.id, progress.state, app, made, progress.why or progress.reason
        )
    screen.out.print(table)


@batch.command("show")
@click.argument("name")
@project_option
@json_option
@pass_screen
def show(screen: Screen, name: str, grid: Grid) -> None:
    """Show where batch NAME (or id) stands, why, and when it will be done."""
    progress = grid.batch(name).progress()
    screen.result(progress, "\n".join(_lines(progress)))


def _lines(progress: BatchProgress) -> list[str]:
    lines = [f"{progress.name}  {progress.id}  {progress.state.replace('_', ' ')}"]
    if progress.why:
        lines.append(progress.why)
    for stage in progress.stages:
        ended = stage.assimilated + stage.failed + stage.cancelled
        failed = f", {stage.failed:,} failed" if stage.failed else ""
        lines.append(f"  {stage.kind}: {ended:,} of {stage.expected:,} ended{failed}")
    if progress.forecast is not None:
        lines.append(
            f"Done by {_minute(progress.forecast.p50_at)} as likely as not, and by "
            f"{_minute(progress.forecast.p90_at)} in nine cases of ten (UTC)."
        )
    return lines


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")


@batch.command("watch")
@click.argument("name")
@project_option
@json_option
@pass_screen
def watch(screen: Screen, name: str, grid: Grid) -> None:
    """Show the batch NAME (or id) until it ends."""
    _finish(screen, grid.batch(name))


@batch.command("fetch")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write it.")
@click.option("--revision", type=int, help="An earlier answer  [default: the newest]")
@project_option
@json_option
@pass_screen
def fetch(screen: Screen, name: str, out: Path, revision: int | None, grid: Grid) -> None:
    """Fetch the answer of batch NAME (or id) into a folder; every file is checked by its hash."""
    found = grid.batch(name)
    with screen.working("fetching") as say:
        answer = found.download(out, revision, lambda file, size: say(f"{file}  {size:,} bytes"))
    lines = [f"Revision {answer.revision} of {found.name} is in {out}:"]
    lines += [f"  {entry.name}  {entry.bytes:,} bytes" for entry in answer.manifest]
    data = {
        "id": found.id,
        "revision": answer.revision,
        "out": str(out),
        "files": answer.manifest,
        "detail": msgspec.Raw(answer.detail),
    }
    screen.result(data, "\n".join(lines))


@batch.command("failures")
@click.argument("name")
@project_option
@json_option
@pass_screen
def failures(screen: Screen, name: str, grid: Grid) -> None:
    """Show the failed units of batch NAME (or id), grouped by cause, with stderr."""
    groups = grid.batch(name).failures()
    lines = []
    for group in groups:
        lines.append(f"{group.count} × {group.headline}")
        example = f"for example unit {group.example}" if group.example else ""
        lines += [f"    {line}" for line in (example, *group.stderr.splitlines()) if line]
    screen.result({"failures": groups}, "\n".join(lines) or "no unit has failed")


def _steering(verb: str, help_text: str) -> None:
    @batch.command(verb, help=help_text)
    @click.argument("name")
    @project_option
    @json_option
    @pass_screen
    def steer(screen: Screen, name: str, grid: Grid) -> None:
        found = grid.batch(name)
        {"cancel": found.cancel, "pause": found.pause, "resume": found.resume}[verb]()
        state = found.progress().state
        screen.result(
            {"id": found.id, "name": found.name, "state": state}, f"{found.name} is {state} now"
        )


_steering("cancel", "End batch NAME (or id); its answers stay.")
_steering("pause", "Give out no more of batch NAME (or id) until it is resumed.")
_steering("resume", "Let the paused batch NAME (or id) go on.")
