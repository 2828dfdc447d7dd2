"""Answers in JSON, never cached; and the store's trouble in the words of HTTP."""

import msgspec
from flask import Response

from idlegrid_server.store.command import StoreError, StoreFailed, StoreUnavailable

from .problem import Refusal

BUSY_RETRY_S = 2
_encode = msgspec.json.Encoder().encode
_HEADERS = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]


def answer(message: msgspec.Struct, status: int = 200) -> Response:
    """``message`` as a reply."""
    return Response(_encode(message), status, _HEADERS, direct_passthrough=True)


def store_refusal(error: StoreError) -> Refusal:
    """What a store's error means to the asker; a fault inside the store is raised again."""
    if isinstance(error, StoreUnavailable):
        return Refusal(
            503,
            "busy",
            "The server is busy; try again in a moment. A repeat is recognised as one.",
            retry_after_s=BUSY_RETRY_S,
        )
    if isinstance(error, StoreFailed):
        if error.code == "disk_full":
            return Refusal(503, "disk_full", "The server's disk is full.", retry_after_s=60)
        raise error
    return Refusal(409, error.code, f"{error.text[:1].upper()}{error.text[1:]}.")
