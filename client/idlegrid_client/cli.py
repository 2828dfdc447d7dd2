"""`idlegrid-client`: join projects, compute, look, leave.

Exit codes: 0 done; 1 something went wrong at work; 2 wrong use or a wrong address; 3 no Idlegrid
server there; 4 another project than the link names; 5 the server cannot be reached; 6 another
client works in the same data folder.
"""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click
import msgspec

from idlegrid_shared.keyfile import KeyFileError

from .agent_loop import DiskRefusedError, data_folder, system_clock
from .attach import AttachError, attached_links, choose_project, discard, join, meet
from .core.limit import LEAVE_MEMORY_S, MEMORY_KEEP_BYTES
from .credit import (
    ProofError,
    ask_credit,
    check_proof,
    describe_statement,
    read_proof,
    write_proof,
)
from .durable import write_bytes
from .journal import read_entries
from .layout import DATA_VARIABLE, DataFolder, default_data
from .lock import DataLock, LockedError, is_locked
from .permission import (
    KINDS,
    NAMES,
    Kind,
    allowed_kinds,
    describe_permission,
    hindrance,
    load_permission,
    save_permission,
)
from .program import run_client
from .status_view import current_status, describe
from .transfer.address import AddressError, JoinLink, check_fingerprint, parse_link
from .transfer.http import BadAnswerError, ServerProblem, UnreachableError
from .version import client_version

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NO_SERVER = 3
EXIT_OTHER_PROJECT = 4
EXIT_UNREACHABLE = 5
EXIT_LOCKED = 6
LEAVE_S_MAX = 30.0  # for the last word with the server

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help=f"Data folder (else ${DATA_VARIABLE}, else the usual place of this system).",
)


def _folder(data: Path | None) -> DataFolder:
    return data_folder(data if data is not None else default_data())


def _fail(text: str, code: int) -> NoReturn:
    click.echo(f"idlegrid-client: {text}", err=True)
    sys.exit(code)


@contextmanager
def _plain_ends() -> Iterator[None]:
    """One plain sentence and an exit code for everything that may go wrong."""
    try:
        yield
    except AddressError as error:
        _fail(str(error), EXIT_USAGE)
    except BadAnswerError as error:
        _fail(str(error), EXIT_NO_SERVER)
    except ServerProblem as problem:
        if problem.code:
            _fail(f"the server answers: {problem}", EXIT_FAILED)
        _fail(f"there is no Idlegrid server at this address ({problem})", EXIT_NO_SERVER)
    except AttachError as error:
        _fail(str(error), EXIT_OTHER_PROJECT)
    except UnreachableError as error:
        _fail(f"{error}; check the address, or try again later", EXIT_UNREACHABLE)
    except LockedError as error:
        _fail(str(error), EXIT_LOCKED)
    except (DiskRefusedError, ProofError, KeyFileError) as error:
        _fail(str(error), EXIT_FAILED)
    except OSError as error:
        _fail(f"this machine refuses: {error}", EXIT_FAILED)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(client_version(), prog_name="idlegrid-client")
def cli() -> None:
    """Let this computer work for science while you allow it."""


@cli.command()
@click.argument("link")
@click.option("--root", default="", help="The project's fingerprint, if the link has none.")
@click.option("--token", default="", help="An invitation: the host then belongs to its account.")
@click.option("--yes", is_flag=True, help="Do not ask; needs the fingerprint in link or --root.")
@data_option
def attach(link: str, root: str, token: str, yes: bool, data: Path | None) -> None:
    """Join the project at LINK, after showing its name and fingerprint."""
    folder = _folder(data)
    with _plain_ends():
        parsed = parse_link(link)
        if root:
            wanted = check_fingerprint(root)
            if parsed.fingerprint and parsed.fingerprint != wanted:
                raise AddressError("the fingerprints of the link and of --root differ")
            parsed = JoinLink(parsed.url, wanted)
        if yes and not parsed.fingerprint:
            raise AddressError(
                "--yes needs the fingerprint, in the link (…/join#root=…) or with --root"
            )
        found = meet(parsed)
        click.echo(f"Project:     {found.name}")
        click.echo(f"Address:     {found.url}")
        click.echo(f"Fingerprint: {found.fingerprint}")
        if not yes:
            if not parsed.fingerprint:
                click.echo("Compare the fingerprint with one that the project publishes elsewhere.")
            if not click.confirm("Let this computer work for it?"):
                click.echo("Nothing was attached.")
                return
        new = join(folder, found, token, system_clock())
        said = "Attached" if new else "It was attached already; its address is up to date"
        click.echo(f"{said}. Data folder: {folder.root}")
        if is_locked(folder.lock):
            click.echo("The running client begins with it within a minute.")
        else:
            where = f" --data {shlex.quote(str(data))}" if data is not None else ""
            click.echo(f"Start computing with: idlegrid-client run{where}")


