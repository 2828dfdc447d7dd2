"""/rpc/v1/uploads: a task's outputs that are too large for the report."""

import io

import msgspec
from flask import Blueprint, Response, request

from idlegrid_server.store.command import StoreError
from idlegrid_server.store.sql.file import UploadRow
from idlegrid_server.store.sql.host import HOST_BY_DEVICE
from idlegrid_server.store.sql.unit import TASKS_BY_ID, UNIT_INPUT
from idlegrid_server.web.access import Device, access, services
from idlegrid_server.web.answer import answer, store_refusal
from idlegrid_server.web.body import decode, device_body
from idlegrid_server.web.problem import Refusal, not_found
from idlegrid_server.web.public_id import PublicIdError
from idlegrid_server.web.services import Services
from idlegrid_server.web.upload import (
    Owner,
    append,
    find_upload,
    open_upload,
    read_offset,
    upload_state,
)
from idlegrid_shared.wire import UploadOpen

from .refusal import host_refusal

CHECKPOINTS_OPEN_MAX = 2  # of one task, half-sent
LOW_DISK_RETRY_S = 600
SHUT_OUT = frozenset(("banned", "retired"))
_decoder = msgspec.json.Decoder(UploadOpen)


def _host_id(with_: Services, device: Device) -> int:
    """The host with this device key; raises a 401 or 403 refusal."""
    try:
        with with_.store.reading() as db:
            host = db.fetch_one(HOST_BY_DEVICE, device=device.key)
    except StoreError as error:
        raise store_refusal(error) from error
    if host is None:
        raise host_refusal(with_, device, "unknown_host", "")
    if host.state in SHUT_OUT:
        raise host_refusal(with_, device, "forbidden", host.reason)
    return host.id


def _owner(with_: Services, device: Device, task: str, *, checkpoint: bool) -> Owner:
    """What may be uploaded for a task; raises a refusal if it is not this host's."""
    host_id = _host_id(with_, device)
    refused = Refusal(409, "upload_refused", "This task is not this host's.")
    try:
        task_id = with_.ids.decode("task", task)
    except PublicIdError as error:
        raise refused from error
    with with_.store.reading() as db:
        rows = db.fetch_all(TASKS_BY_ID, task_ids=[task_id])
        if not rows or rows[0].host_id != host_id:
            raise refused
        unit = db.fetch_one(UNIT_INPUT, unit_id=rows[0].unit_id)
    if unit is None:
        raise refused
    limits = with_.stages.get(unit.stage_id).program.limits
    if checkpoint:
        if with_.disk.is_low():
            # Results go before what only saves somebody's time.
            raise Refusal(
                503,
                "disk_full",
                "The server's disk is nearly full: it takes results, but no checkpoints.",
                retry_after_s=LOW_DISK_RETRY_S,
            )
        size = with_.config.limits.checkpoint_bytes
        return Owner(
            source=with_.ids.encode("host", host_id),
            bytes_max=size,
            total_max=CHECKPOINTS_OPEN_MAX * size,
            count_max=CHECKPOINTS_OPEN_MAX,
            task_id=task_id,
            host_id=host_id,
        )
    return Owner(
        source=with_.ids.encode("host", host_id),
        bytes_max=min(limits.output_bytes, with_.config.limits.upload_bytes),
        total_max=limits.output_bytes,
        count_max=limits.output_files + 1,  # standard output is one more
        task_id=task_id,
        host_id=host_id,
    )


def _own_upload(with_: Services, device: Device, name: str) -> tuple[UploadRow, str]:
    """The upload if it is for a task of this host, and the host's public id."""
    host_id = _host_id(with_, device)
    row = find_upload(with_, name)
    if row.task_id is None:
        raise not_found("upload")
    with with_.store.reading() as db:
        rows = db.fetch_all(TASKS_BY_ID, task_ids=[row.task_id])
    if not rows or rows[0].host_id != host_id:
        raise not_found("upload")
    return row, with_.ids.encode("host", host_id)


@access("device")
def open_one(device: Device) -> Response:
    """Make room for one output of a task."""
    with_ = services()
    wanted = decode(with_, request, device_body(with_, request, device), _decoder)
    checkpoint = wanted.checkpoint_ops is not None
    owner = _owner(with_, device, wanted.task, checkpoint=checkpoint)
    return answer(open_upload(with_, owner, wanted))


@access("device")
def append_to(device: Device, name: str) -> Response:
    """Add the body at the offset."""
    with_ = services()
    row, source = _own_upload(with_, device, name)
    offset = read_offset(request)
    return answer(append(with_, row, offset, io.BytesIO(device.body), source))


@access("device")
def show(device: Device, name: str) -> Response:
    """How far the upload is."""
    with_ = services()
    row, _ = _own_upload(with_, device, name)
    return answer(upload_state(with_, row))


def register(blueprint: Blueprint) -> None:
    """Add the routes."""
    blueprint.post("/uploads")(open_one)
    blueprint.patch("/uploads/<name>")(append_to)
    blueprint.get("/uploads/<name>")(show)
