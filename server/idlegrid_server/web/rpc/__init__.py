"""The hosts' way in: `/rpc/v1`. See docs/protocol.md."""

from flask import Blueprint

from . import checkpoints, credit, detach, enrol, exchange, project, uploads

blueprint = Blueprint("rpc", __name__, url_prefix="/rpc/v1")
for _module in (project, enrol, exchange, uploads, checkpoints, credit, detach):
    _module.register(blueprint)

__all__ = ["blueprint"]
