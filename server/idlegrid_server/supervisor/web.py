"""The web processes: gunicorn (gthread) on the socket that the supervisor opened."""

import argparse
import ctypes
import gc
import os
import signal
import sys
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from idlegrid_server.log import start_logging
from idlegrid_server.project import Project, open_project
from idlegrid_server.web.wsgi import load_project

from .tied import PR_SET_PDEATHSIG

GRACE_S = 4
SILENCE_S = 120  # a web process that does not even tick for so long is replaced
KEEPALIVE_S = 30
YOUNG_OBJECTS = 20_000
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - gunicorn makes unnamed files there


class WebProcesses(BaseApplication):  # type: ignore[misc]
    """gunicorn, told what to do by the project's settings instead of its own files."""

    def __init__(self, project: Project, settings: dict[str, Any]) -> None:
        self.project = project
        self.wanted = settings
        super().__init__()

    def load_config(self) -> None:
        """Hand the settings to gunicorn."""
        for name, value in self.wanted.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Make the application, once in each web process."""
        application = load_project(self.project)
        # What is there now stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS, 20, 50)
        return application


def gunicorn_settings(project: Project, listener_fd: int, tls: tuple[str, str]) -> dict[str, Any]:
    """gunicorn's settings for ``project``. It shall neither read nor leave files of its own."""
    web = project.config.web
    settings: dict[str, Any] = {
        "bind": [f"fd://{listener_fd}"],
        "workers": web.processes,
        "threads": web.threads,
        "worker_class": "gthread",
        "worker_connections": 2000,
        "timeout": SILENCE_S,
        "graceful_timeout": GRACE_S,
        "keepalive": KEEPALIVE_S,
        "control_socket_disable": True,  # its default path is one for all projects of a user
        "forwarded_allow_ips": ",".join(web.trusted_proxies),
        "post_fork": _die_with_master,
        "umask": 0o077,
        "proc_name": "idlegrid-web",
        "loglevel": "warning",
    }
    if SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK):
        settings["worker_tmp_dir"] = str(SHARED_MEMORY)  # heartbeats must not wait for a disk
    if tls[0]:
        settings |= {"certfile": tls[0], "keyfile": tls[1]}
    return settings


def _die_with_master(arbiter: Any, worker: Any) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--listener", type=int, required=True)
    parser.add_argument("--tls-cert", default="")
    parser.add_argument("--tls-key", default="")
    args = parser.parse_args()
    start_logging("web")
    project = open_project(args.folder)
    settings = gunicorn_settings(project, args.listener, (args.tls_cert, args.tls_key))
    WebProcesses(project, settings).run()


if __name__ == "__main__":
    main()
