"""Everything that speaks HTTP. Only this package knows Flask."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from idlegrid_server.project import Project


def create_app(project: "Project") -> "Flask":
    """The application that serves ``project``; see :mod:`.wsgi`."""
    from .wsgi import load_project

    return load_project(project)
