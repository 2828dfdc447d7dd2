"""The hosts' way in: `/rpc/v1`. See docs/protocol.md."""

from flask import Blueprint

from . import checkpoints, detach, enrol, exchange, project, uploads

blueprint = Blueprint("rpc", __name__, url_prefix="/rpc/v1")
for _module in (project, enrol, exchange, uploads, checkpoints, detach):
    _module.register(blueprint)

__all__ = ["blueprint"]