@cli.command()
@click.option("--cores", type=click.IntRange(1, 4096), default=None, help="Cores to use at most.")
@click.option("--memory-mb", type=click.IntRange(64), default=None, help="Memory to use at most.")
@click.option(
    "--leave-memory-s",
    type=click.FloatRange(0, 31_536_000),
    default=LEAVE_MEMORY_S,
    show_default=True,
    help="Seconds of a pause after which tasks are saved and give their memory back.",
)
@click.option(
    "--keep-free-mb",
    type=click.IntRange(0),
    default=MEMORY_KEEP_BYTES // 1024**2,
    show_default=True,
    help="During a pause they do so at once while less memory than this is free.",
)
@click.option("--until-idle", is_flag=True, help="End when there is nothing left to do.")
@click.option("--quiet", is_flag=True, help="Say nothing on the terminal.")
@data_option
def run(
    cores: int | None,
    memory_mb: int | None,
    leave_memory_s: float,
    keep_free_mb: int,
    until_idle: bool,
    quiet: bool,
    data: Path | None,
) -> None:
    """Compute until stopped. Ctrl-C is always safe."""
    folder = _folder(data)
    with _plain_ends():
        if not attached_links(folder):
            raise AddressError(
                f"no project is attached in {folder.root}: use `idlegrid-client attach LINK` first"
            )
        run_client(
            folder,
            cores=cores,
            memory_bytes=memory_mb * 1024**2 if memory_mb is not None else None,
            leave_memory_s=leave_memory_s,
            memory_keep_bytes=keep_free_mb * 1024**2,
            until_idle=until_idle,
            echo=None if quiet else _echo,
        )


