"""``idlegrid-server runtime``: the interpreters that Python apps name."""

import time
from pathlib import Path

import click
import msgspec

from idlegrid_server.project import open_project
from idlegrid_server.runtime_store import add_runtime, list_runtimes
from idlegrid_server.store_access import opened_store

from .group import folder_argument, json_option, print_json, print_table


class RuntimeLine(msgspec.Struct, frozen=True):
    """A runtime as the list shows it."""

    name: str
    version: str
    profile: str
    release: str


@click.group()
def runtime() -> None:
    """The interpreters that Python apps are run by."""


@runtime.command("add")
@folder_argument
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
def add(folder: Path, file: Path, as_json: bool) -> None:
    """Add the runtime in FILE, made by `idlegrid runtime bundle`; again, it changes nothing."""
    project = open_project(folder)
    with opened_store(project) as store:
        known, new = add_runtime(project, store, file, time.time_ns() // 1000)
    if as_json:
        print_json({"name": known.name, "version": known.release.version, "new": new})
        return
    click.echo(
        f"{known.title} is here: apps with it can be published."
        if new
        else f"{known.title} was here already."
    )


@runtime.command("list")
@folder_argument
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """Show the runtimes of the project."""
    project = open_project(folder)
    with opened_store(project) as store:
        lines = [
            RuntimeLine(row.app, row.version, row.profile, row.release_hash.hex())
            for row in list_runtimes(store)
        ]
    if as_json:
        print_json(lines)
        return
    print_table(
        ("NAME", "VERSION", "PROFILE", "RELEASE"),
        ((line.name, line.version, line.profile, line.release) for line in lines),
        "None yet: `idlegrid runtime bundle cpython`, then `idlegrid-server runtime add DIR FILE`.",
    )
