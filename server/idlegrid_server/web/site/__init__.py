"""The pages that people see: the project, a public batch, joining, signing in."""

from flask import Blueprint

from . import asset, batch, home, signin

blueprint = Blueprint("site", __name__)
for _module in (home, batch, signin, asset):
    _module.register(blueprint)

__all__ = ["blueprint"]
