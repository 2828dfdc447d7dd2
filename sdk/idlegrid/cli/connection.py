"""The options that say which project a command talks to."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import click

from idlegrid.grid import Grid

P = ParamSpec("P")
R = TypeVar("R")


def project_option(command: Callable[P, R]) -> Callable[P, R]:
    """Give a command ``--url``; it becomes an open :class:`Grid`, the argument ``grid``."""

    def connect(context: click.Context, parameter: click.Parameter, value: str | None) -> Grid:
        return context.with_resource(Grid(value))

    option: Any = click.option(
        "--url",
        "grid",
        callback=connect,
        help="The project's address  [default: IDLEGRID_URL, or the last login]",
    )
    result: Callable[P, R] = option(command)
    return result
