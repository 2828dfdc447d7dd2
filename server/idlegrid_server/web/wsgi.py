"""The application of a project's folder, for gunicorn."""

import time
from contextlib import ExitStack
from pathlib import Path

from flask import Flask

from idlegrid_server.files import CheckpointFolder, ContentStore, PartialUploads
from idlegrid_server.health import judge
from idlegrid_server.pipeline.wake import Notifier, Silence, Waker
from idlegrid_server.project import Project, open_project
from idlegrid_server.store_access import server_store

from .app import create_app
from .services import Keys, Services

DRAFT_LIFE_S = 86_400  # no write of a file takes longer


def load(folder: str | Path) -> Flask:
    """The application that serves the project in ``folder``; raises ``ProjectError``."""
    return load_project(open_project(Path(folder)))


def load_project(project: Project) -> Flask:
    """The application that serves ``project``, with a store and a waker of this process."""
    layout = project.layout
    files = ContentStore(layout.files)
    files.drop_old_drafts(time.time() - DRAFT_LIFE_S)
    running = project.running()
    kept = ExitStack()  # for the life of the process
    store = kept.enter_context(server_store(project))
    waker: Waker = Notifier(running.valkey, project.queue_prefix) if running else Silence()
    address = project.url
    app = create_app(
        Services(
            config=project.config,
            store=store,
            files=files,
            uploads=PartialUploads(layout.uploads, files),
            checkpoints=CheckpointFolder(layout.checkpoints),
            clock=lambda: time.time_ns() // 1000,
            keys=Keys(
                online=project.online_key,
                root_public=project.root_public,
                ids=project.ids_key,
                tokens=project.token_key,
            ),
            waker=waker,
            address=lambda: address,
            conditions=lambda: judge(project),
        )
    )
    app.extensions["idlegrid-kept"] = kept
    return app
