"""``idlegrid-server host``: the volunteers' machines."""

import time
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from idlegrid_server.project import Project, ProjectError, open_project
from idlegrid_server.store.command import SetHostState
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


def _set_state(project: Project, host_id: str, *, banned: bool, reason: str) -> None:
    try:
        number = PublicIds(project.ids_key).decode("host", host_id)
    except ValueError as error:
        raise ProjectError(f"{host_id!r} is no host's id; `host list` shows them") from error
    with opened_store(project) as store:
        with store.reading() as db:
            row = db.fetch_one(HOST_BY_ID, host_id=number)
        if row is None:
            raise ProjectError(f"there is no host {host_id}; `host list` shows them")
        if banned == (row.state == "banned"):
            raise ProjectError(f"{host_id} is {row.state}: nothing was changed")
        store.execute(
            SetHostState(
                now=time.time_ns() // 1000,
                host_id=number,
                state="banned" if banned else "probation",
                reason=reason,
                actor="cli",
            )
        )
