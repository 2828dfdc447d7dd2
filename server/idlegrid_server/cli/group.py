"""The command group, and what all its commands share: the project's folder, output as JSON."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

F = TypeVar("F", bound=Callable[..., Any])


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="idlegrid", prog_name="idlegrid-server")
def cli() -> None:
    """Run a project: a server for scientists' work on volunteers' computers."""


def folder_argument(function: F) -> F:
    """DIR, the project's folder."""
    return click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))(function)


def json_option(function: F) -> F:
    """--json, for programs that read the output."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(
        function
    )


def print_json(value: Any) -> None:
    """``value`` as JSON on standard output."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(heads: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """``rows`` in columns, or the sentence ``empty`` if there are none."""
    lines = [[str(cell) for cell in row] for row in rows]
    if not lines:
        click.echo(empty)
        return
    widths = [max(len(line[i]) for line in [list(heads), *lines]) for i in range(len(heads))]
    for line in [list(heads), *lines]:
        click.echo(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )
