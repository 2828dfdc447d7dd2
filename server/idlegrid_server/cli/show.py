"""``idlegrid-server join-link`` and ``settings``: things to copy from the terminal."""

from pathlib import Path

import click

from idlegrid_server.config_text import markdown_text
from idlegrid_server.project import open_project

from .group import folder_argument


@click.command("join-link")
@folder_argument
def join_link(folder: Path) -> None:
    """Print the link that volunteers join by: the address and the root key's fingerprint."""
    project = open_project(folder)
    click.echo(f"{project.url}/join#root={project.fingerprint}")


@click.command()
def settings() -> None:
    """Print every setting of idlegrid.toml with its meaning, bounds and default."""
    click.echo(markdown_text(), nl=False)
