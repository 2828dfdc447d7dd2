"""``idlegrid keys``: make keys, show their public half, sign delegations offline."""

import time
from pathlib import Path

import click
import msgspec

from idlegrid.fault import InputError
from idlegrid.keys import delegate, key_path, make_key, public_key, read_delegations
from idlegrid_shared.documents import Delegations, Publisher
from idlegrid_shared.keyfile import KeyFileError, write_private
from idlegrid_shared.signing import fingerprint

from .passphrase import new_passphrase, unlock
from .screen import Screen, json_option, pass_screen

FILE = click.Path(path_type=Path, dir_okay=False)

root_option = click.option("--root", is_flag=True, help="A project's root key, not a publisher's.")
file_option = click.option("--file", "path", type=FILE, help="Another place for the key.")


@click.group()
def keys() -> None:
    """Make and use signing keys."""


@keys.command("init")
@root_option
@file_option
@click.option("--no-passphrase", is_flag=True, help="Leave the key open to whoever has the file.")
@json_option
@pass_screen
def init(screen: Screen, root: bool, path: Path | None, no_passphrase: bool) -> None:
    """Make a key. An existing one is never replaced."""
    place = path or key_path(root=root)
    if place.exists():
        raise InputError(f"{place} exists already; `idlegrid keys show` shows its public half")
    public = make_key(place, new_passphrase(none=no_passphrase))
    data = {"public": public, "fingerprint": fingerprint(public), "path": str(place)}
    after = (
        "Keep this file and its passphrase offline: who has both speaks for the project.\n"
        f"Public half, for `idlegrid-server init --root-pub FILE`: {public}"
        if root
        else f"Public half, for the project's admin: {public}"
    )
    screen.result(data, f"Made the key {place}\n{after}")


@keys.command("show")
@root_option
@file_option
@click.option("--public", is_flag=True, help="The public half alone, for scripts.")
@json_option
@pass_screen
def show(screen: Screen, root: bool, path: Path | None, public: bool) -> None:
    """Show a key's public half and fingerprint."""
    place = path or key_path(root=root)
    key = public_key(place)
    data = {"public": key, "fingerprint": fingerprint(key), "path": str(place)}
    screen.result(
        data,
        key if public else f"public       {key}\nfingerprint  {fingerprint(key)}\nfile  {place}",
    )


@keys.command("delegate")
@file_option
@click.option("--from", "before", type=FILE, help="The project's delegations so far.")
@click.option("--out", type=FILE, required=True, help="Where to write the new ones.")
@click.option("--project", help="The project's name; needed for the first ones.")
@click.option("--online", multiple=True, help="A server's online key, in place of earlier ones.")
@click.option("--publisher", help="The public key of a scientist.")
@click.option("--name", default="", help="The scientist's name.")
@click.option("--app", "apps", multiple=True, help="A name, or pattern, that they may publish.")
@json_option
@pass_screen
def delegate_command(
    screen: Screen,
    path: Path | None,
    before: Path | None,
    out: Path,
    project: str | None,
    online: tuple[str, ...],
    publisher: str | None,
    name: str,
    apps: tuple[str, ...],
) -> None:
    """Sign with the root key who may publish which apps, and which online key is the server's."""
    if publisher is None and (apps or name):
        raise InputError("--app and --name say something of a publisher: name one by --publisher")
    allowed = None if publisher is None else Publisher(publisher, name, apps)
    earlier = None if before is None else read_delegations(before)
    signed = delegate(
        unlock(path or key_path(root=True)),
        issued_at=time.time_ns() // 1_000,
        before=earlier,
        project=project,
        online=online,
        publisher=allowed,
    )
    try:
        write_private(out, msgspec.json.encode(signed) + b"\n", replace=out == before)
    except KeyFileError as error:
        raise InputError(str(error)) from error
    document = msgspec.json.decode(signed.body, type=Delegations)
    lines = [f"Wrote {out}: delegations {document.serial} of {document.project}"]
    lines += [
        f"  {p.key}  {p.name or '(no name)'}: {', '.join(p.apps)}" for p in document.publishers
    ]
    lines.append(f"Give it to the server: `idlegrid-server delegations DIR {out}`")
    screen.result({"path": str(out), "delegations": document}, "\n".join(lines))
