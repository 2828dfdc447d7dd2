"""GET /healthz: whether this web process answers and reaches the database."""

import msgspec
from flask import Blueprint, Response

from idlegrid_server.store.command import StoreError
from idlegrid_server.store.sql.account import SETTING

from .access import access, services
from .answer import answer
from .problem import Refusal

blueprint = Blueprint("health", __name__)


class Health(msgspec.Struct):
    """The short word: well."""

    status: str = "ok"


@blueprint.get("/healthz")
@access("public")
def healthz() -> Response:
    """200 when requests can be served, 503 when the database cannot be read."""
    try:
        with services().store.reading() as db:
            db.fetch_one(SETTING, name="delegations")
    except StoreError as error:
        raise Refusal(503, "busy", "The database cannot be read.", retry_after_s=2) from error
    return answer(Health())
