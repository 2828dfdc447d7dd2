"""``idlegrid-server serve``: run a project's server."""

import logging
from pathlib import Path

import click

from idlegrid_server.log import SentenceAndFields, start_logging
from idlegrid_server.project import Project, ProjectError, open_project
from idlegrid_server.supervisor.serve import serve as run_server

from .group import folder_argument

PATH = click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True)


@click.command()
@folder_argument
@click.option("--port", type=click.IntRange(0, 65535), help="Instead of web.port; 0: a free one.")
@click.option("--tls-cert", type=PATH, help="Certificate chain (PEM) instead of web.tls_cert.")
@click.option("--tls-key", type=PATH, help="Its private key (PEM) instead of web.tls_key.")
def serve(folder: Path, port: int | None, tls_cert: Path | None, tls_key: Path | None) -> None:
    """Serve the project in DIR until Ctrl-C or SIGTERM.

    Starts and watches the web, the database's writer, Valkey, the workers and the sweep, and
    starts again what dies. Logs lie in DIR/logs.
    """
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together: give both or neither.")
    project = open_project(folder)
    web = project.config.web
    tls = (str(tls_cert), str(tls_key)) if tls_cert else (web.tls_cert, web.tls_key)
    check_servable(project, tls)
    start_logging("supervisor")
    project.layout.logs.mkdir(mode=0o700, exist_ok=True)
    handler = logging.FileHandler(project.layout.logs / "supervisor.log", encoding="utf-8")
    handler.setFormatter(SentenceAndFields("supervisor"))
    logging.getLogger().addHandler(handler)

    def announce(url: str) -> None:
        click.echo(f"“{project.config.project.name}” is served at {url}. Ctrl-C ends it.")

    run_server(project, web.port if port is None else port, tls, announce)


def check_servable(project: Project, tls: tuple[str, str]) -> None:
    """Find what would make every process die at once; raises :class:`ProjectError`."""
    project.online_key, project.ids_key, project.token_key  # noqa: B018 - read to be checked
    if not project.layout.delegations.exists():
        raise ProjectError(
            "root has signed no delegations yet: sign them where the root key is kept, "
            f"then `idlegrid-server delegations {project.layout.folder} FILE`"
        )
    for path in tls:
        if path and not Path(path).is_file():
            raise ProjectError(f"the TLS file {path} does not exist")
