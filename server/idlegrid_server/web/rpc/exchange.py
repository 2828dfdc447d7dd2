"""POST /rpc/v1/exchange: the one request that a host makes. The hot path."""

import contextlib

import msgspec
from flask import Blueprint, Request, Response, request

from idlegrid_server.scheduler.exchange import Answered, Caller, ExchangeRefused
from idlegrid_server.scheduler.trust import NoDelegations
from idlegrid_server.store.command import StoreError
from idlegrid_server.web.access import Device, access, services
from idlegrid_server.web.answer import answer, store_refusal
from idlegrid_server.web.body import device_body
from idlegrid_server.web.problem import malformed
from idlegrid_server.web.services import Services
from idlegrid_shared.wire import PROTOCOL, ExchangeRequest

from .project import no_delegations
from .refusal import guard_protocol, host_refusal

NOTED = frozenset(("hash_mismatch", "too_large"))  # refused reports that an admin should see


class _Version(msgspec.Struct):
    """What can be read of a request in a newer or older form."""

    protocol: int = PROTOCOL


_decode = msgspec.json.Decoder(ExchangeRequest).decode
_decode_version = msgspec.json.Decoder(_Version).decode


def read_exchange(with_: Services, device: Device, sent: Request) -> ExchangeRequest:
    """The request in the body of ``sent``; raises a 400, 413, 415 or 426 refusal."""
    data = device_body(with_, sent, device)
    try:
        asked = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            _guard(with_, device, _decode_version(data).protocol)
        with_.incidents.record("malformed", device.subnet, str(error))
        raise malformed(f"The body cannot be read: {error}.") from error
    _guard(with_, device, asked.protocol)
    if asked.request_id != device.request_id:
        raise malformed("The request id in the body is not the one in the header.")
    return asked


def _guard(with_: Services, device: Device, version: int) -> None:
    """Raise a 426 refusal unless ``version`` is ours, and note that somebody spoke another."""
    if version != PROTOCOL:
        with_.incidents.record("upgrade", device.subnet, f"protocol version {version}")
    guard_protocol(version, PROTOCOL)


def run_exchange(with_: Services, device: Device, asked: ExchangeRequest) -> Answered:
    """Do the exchange; raises a refusal for everything that stands in its way."""
    caller = Caller(device.key, device.key_hex, device.subnet, device.body_hash)
    try:
        return with_.scheduler.exchange(asked, caller)
    except ExchangeRefused as error:
        raise host_refusal(with_, device, error.status, error.reason) from error
    except NoDelegations as error:
        raise no_delegations() from error
    except StoreError as error:
        raise store_refusal(error) from error


def answer_exchange(with_: Services, device: Device, sent: Request) -> Response:
    """Reports in, receipts and tasks out."""
    answered = run_exchange(with_, device, read_exchange(with_, device, sent))
    for refused in answered.refused:
        if refused.code in NOTED:
            host = with_.ids.encode("host", answered.host_id)
            with_.incidents.record(refused.code, host, f"report: {refused.text}")
    return answer(answered.reply)


@access("device")
def exchange(device: Device) -> Response:
    """The route, as Flask knows it; :mod:`.shortcut` answers most of its requests."""
    return answer_exchange(services(), device, request)


def register(blueprint: Blueprint) -> None:
    """Add the route."""
    blueprint.post("/exchange")(exchange)
