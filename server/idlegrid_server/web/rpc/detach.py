"""POST /rpc/v1/detach: a host leaves. What it held is handed back at once, not at the deadline.

The body is an exchange's: reports of what is finished are taken as ever; everything else that the
database has in progress for the host counts as aborted. The device key is spent.
"""

import msgspec
from flask import Blueprint, Response, request

from idlegrid_server.store.command import SetHostState, StoreError
from idlegrid_server.store.sql.exchange import HELD
from idlegrid_server.store.sql.host import HOST_BY_DEVICE
from idlegrid_server.web.access import Device, access, services
from idlegrid_server.web.answer import answer, store_refusal
from idlegrid_shared.wire import ExchangeReply, Report

from .exchange import read_exchange, run_exchange
from .refusal import host_refusal

REASON = "detached"


@access("device")
def detach(device: Device) -> Response:
    """Hand everything back, and go."""
    with_ = services()
    asked = read_exchange(with_, device, request)
    with with_.store.reading() as db:
        host = db.fetch_one(HOST_BY_DEVICE, device=device.key)
        tasks = [] if host is None else db.fetch_all(HELD, host_id=host.id)
    if host is None:
        raise host_refusal(with_, device, "unknown_host", "")
    if host.state == "retired" and host.last_request == asked.request_id:
        return answer(ExchangeReply(server_at=with_.clock(), next_contact_s=0.0))
    reported = {report.task for report in asked.reports}
    handed_back = [
        Report(task=task, outcome="aborted", reason=REASON)
        for task in (with_.ids.encode("task", row.id) for row in tasks)
        if task not in reported
    ]
    asked = msgspec.structs.replace(
        asked, reports=(*asked.reports, *handed_back), held=(), want=None
    )
    answered = run_exchange(with_, device, asked)
    try:
        with_.store.execute(
            SetHostState(
                now=with_.clock(),
                host_id=host.id,
                state="retired",
                reason="left",
                actor=f"host:{host.id}",
            )
        )
    except StoreError as error:
        raise store_refusal(error) from error
    own = tuple(a for a in answered.reply.answers if a.task in reported)
    return answer(msgspec.structs.replace(answered.reply, answers=own))


def register(blueprint: Blueprint) -> None:
    """Add the route."""
    blueprint.post("/detach")(detach)
