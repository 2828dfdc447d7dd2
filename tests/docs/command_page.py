"""docs/commands.md, made from the help of the commands: `python -m tests.docs.command_page`."""

from collections.abc import Iterator
from pathlib import Path

import click

from idlegrid.cli import idlegrid
from idlegrid_client.cli import cli as client
from idlegrid_server.cli import cli as server

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
PROGRAMS: tuple[tuple[str, str, click.Command], ...] = (
    ("idlegrid", "for scientists", idlegrid),
    ("idlegrid-server", "for admins", server),
    ("idlegrid-client", "for volunteers", client),
)
HEAD = """# Commands

Every command of the three programs. `COMMAND --help` tells its options; most take `--json`.

Exit codes: 0 well; 1 it ran and found something wrong (a failed batch, a broken rule); 2 wrong use
or bad input. `idlegrid`: 3 the server is out of reach or refused. `idlegrid-client`: 3 no Idlegrid
server there, 4 another project than the link names, 5 out of reach, 6 another client uses the same
folder.
"""


def walk(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    """(words, command) of every command that is not hidden, by name."""
    if isinstance(command, click.Group):
        for name, inner in sorted(command.commands.items()):
            if not inner.hidden:
                yield from walk(inner, (*words, name))
    else:
        yield " ".join(words), command


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for program, whom, group in PROGRAMS:
        parts.append(f"\n## `{program}`, {whom}\n\n| command | what it does |\n|---|---|\n")
        for words, command in walk(group, (program,)):
            context = click.Context(command)
            arguments = " ".join(
                parameter.make_metavar(context)
                for parameter in command.params
                if isinstance(parameter, click.Argument)
            )
            text = command.get_short_help_str(200).replace("|", "\\|")
            parts.append(f"| `{f'{words} {arguments}'.strip()}` | {text} |\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
