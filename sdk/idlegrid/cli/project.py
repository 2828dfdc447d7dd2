"""``idlegrid login``, ``project``, ``hosts`` and ``file``: the project itself."""

import getpass
import os
import sys
from pathlib import Path
from typing import Any

import click
from rich.table import Column, Table

from idlegrid.api import Api, check_url
from idlegrid.credentials import TOKEN_VARIABLE, save_credentials
from idlegrid.fault import InputError
from idlegrid.grid import Grid

from .connection import project_option
from .screen import Screen, json_option, pass_screen

HOST_COLUMNS = ("name", "id", "state", "in_progress", "valid", "invalid", "error", "last_seen_at")


@click.command()
@click.argument("url")
@click.option("--token", help=f"An API token (igt_…)  [default: {TOKEN_VARIABLE}, or asked for]")
@json_option
@pass_screen
def login(screen: Screen, url: str, token: str | None) -> None:
    """Remember the project at URL and your token for it."""
    address = check_url(url)
    secret = (token or os.environ.get(TOKEN_VARIABLE) or _ask_token()).strip()
    if not secret.isascii() or not secret.isprintable() or " " in secret or not secret:
        raise InputError("that is no API token; it starts with igt_")
    api = Api(address, secret)
    try:
        # A token that does not work is told now, and not at the first batch.
        about = api.get("project", dict[str, Any])
        api.get("batches", dict[str, Any])
    finally:
        api.close()
    path = save_credentials(address, secret)
    name = about.get("name", address)
    screen.result(
        {"url": address, "project": about, "path": str(path)}, f"Signed in to {name} at {address}"
    )


def _ask_token() -> str:
    if not sys.stdin.isatty():
        raise InputError(f"give a token: --token TOKEN, or set {TOKEN_VARIABLE}")
    return getpass.getpass("API token: ")


@click.command()
@project_option
@json_option
@pass_screen
def project(screen: Screen, grid: Grid) -> None:
    """Show what the project says of itself."""
    about = grid.project()
    lines = [f"{key}  {value}" for key, value in about.items()]
    screen.result(about, "\n".join(lines))


@click.command()
@project_option
@json_option
@pass_screen
def hosts(screen: Screen, grid: Grid) -> None:
    """List the project's hosts and how well they compute (for its admins)."""
    rows = list(grid.hosts())
    screen.result({"hosts": rows}, lambda: _show_hosts(screen, rows))


def _show_hosts(screen: Screen, rows: list[dict[str, object]]) -> None:
    if not rows:
        screen.out.print("no hosts yet")
        return
    table = Table(*(Column(name, overflow="fold") for name in HOST_COLUMNS))
    for row in rows:
        table.add_row(*(str(row.get(column, "")) for column in HOST_COLUMNS))
    screen.out.print(table)


@click.group("file")
def file_group() -> None:
    """Files on the project."""


@file_group.command("put")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@project_option
@json_option
@pass_screen
def put(screen: Screen, grid: Grid, paths: tuple[Path, ...]) -> None:
    """Upload files; a broken upload goes on where it broke off."""
    entries = [grid.put(path) for path in paths]
    text = "\n".join(f"{entry.sha256}  {entry.name}" for entry in entries)
    screen.result({"files": entries}, text)
