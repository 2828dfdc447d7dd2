"""Which processes a project's server consists of, in the order in which they start."""

import sys
from pathlib import Path

from idlegrid_server.project import Project

from .child import Child
from .valkey import valkey_command


def make_children(
    project: Project, sockets: Path, listener_fd: int, tls: tuple[str, str]
) -> list[Child]:
    """The processes of ``project``: they end in the reverse order."""
    layout, config = project.layout, project.config

    def child(role: str, command: list[str], stop_s: float = 5.0) -> Child:
        return Child(role, command, layout.logs / f"{role}.log", stop_s=stop_s)

    def python(module: str, *args: str) -> list[str]:
        # -P: the folder that serve was started in is no place to import from.
        return [sys.executable, "-P", "-m", f"idlegrid_server.{module}", *args]

    folder = str(layout.folder)
    children = []
    if not config.valkey.url:
        children.append(child("valkey", valkey_command(sockets)))
    if not config.database.url:
        children.append(child("writer", python("store.writer", folder), stop_s=10.0))
    children += [
        child("compute", python("pipeline.worker", folder, "compute")),
        child("wake", python("pipeline.worker", folder, "wake")),
        child("sweep", python("pipeline.sweep", folder)),
    ]
    web = python("supervisor.web", folder, "--listener", str(listener_fd))
    if tls[0]:
        web += ["--tls-cert", tls[0], "--tls-key", tls[1]]
    log = layout.logs / "web.log"
    children.append(Child("web", web, log, pass_fds=(listener_fd,), stop_s=8.0))
    return children
