"""``idlegrid-server host``: the volunteers' machines."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from idlegrid_server.domain.host import LIMIT_MAX
from idlegrid_server.domain.model import HostState
from idlegrid_server.explain import Names, explain_host
from idlegrid_server.project import Project, ProjectError, open_project
from idlegrid_server.store.command import SetHostHouse, SetHostLimit, SetHostState, Store
from idlegrid_server.store.sql.host import HOST_BY_ID, HOSTS_AFTER, HostRow
from idlegrid_server.store_access import opened_store
from idlegrid_server.web.public_id import PublicIds

from .group import folder_argument, json_option, print_json, print_table

PAGE = 500


class HostLine(msgspec.Struct, frozen=True):
    """A host as the list shows it."""

    id: str
    name: str
    state: str
    reason: str
    in_progress: int
    valid: int
    invalid: int
    error: int
    timed_out: int
    credit: float
    last_seen: str


@click.group()
def host() -> None:
    """The volunteers' machines."""


@host.command("list")
@folder_argument
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """Show every host, how well it computes and when it was last seen."""
    project = open_project(folder)
    ids = PublicIds(project.ids_key)
    lines = []
    with opened_store(project) as store:
        after = 0
        while True:
            with store.reading() as db:
                page = db.fetch_all(HOSTS_AFTER, after=after, limit=PAGE)
            lines += [_line(ids, row) for row in page]
            if len(page) < PAGE:
                break
            after = page[-1].id
    if as_json:
        print_json(lines)
        return
    print_table(
        ("ID", "NAME", "STATE", "NOW", "VALID", "INVALID", "ERRORS", "LATE", "CREDIT", "LAST SEEN"),
        (
            (
                line.id,
                line.name,
                line.state,
                line.in_progress,
                line.valid,
                line.invalid,
                line.error,
                line.timed_out,
                f"{line.credit:.2f}",
                line.last_seen,
            )
            for line in lines
        ),
        f"No host has joined yet. Its link: idlegrid-server join-link {folder}",
    )


@host.command()
@folder_argument
@click.argument("host_id", metavar="HOST")
@click.option("--reason", required=True, help="Its owner can read it.")
def ban(folder: Path, host_id: str, reason: str) -> None:
    """Give HOST (host_…) no more work and take no results of it."""
    _set_state(open_project(folder), host_id, banned=True, reason=reason)
    click.echo(f"{host_id} is banned.")


@host.command()
@folder_argument
@click.argument("host_id", metavar="HOST")
def unban(folder: Path, host_id: str) -> None:
    """Let a banned HOST work again; it has to prove itself anew."""
    _set_state(open_project(folder), host_id, banned=False, reason="unbanned")
    click.echo(f"{host_id} may work again.")


@host.command()
@folder_argument
@click.argument("host_id", metavar="HOST")
@json_option
def show(folder: Path, host_id: str, as_json: bool) -> None:
    """Tell why HOST stands where it stands: checks, trust, limits, its story."""
    project = open_project(folder)
    with _known(project, host_id) as (store, row), store.reading() as db:
        now = time.time_ns() // 1000
        names = Names(PublicIds(project.ids_key))
        told = explain_host(db, names, row, now, project.config.dispatch.distinct)
    if as_json:
        print_json(told)
        return
    click.echo(told.headline)
    for sentence in told.now:
        click.echo(f"  {sentence}")
    print_table(("", ""), ((name, value) for name, value in told.facts.items()), "")
    for step in told.steps:
        at = datetime.fromtimestamp(step.at / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        click.echo(f"{at}  {step.text}")


@host.command()
@folder_argument
@click.argument("host_id", metavar="HOST")
def release(folder: Path, host_id: str) -> None:
    """Let HOST, whose results shut it out, work again before its time; it is on probation."""
    with _known(open_project(folder), host_id) as (store, row):
        if row.state != "quarantined":
            raise ProjectError(f"{host_id} is {row.state}, not quarantined: nothing was changed")
        _step(store, row, "probation", "released")
    click.echo(f"{host_id} may work again.")


@host.command()
@folder_argument
@click.argument("host_id", metavar="HOST")
@click.option("--no", "leave", is_flag=True, help="It is a volunteer's again.")
def house(folder: Path, host_id: str, leave: bool) -> None:
    """Make HOST one of the project's own: believed from the start, it judges the first results."""
    with _known(open_project(folder), host_id) as (store, row):
        now = time.time_ns() // 1000
        done = store.execute(SetHostHouse(now=now, host_id=row.id, house=not leave, actor="cli"))
        if not done.changed:
            raise ProjectError(f"{host_id} is that already: nothing was changed")
    click.echo(f"{host_id} is {'no house host any more' if leave else 'a house host'}.")


@host.command()
@folder_argument
@click.argument("host_id", metavar="HOST")
@click.argument("tasks", type=click.IntRange(1, LIMIT_MAX))
def limit(folder: Path, host_id: str, tasks: int) -> None:
    """Let HOST hold TASKS tasks at a time from now on; its results go on to change that."""
    with _known(open_project(folder), host_id) as (store, row):
        now = time.time_ns() // 1000
        store.execute(SetHostLimit(now=now, host_id=row.id, tasks_max=tasks))
    click.echo(f"{host_id} may hold {tasks} tasks at a time.")


def _line(ids: PublicIds, row: HostRow) -> HostLine:
    return HostLine(
        id=ids.encode("host", row.id),
        name=row.name,
        state=row.state,
        reason=row.reason,
        in_progress=row.n_in_progress,
        valid=row.n_valid,
        invalid=row.n_invalid,
        error=row.n_error,
        timed_out=row.n_timed_out,
        credit=row.credit_micro / 1e6,
        last_seen=datetime.fromtimestamp(row.last_seen_at / 1e6, UTC).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        ),
    )


@contextmanager
def _known(project: Project, host_id: str) -> Iterator[tuple[Store, HostRow]]:
    """The store and a host in it; raises :class:`ProjectError` if there is none of that id."""
    try:
        number = PublicIds(project.ids_key).decode("host", host_id)
    except ValueError as error:
        raise ProjectError(f"{host_id!r} is no host's id; `host list` shows them") from error
    with opened_store(project) as store:
        with store.reading() as db:
            row = db.fetch_one(HOST_BY_ID, host_id=number)
        if row is None:
            raise ProjectError(f"there is no host {host_id}; `host list` shows them")
        yield store, row


def _step(store: Store, row: HostRow, state: HostState, reason: str) -> None:
    store.execute(
        SetHostState(
            now=time.time_ns() // 1000, host_id=row.id, state=state, reason=reason, actor="cli"
        )
    )


def _set_state(project: Project, host_id: str, *, banned: bool, reason: str) -> None:
    with _known(project, host_id) as (store, row):
        if banned == (row.state == "banned"):
            raise ProjectError(f"{host_id} is {row.state}: nothing was changed")
        _step(store, row, "banned" if banned else "probation", reason)