def _echo(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@data_option
def status(as_json: bool, data: Path | None) -> None:
    """What runs, for whom, how far; or why nothing runs."""
    folder = _folder(data)
    found = current_status(folder)
    if as_json:
        found.allowed = allowed_kinds(load_permission(folder))
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
        return
    click.echo(found.why)
    for runtime in found.runtimes:
        if runtime.why:
            click.echo(f"{runtime.why}.")
    for project in found.projects:
        click.echo("\n" + "\n".join(describe(project)))
    click.echo("\n" + "\n".join(describe_permission(load_permission(folder))))
    click.echo(f"Data folder: {found.data}")


@cli.command()
@click.argument("project", default="")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option(
    "--save", type=click.Path(path_type=Path), help="Keep the signed statement in a file."
)
@click.option("--check", type=click.Path(path_type=Path), help="Check a file that --save wrote.")
@data_option
def credit(
    project: str, as_json: bool, save: Path | None, check: Path | None, data: Path | None
) -> None:
    """What this computer has been credited by PROJECT, as the project signed it."""
    folder = _folder(data)
    with _plain_ends():
        if check is not None:
            proof = read_proof(check)
            statement = check_proof(proof)
        else:
            statement, proof = ask_credit(folder, choose_project(folder, project))
            if save is not None:
                write_proof(save, proof)
    if as_json:
        click.echo(msgspec.json.encode(statement).decode())
        return
    click.echo("\n".join(describe_statement(statement)))
    click.echo(f"Signed by the project with the fingerprint {proof.fingerprint},")
    click.echo(f"for the {statement.owner} {statement.name}, as number {statement.serial}.")


@cli.command()
@data_option
def pause(data: Path | None) -> None:
    """Let nothing compute until `resume`, also after a restart of the client.

    Tasks stand still at once; if the pause lasts, those that can be saved give their memory back.
    """
    folder = _folder(data)
    with _plain_ends():
        folder.make()
        write_bytes(folder.paused, b"", "paused")
        click.echo("Paused; `idlegrid-client resume` goes on.")
        _tell_when(folder, "in some seconds")


@cli.command()
@data_option
def resume(data: Path | None) -> None:
    """End the pause: tasks go on from where they were."""
    folder = _folder(data)
    with _plain_ends():
        folder.paused.unlink(missing_ok=True)
        click.echo("Not paused.")
        _tell_when(folder, "in some seconds")


@cli.command()
@click.argument("kind", type=click.Choice(KINDS))
@data_option
def allow(kind: Kind, data: Path | None) -> None:
    """Let programs of another KIND than WebAssembly run here, behind the system's own walls.

    The walls are tried on this machine first; without one that holds, nothing is allowed.
    """
    folder = _folder(data)
    with _plain_ends():
        why = hindrance(kind)
        if why:
            _fail(f"{NAMES[kind]} cannot be run safely on this machine: {why}", EXIT_FAILED)
        save_permission(folder, kind, True)
        click.echo(f"{NAMES[kind]}: allowed, for all projects of this client.")
        _tell_when(folder)


@cli.command()
@click.argument("kind", type=click.Choice(KINDS))
@data_option
def deny(kind: Kind, data: Path | None) -> None:
    """Take back what `allow` allowed; tasks of that KIND go back to their projects."""
    folder = _folder(data)
    with _plain_ends():
        save_permission(folder, kind, False)
        click.echo(f"{NAMES[kind]}: not allowed.")
        _tell_when(folder)


def _tell_when(folder: DataFolder, when: str = "within a minute") -> None:
    if is_locked(folder.lock):
        click.echo(f"The running client follows {when}.")


@cli.command()
@click.argument("project", default="")
@click.option("--discard", is_flag=True, help="At once: undelivered results are thrown away.")
@data_option
def detach(project: str, discard: bool, data: Path | None) -> None:
    """Leave PROJECT: hand back what is unfinished, deliver what is done, forget the rest.

    PROJECT is a name, an address or the beginning of a fingerprint; not needed if there is one.
    """
    folder = _folder(data)
    with _plain_ends():
        link = choose_project(folder, project)
        if is_locked(folder.lock):
            if discard:
                raise LockedError("stop the running client first, then use --discard")
            _ask_to_leave(folder, link.fingerprint)
            click.echo(f"The running client leaves {link.name} within a minute.")
        elif discard:
            with DataLock(folder.lock):
                _discard(folder, link.fingerprint)
            click.echo(f"{link.name} is detached; what was not delivered is lost.")
        else:
            _leave_now(folder, link.fingerprint)
            left = link.fingerprint in {known.fingerprint for known in attached_links(folder)}
            if left:
                _fail(
                    f"{link.name} could not be told yet; it is left at the next run, "
                    "or at once with --discard",
                    EXIT_UNREACHABLE,
                )
            click.echo(f"{link.name} is detached.")


def _ask_to_leave(folder: DataFolder, fingerprint: str) -> None:
    folder.make()
    write_bytes(folder.commands / f"{fingerprint}.leave", b"", "link")


def _discard(folder: DataFolder, fingerprint: str) -> None:
    for link in attached_links(folder):
        if link.fingerprint == fingerprint:
            discard(folder, link)


def _leave_now(folder: DataFolder, fingerprint: str) -> None:
    run_client(folder, cores=0, leave=fingerprint, time_s_max=LEAVE_S_MAX)


@cli.command()
@click.option("-n", "--lines", type=click.IntRange(1, 100_000), default=50, help="How many.")
@data_option
def log(lines: int, data: Path | None) -> None:
    """The last things that happened."""
    for entry in list(read_entries(_folder(data)))[-lines:]:
        click.echo(entry.line())


def main() -> None:
    """The program."""
    cli(prog_name="idlegrid-client")
