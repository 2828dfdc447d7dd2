"""The ``idlegrid-server`` command. Each subject has its file; errors are told in one place."""

import os
import sys

import click

from idlegrid_server.config import ConfigError
from idlegrid_server.creation import CreationError
from idlegrid_server.files.content import FileError
from idlegrid_server.project import ProjectError
from idlegrid_server.running import RunningError
from idlegrid_server.runtime_store import RuntimeAddError
from idlegrid_server.store.command import StoreError
from idlegrid_server.supervisor.listening import ListenError
from idlegrid_server.trust import TrustError
from idlegrid_shared.keyfile import KeyFileError

from .account import account, token
from .group import cli
from .host import host
from .init import init
from .overview import incidents, recount_, status
from .publisher import delegations, publisher
from .runtime import runtime
from .serve import serve
from .share import share
from .show import join_link, settings
from .whatif import whatif

TOLD = (
    ConfigError,
    CreationError,
    KeyFileError,
    FileError,
    ListenError,
    OSError,
    ProjectError,
    RunningError,
    RuntimeAddError,
    StoreError,
    TrustError,
)

for command in (
    init,
    serve,
    status,
    join_link,
    publisher,
    delegations,
    account,
    token,
    host,
    share,
    runtime,
    incidents,
    recount_,
    settings,
    whatif,
):
    cli.add_command(command)


def main() -> None:
    """Run the command. A failure is one plain sentence on standard error and exit code 1."""
    os.umask(0o077)
    try:
        code = cli.main(standalone_mode=False)  # what a command's Exit carried, or nothing
    except click.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone
        sys.exit(1)
    except TOLD as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    if code:
        sys.exit(code)
