"""POST /rpc/v1/enrol: a device introduces itself."""

import msgspec
from flask import Blueprint, Response, request

from idlegrid_server.scheduler.exchange import machine_facts
from idlegrid_server.store.command import EnrolHost, StoreError
from idlegrid_server.token import token_hash
from idlegrid_server.web.access import Device, access, services
from idlegrid_server.web.answer import answer, store_refusal
from idlegrid_server.web.body import decode, device_body
from idlegrid_server.web.problem import Refusal
from idlegrid_shared.wire import EnrolReply, EnrolRequest

from .refusal import host_refusal

_decoder = msgspec.json.Decoder(EnrolRequest)


@access("device")
def enrol(device: Device) -> Response:
    """Make the device known; a repeat answers the same."""
    with_ = services()
    with_.enrol_rate.take(with_.peers.address(request.environ))
    asked = decode(with_, request, device_body(with_, request, device), _decoder)
    try:
        result = with_.store.execute(
            EnrolHost(
                now=with_.clock(),
                device=device.key,
                machine=machine_facts(asked.machine),
                subnet=device.subnet,
                token=token_hash(asked.token) if asked.token else None,
            )
        )
    except StoreError as error:
        raise store_refusal(error) from error
    if result.status == "forbidden":
        raise host_refusal(with_, device, "forbidden", result.reason)
    if result.status == "bad_token":
        with_.incidents.record("bad_token", device.subnet, f"enrolment: {result.reason}")
        raise Refusal(403, "bad_token", f"The invitation is not good: {result.reason}.")
    return answer(
        EnrolReply(
            host=with_.ids.encode("host", result.host_id), name=result.name, house=result.house
        )
    )


def register(blueprint: Blueprint) -> None:
    """Add the route."""
    blueprint.post("/enrol")(enrol)
