"""``idlegrid-server share``: what accounts, apps and batches may have of the grid."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from idlegrid_server.creation import check_email
from idlegrid_server.project import ProjectError, open_project
from idlegrid_server.store.command import SetAppCap, SetShare, SetUrgency
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.query import Query
from idlegrid_server.store.sql.account import ACCOUNT_BY_EMAIL
from idlegrid_server.store.sql.share import APP_CAPS_AFTER, SHARE_OF_ACCOUNT, SHARES_AFTER
from idlegrid_server.store_access import opened_store
from idlegrid_server.web.public_id import PublicIds

from .group import folder_argument, json_option, print_json, print_table

PAGE = 500
URGENCY_MAX = 1_000
R = TypeVar("R")


class ShareLine(msgspec.Struct, frozen=True):
    """An account or an app as the list shows it. ``out`` is counted only under a cap."""

    kind: str
    name: str
    weight: float | None
    tasks_max: int | None
    out: int | None


@click.group()
def share() -> None:
    """What scientists, apps and batches may have of the grid."""


@share.command("list")
@folder_argument
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """Show the weights and caps that were set; all others have weight 1 and no cap."""
    with opened_store(open_project(folder)) as store, store.reading() as db:
        accounts = _pages(db, SHARES_AFTER, lambda row: row.account_id)
        apps = _pages(db, APP_CAPS_AFTER, lambda row: row.app_id)
    lines = [
        ShareLine(
            "account", a.email, a.weight, a.tasks_max, None if a.tasks_max is None else a.busy
        )
        for a in accounts
    ]
    lines += [ShareLine("app", a.app, None, a.tasks_max, a.busy) for a in apps]
    if as_json:
        print_json(lines)
        return
    print_table(
        ("KIND", "NAME", "WEIGHT", "MAX OUT", "OUT"),
        (tuple(_cell(v) for v in (x.kind, x.name, x.weight, x.tasks_max, x.out)) for x in lines),
        "No weight and no cap was set: all scientists share the grid equally.",
    )


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else value


def _pages(db: Connection, query: Query[R], key: Callable[[R], int]) -> list[R]:
    rows: list[R] = []
    while True:
        page = db.fetch_all(query, after=key(rows[-1]) if rows else 0, limit=PAGE)
        rows += page
        if len(page) < PAGE:
            return rows


@share.command()
@folder_argument
@click.argument("email")
@click.option(
    "--weight", type=click.FloatRange(0.001, 1000), help="Twice the weight, twice the work."
)
@click.option("--tasks-max", type=click.IntRange(0), help="Tasks of theirs out at a time.")
@click.option("--no-cap", is_flag=True, help="Any number of tasks.")
def account(
    folder: Path, email: str, weight: float | None, tasks_max: int | None, no_cap: bool
) -> None:
    """Set what the scientist EMAIL may have; what is not named stays as it is."""
    if weight is None and tasks_max is None and not no_cap:
        raise ProjectError("name --weight, --tasks-max or --no-cap: what shall change?")
    if no_cap and tasks_max is not None:
        raise ProjectError("--tasks-max and --no-cap contradict each other")
    address = check_email(email)
    with opened_store(open_project(folder)) as store:
        with store.reading() as db:
            row = db.fetch_one(ACCOUNT_BY_EMAIL, email=address)
            if row is None:
                raise ProjectError(f"there is no account {address}")
            now = db.fetch_one(SHARE_OF_ACCOUNT, account_id=row.id)
        cap = now.tasks_max if now is not None else None
        made = SetShare(
            now=time.time_ns() // 1000,
            account_id=row.id,
            weight=weight or (now.weight if now is not None else 1.0),
            tasks_max=None if no_cap else cap if tasks_max is None else tasks_max,
            actor="cli",
        )
        store.execute(made)
    click.echo(f"{address}: weight {made.weight:g}, {_cap(made.tasks_max)}.")


@share.command()
@folder_argument
@click.argument("name", metavar="APP")
@click.option("--tasks-max", type=click.IntRange(0), help="Tasks of it out at a time.")
@click.option("--no-cap", is_flag=True, help="Any number of tasks.")
def app(folder: Path, name: str, tasks_max: int | None, no_cap: bool) -> None:
    """Set how many tasks of APP may be out at a time."""
    if no_cap == (tasks_max is not None):
        raise ProjectError("name either --tasks-max or --no-cap")
    _do(folder, SetAppCap(now=_now(), app=name, tasks_max=tasks_max, actor="cli"))
    click.echo(f"{name}: {_cap(tasks_max)}.")


@share.command()
@folder_argument
@click.argument("batch", metavar="BATCH")
@click.argument("level", metavar="LEVEL", type=click.IntRange(0, URGENCY_MAX))
def urgent(folder: Path, batch: str, level: int) -> None:
    """Let BATCH (batch_…) go before all of a lower LEVEL, whoever's they are; 0 ends that."""
    try:
        number = PublicIds(open_project(folder).ids_key).decode("batch", batch)
    except ValueError as error:
        raise ProjectError(f"{batch!r} is no batch's id") from error
    _do(folder, SetUrgency(now=_now(), batch_id=number, urgency=level, actor="cli"))
    click.echo(f"{batch} has urgency {level}.")


def _do(folder: Path, command: Any) -> None:
    with opened_store(open_project(folder)) as store:
        store.execute(command)


def _now() -> int:
    return time.time_ns() // 1000


def _cap(tasks_max: int | None) -> str:
    return "no cap" if tasks_max is None else f"at most {tasks_max} tasks out"
