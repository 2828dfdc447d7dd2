"""``idlegrid batch validate``: what another validator would change, and changing it."""

from functools import partial
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Column, Table

from idlegrid.fault import InputError
from idlegrid.grid import Grid
from idlegrid.reply import ValidationReply, ValidationReport
from idlegrid.validation import read_rule

from .connection import project_option
from .screen import Screen, json_option, pass_screen


@click.command("validate")
@click.argument("name")
@click.option(
    "--rule",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    help="A TOML file: what would stand in [programs.NAME.validator]; empty for byte by byte.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--yes", is_flag=True, help="Apply it without asking.")
@project_option
@json_option
@pass_screen
def validate(screen: Screen, name: str, grid: Grid, path: Path, dry_run: bool, yes: bool) -> None:
    """Look at the stored results of batch NAME (or id) by another validator.

    Says what would change, with examples. Without --dry-run it then asks whether to apply it: the
    units that the validator judges otherwise are decided again, and the batch gets another answer.
    """
    rule = read_rule(path)
    found = grid.batch(name)
    with screen.working("looking at the results"):
        tried = found.try_validator(rule)
    if dry_run:
        screen.result(tried, lambda: _show(screen, tried.report))
        return
    if not yes:
        if not screen.asks:
            raise InputError(
                "nobody can be asked here: give --dry-run to see what would change, or --yes to "
                "apply it"
            )
        _show(screen, tried.report)
        click.confirm(
            f"Decide the units of {found.name} again under this validator?", abort=True, err=True
        )
    with screen.working("looking at the results again"):
        done = found.apply_validator(tried.id)
    screen.result(
        _with_report(done, tried.report), lambda: _applied(screen, found.name, tried.report)
    )


def _with_report(done: ValidationReply, report: ValidationReport) -> ValidationReply:
    return ValidationReply(done.id, done.state, done.reason, report)


def _applied(screen: Screen, name: str, report: ValidationReport) -> None:
    units = "unit is" if report.changed == 1 else "units are"
    screen.out.print(
        f"Applied to {name}: {report.changed:,} {units} decided again; follow it with "
        f"`idlegrid batch watch {name}`",
        markup=False,
    )


def _show(screen: Screen, report: ValidationReport) -> None:
    say = partial(screen.out.print, markup=False)
    say(f"{report.units:,} units looked at, {report.undecided:,} of them not decided yet.")
    if not report.changed:
        say("Nothing would change.")
        return
    say(
        f"{report.changed:,} would change: {report.canonicals:,} canonical results and "
        f"{report.verdicts:,} verdicts."
    )
    for count, words in (
        (report.rescued, "failed and would be valid"),
        (report.lost, "are valid and would fail"),
        (report.opened, "would need more computing"),
    ):
        if count:
            say(f"  {count:,} {words}")
    table = Table(Column("unit", justify="right"), "now", "then", "results", "why")
    for example in report.examples:
        results = ", ".join(f"{n}: {before} → {after}" for n, before, after in example.results)
        note = escape(example.note)  # a volunteer's file is quoted in it
        table.add_row(str(example.unit), example.before, example.after, results, note)
    say(table)
