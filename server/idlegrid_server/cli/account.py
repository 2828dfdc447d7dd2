"""``idlegrid-server account`` and ``token``: people, and what their programs may do."""

import time
from pathlib import Path
from typing import get_args

import click

from idlegrid_server.creation import LINK_LIFE_US, CreationError, check_email
from idlegrid_server.project import ProjectError, open_project
from idlegrid_server.store.command import (
    ENROL_SCOPE,
    HOUSE_SCOPE,
    CreateAccount,
    CreateToken,
    Role,
    Store,
)
from idlegrid_server.store.sql.account import ACCOUNT_BY_EMAIL
from idlegrid_server.store_access import opened_store
from idlegrid_server.token import SCOPES, new_token, token_hash

from .group import folder_argument

DAY_US = 86_400 * 1_000_000


@click.group()
def account() -> None:
    """People with a role in the project."""


@account.command("add")
@folder_argument
@click.argument("email")
@click.option("--role", type=click.Choice(get_args(Role)), required=True, help="What they may do.")
@click.option("--name", help="As others read it; else the part of the address before the @.")
def account_add(folder: Path, email: str, role: Role, name: str | None) -> None:
    """Make an account for EMAIL and print one link that signs its owner in, once."""
    project = open_project(folder)
    address = check_email(email)
    now = time.time_ns() // 1000
    with opened_store(project) as store:
        made = store.execute(
            CreateAccount(
                now=now,
                email=address,
                name=name or address.partition("@")[0],
                role=role,
                actor="cli",
            )
        )
        if made.status == "exists":
            raise CreationError(f"there is an account for {address} already")
        link = new_token()
        store.execute(
            CreateToken(
                now=now,
                account_id=made.account_id,
                hash=token_hash(link),
                label="first sign-in",
                scopes=("signin",),
                expires_at=now + LINK_LIFE_US,
                single_use=True,
            )
        )
    click.echo(f"{project.url}/signin#token={link}")


@click.group()
def token() -> None:
    """Tokens that let programs act for an account."""


@token.command("add")
@folder_argument
@click.argument("email")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([*SCOPES, ENROL_SCOPE, HOUSE_SCOPE]),
    multiple=True,
    required=True,
    help="What it allows; repeat for several.",
)
@click.option("--label", default="command line", help="To tell it from others later.")
@click.option("--days", type=click.IntRange(1, 3650), help="Days until it ends; else it stays.")
def token_add(
    folder: Path, email: str, scopes: tuple[str, ...], label: str, days: int | None
) -> None:
    """Make a token for the account of EMAIL and print it. It is shown this once."""
    project = open_project(folder)
    now = time.time_ns() // 1000
    text = new_token()
    with opened_store(project) as store:
        store.execute(
            CreateToken(
                now=now,
                account_id=_account_id(store, check_email(email)),
                hash=token_hash(text),
                label=label,
                scopes=scopes,
                expires_at=now + days * DAY_US if days else None,
            )
        )
    click.echo(text)


def _account_id(store: Store, email: str) -> int:
    with store.reading() as db:
        row = db.fetch_one(ACCOUNT_BY_EMAIL, email=email)
    if row is None:
        raise ProjectError(f"there is no account for {email}: make it with `account add`")
    return row.id
