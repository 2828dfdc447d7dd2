"""``idlegrid credit`` and ``statistics``: what was computed for the project, and by whom."""

import click
from rich.table import Column, Table

from idlegrid.grid import Grid
from idlegrid.reply import CreditState, Statistics

from .connection import project_option
from .screen import Screen, json_option, pass_screen

MICRO = 1_000_000


@click.command()
@project_option
@json_option
@pass_screen
def credit(screen: Screen, grid: Grid) -> None:
    """Show what your account and its hosts have been credited.

    With --json also the statement that the project signed.
    """
    found = grid.credit()
    screen.result(found, lambda: _show_credit(screen, found))


def _show_credit(screen: Screen, found: CreditState) -> None:
    screen.out.print(f"Credit   {_credits(found.credit_micro)}  for {found.results:,} results")
    if found.pending_micro:
        screen.out.print(f"Pending  {_credits(found.pending_micro)}")
    screen.out.print(f"Recently {_credits(found.recent_micro)}  a day")
    if found.hosts:
        table = Table("host", "name", "state", *_numbers("credit", "pending", "a day"))
        for host in found.hosts:
            sums = (host.credit_micro, host.pending_micro, host.recent_micro)
            table.add_row(host.id, host.name, host.state, *(_credits(micro) for micro in sums))
        screen.out.print(table)


@click.command()
@click.option("--of", default="account", show_default=True, help="`account`, `project` or a host.")
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True)
@project_option
@json_option
@pass_screen
def statistics(screen: Screen, grid: Grid, of: str, days: int) -> None:
    """Show results, operations and credit by day and app."""
    found = grid.statistics(of, days)
    screen.result(found, lambda: _show_days(screen, found))


def _show_days(screen: Screen, found: Statistics) -> None:
    if not found.days:
        screen.out.print("nothing was credited in these days")
        return
    table = Table("day", "app", *_numbers("results", "ops", "credit"))
    for day in found.days:
        credits_ = _credits(day.credit_micro)
        table.add_row(day.day, day.app, f"{day.results:,}", f"{day.ops:,}", credits_)
    screen.out.print(table)


def _numbers(*names: str) -> list[Column]:
    return [Column(name, justify="right") for name in names]


def _credits(micro: int) -> str:
    return f"{micro / MICRO:,.2f}"
