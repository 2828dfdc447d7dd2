"""``idlegrid-server init``: a new project."""

import shlex
import time
from pathlib import Path

import click
import msgspec

from idlegrid_server.config import Config, parse_config
from idlegrid_server.config_text import toml_text
from idlegrid_server.creation import Created, Wanted, create_project
from idlegrid_shared.signing import public_hex

from .group import folder_argument

LAB_LOW_WATER_BYTES = 64 * 1024 * 1024
PATH = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@folder_argument
@click.option("--name", help="The project's name, as volunteers read it.")
@click.option("--url", help="The address that the world will use, such as https://spin.example.")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port to listen on.")
@click.option("--bind", help="IP address to listen on.")
@click.option("--database", help="postgresql://… instead of the embedded database.")
@click.option("--admin-email", default="admin@localhost", help="Of the first admin account.")
@click.option("--lab", is_flag=True, help="For one machine or a class-room: see below.")
@click.option("--root-passphrase-file", type=PATH, help="Seals the root key; else you are asked.")
@click.option("--root-pub", type=PATH, help="Public half of a root key that is kept elsewhere.")
@click.option("--online-key", type=PATH, help="An online key that root has delegated already.")
@click.option("--delegations", type=PATH, help="What root signed for that online key.")
def init(
    folder: Path,
    name: str | None,
    url: str | None,
    port: int | None,
    bind: str | None,
    database: str | None,
    admin_email: str,
    lab: bool,
    root_passphrase_file: Path | None,
    root_pub: Path | None,
    online_key: Path | None,
    delegations: Path | None,
) -> None:
    """Make a project in DIR, a new or empty folder.

    Makes settings, keys, database and one admin account, and prints one link that signs the admin
    in. With --lab the machines of one person may confirm each other's results, and the root key
    lies with its passphrase beside the server: never do that where strangers join.
    """
    config = _config(lab, name=name, url=url, port=port, bind=bind, database=database)
    passphrase = None
    if not lab and root_pub is None:
        passphrase = _passphrase(root_passphrase_file)
    created = create_project(
        folder,
        Wanted(
            config=config,
            admin_email=admin_email,
            lab=lab,
            root_passphrase=passphrase,
            root_public=root_pub,
            online_key=online_key,
            delegations=delegations,
        ),
        lambda: time.time_ns() // 1000,
    )
    _tell(folder, created, lab=lab)


def _config(
    lab: bool,
    *,
    name: str | None,
    url: str | None,
    port: int | None,
    bind: str | None,
    database: str | None,
) -> Config:
    config = Config()
    replace = msgspec.structs.replace
    project = {k: v for k, v in {"name": name, "url": url}.items() if v is not None}
    web = {k: v for k, v in {"port": port, "bind": bind}.items() if v is not None}
    config = replace(
        config, project=replace(config.project, **project), web=replace(config.web, **web)
    )
    if database is not None:
        config = replace(config, database=replace(config.database, url=database))
    if lab:
        config = replace(
            config,
            dispatch=replace(
                config.dispatch,
                distinct=("host",),
                next_contact_min_s=1.0,
                next_contact_idle_s=2.0,
            ),
            limits=replace(config.limits, disk_low_water_bytes=LAB_LOW_WATER_BYTES),
        )
    return parse_config(toml_text(config))  # the same checks as for a file


def _passphrase(file: Path | None) -> str:
    if file is not None:
        return file.read_text("utf-8").strip()
    click.echo(
        "The root key speaks for the project. It is sealed with a passphrase that you will need\n"
        "when a new publisher is to be allowed. (--root-pub keeps the key off this machine.)"
    )
    return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=True))


def _tell(folder: Path, created: Created, *, lab: bool) -> None:
    project = created.project
    place = shlex.quote(str(folder))
    click.echo(f"Made the project “{project.config.project.name}” in {folder}.")
    click.echo(f"Root key fingerprint: {project.fingerprint}")
    if lab:
        click.echo(
            "This is a lab: the root key and its passphrase lie beside the server, and one person's"
            "\nmachines may confirm each other. Do not let strangers join it."
        )
    if not created.signed:
        click.echo(
            "Root has not signed yet. Sign delegations for the online key\n"
            f"  {public_hex(project.online_key)}\n"
            f"where the root key is kept, then: idlegrid-server delegations {place} FILE"
        )
    click.echo(f"Start it:  idlegrid-server serve {place}")
    click.echo("Then sign in as admin, once, within 7 days:")
    click.echo(created.link)
