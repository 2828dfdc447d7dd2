"""The ``idlegrid`` command. Exit codes: 0 well, 1 the batch failed, 2 your input, 3 the server."""

import sys
from collections.abc import Sequence

import click

from idlegrid.fault import IdlegridError

from .app import app
from .batch import batch
from .credit import credit, statistics
from .explain import explain
from .keys import keys
from .local import run_local_command
from .project import file_group, hosts, login, project
from .runtime import runtime
from .screen import Screen
from .validate import validate

EXIT_INPUT = 2
EXIT_STOPPED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="idlegrid", message="idlegrid %(version)s")
@click.pass_context
def idlegrid(context: click.Context) -> None:
    """Compute a table of inputs on a grid of volunteers' computers."""


for command in (
    login,
    keys,
    app,
    batch,
    run_local_command,
    project,
    hosts,
    file_group,
    runtime,
    explain,
    credit,
    statistics,
):
    idlegrid.add_command(command)


batch.add_command(validate)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code; errors are one plain sentence."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    screen = Screen()
    try:
        code = idlegrid.main(list(arguments), "idlegrid", standalone_mode=False, obj=screen)
    except click.ClickException as error:
        screen.failure(_sentence(error), "", EXIT_INPUT)
        return EXIT_INPUT
    except IdlegridError as error:
        screen.failure(str(error), error.detail, error.exit_code)
        return error.exit_code
    except OSError as error:
        where = f" {error.filename!r}" if error.filename else ""
        text = f"this machine refused{where}: {error.strerror or error}"
        screen.failure(text, "", EXIT_INPUT)
        return EXIT_INPUT
    except (KeyboardInterrupt, click.Abort):
        screen.failure("stopped", "", EXIT_STOPPED)
        return EXIT_STOPPED
    return code if isinstance(code, int) else 0


def _sentence(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f" (see `{context.command_path} --help`)" if context is not None else ""
    return error.format_message().rstrip(".") + hint
