"""What a command shows: results on stdout (or JSON alone), everything else on stderr."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import click
import msgspec
from rich.console import Console
from rich.status import Status

P = ParamSpec("P")
R = TypeVar("R")


class Screen:
    """One command's way to its user. With ``json`` only :meth:`result` writes to stdout."""

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self.out = Console(highlight=False, soft_wrap=True)
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)
        self._status: Status | None = None

    def say(self, text: str) -> None:
        """A line on the way, for people; silent with ``--json``."""
        if not self.json:
            self.err.print(text, markup=False)

    @contextlib.contextmanager
    def working(self, text: str) -> Iterator[Callable[[str], None]]:
        """Something turns while work is going on; the value changes its text."""
        if self.json:
            yield lambda text: None
            return
        with self.err.status(text) as self._status:
            try:
                yield self._status.update
            finally:
                self._status = None

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing turns meanwhile, so that a person can be asked."""
        if self._status is None:
            yield
            return
        self._status.stop()
        try:
            yield
        finally:
            self._status.start()

    @property
    def asks(self) -> bool:
        """Whether a person sits there who can be asked."""
        return not self.json and sys.stdin.isatty()

    def result(self, data: object, show: Callable[[], None] | str) -> None:
        """The command's result: ``data`` as JSON, or ``show`` for people (a text or a function)."""
        if self.json:
            self.write_json(data)
        elif callable(show):
            show()
        else:
            self.out.print(show, markup=False)

    def write_json(self, data: object) -> None:
        """One JSON document on a line of stdout."""
        sys.stdout.buffer.write(msgspec.json.encode(data, enc_hook=str) + b"\n")
        sys.stdout.flush()

    def failure(self, text: str, detail: str, exit_code: int) -> None:
        """The one sentence of an error, and what belongs to it."""
        if self.json:
            self.write_json({"error": text, "detail": detail, "exit_code": exit_code})
            return
        self.err.print(f"Error: {text}", markup=False)
        if detail:
            self.err.print(detail, markup=False)


def json_option(command: Callable[P, R]) -> Callable[P, R]:
    """Give a command ``--json``; it is kept in the context's :class:`Screen`."""

    def keep(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
        if value:
            context.ensure_object(Screen).json = True
        return value

    option: Any = click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=keep,
        help="Write the result as JSON, and nothing else, to stdout.",
    )
    result: Callable[P, R] = option(command)
    return result


pass_screen = click.make_pass_decorator(Screen, ensure=True)
