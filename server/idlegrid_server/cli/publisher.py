"""``idlegrid-server publisher`` and ``delegations``: who may publish programs."""

import time
from pathlib import Path

import click
import msgspec

from idlegrid_server.project import Project, open_project
from idlegrid_server.store.command import SetSetting
from idlegrid_server.store_access import opened_store
from idlegrid_server.trust import (
    TrustError,
    allow_publisher,
    load_root,
    read_delegations,
    read_signed,
    root_needs_passphrase,
)
from idlegrid_shared.documents import Delegations, Publisher
from idlegrid_shared.keyfile import write_private
from idlegrid_shared.signing import Signed, public_hex

from .group import cli, folder_argument, json_option, print_json, print_table


@click.group()
def publisher() -> None:
    """Who may publish programs for volunteers' machines."""


@publisher.command()
@folder_argument
@click.argument("key", metavar="PUBKEY")
@click.option("--app", "apps", multiple=True, required=True, help="App name or pattern; repeat.")
@click.option("--name", default="", help="Whose key it is.")
def allow(folder: Path, key: str, apps: tuple[str, ...], name: str) -> None:
    """Let the publisher key PUBKEY (hex) sign releases of the named apps, and no others."""
    project = open_project(folder)
    passphrase = None
    if root_needs_passphrase(project.layout):
        passphrase = str(click.prompt("Passphrase of the root key", hide_input=True, err=True))
    root = load_root(project.layout, passphrase)
    current = _current(project)
    now = time.time_ns() // 1000
    signed = allow_publisher(
        current, Publisher(key=key, name=name or key[:16], apps=apps), root, now
    )
    _install(project, signed, now)
    click.echo(
        f"{name or key[:16]} may publish {', '.join(apps)} (delegations {current.serial + 1})."
    )


@publisher.command("list")
@folder_argument
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """Show who may publish what."""
    current = _current(open_project(folder))
    if as_json:
        print_json(current.publishers)
        return
    print_table(
        ("NAME", "APPS", "KEY"),
        ((p.name, ", ".join(p.apps), p.key) for p in current.publishers),
        "Nobody may publish yet: `idlegrid-server publisher allow DIR PUBKEY --app NAME`.",
    )


@cli.command()
@folder_argument
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def delegations(folder: Path, file: Path) -> None:
    """Install delegations that were signed where the root key is kept."""
    project = open_project(folder)
    signed = read_signed(file)
    new = read_delegations(signed, project.root_public, public_hex(project.online_key))
    if project.layout.delegations.exists() and new.serial <= (serial := _current(project).serial):
        raise TrustError(
            f"these delegations have serial {new.serial}, the project has {serial} already: "
            "sign newer ones"
        )
    _install(project, signed, time.time_ns() // 1000)
    click.echo(f"Installed delegations {new.serial}: {len(new.publishers)} may publish.")


def _current(project: Project) -> Delegations:
    return read_delegations(
        project.delegations(), project.root_public, public_hex(project.online_key)
    )


def _install(project: Project, signed: Signed, now: int) -> None:
    """The database first: it is what a running server hands out."""
    data = msgspec.json.encode(signed)
    with opened_store(project) as store:
        store.execute(SetSetting(now=now, name="delegations", value=data.decode()))
    write_private(project.layout.delegations, data, replace=True)
