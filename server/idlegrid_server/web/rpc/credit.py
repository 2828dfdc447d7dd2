"""POST /rpc/v1/credit: what the host has been credited, as a statement that it can show around."""

from flask import Blueprint, Response

from idlegrid_server.store.sql.host import HOST_BY_DEVICE
from idlegrid_server.web.access import Device, access, services
from idlegrid_server.web.answer import answer
from idlegrid_server.web.statement import host_statement, signed
from idlegrid_shared.wire import CreditReply

from .refusal import host_refusal


@access("device")
def credit(device: Device) -> Response:
    """The body is not read."""
    with_ = services()
    with with_.store.reading() as db:
        host = db.fetch_one(HOST_BY_DEVICE, device=device.key)
        statement = host_statement(with_, db, host) if host is not None else None
    if statement is None:
        raise host_refusal(with_, device, "unknown_host", "")
    return answer(CreditReply(signed(with_, statement)))


def register(blueprint: Blueprint) -> None:
    """Add the route."""
    blueprint.post("/credit")(credit)
