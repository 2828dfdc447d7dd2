"""Somebody on the way: files with other bytes, signed documents that say something else.

What nothing signs (which tasks are cancelled, say) is left alone: only TLS protects that, and no
rule here would hold without it.
"""

import base64
import random
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

SIGNED = {"body", "key", "signature"}


def falsified(data: bytes, headers: Mapping[str, str], rng: random.Random) -> bytes:
    """The same reply with one document, signature or byte of a file changed."""
    if "json" not in headers.get("Content-Type", ""):
        return _other_byte(data, rng)
    try:
        reply = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return data
    documents = list(_documents(reply))
    if not documents:
        return data
    chosen = rng.choice(documents)
    field = rng.choice(("body", "signature", "key", "swap"))
    if field == "swap":  # the right signature of something else that the project signed
        other = rng.choice(documents)
        chosen["body"], chosen["signature"] = other["body"], chosen["signature"]
    elif field == "key":
        chosen["key"] = "00" * 32
    else:
        changed = _other_byte(base64.b64decode(chosen[field]), rng)
        chosen[field] = base64.b64encode(changed).decode()
    return msgspec.json.encode(reply)


def _documents(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value.keys() >= SIGNED:
            yield value
        else:
            for part in value.values():
                yield from _documents(part)
    elif isinstance(value, list):
        for part in value:
            yield from _documents(part)


def _other_byte(data: bytes, rng: random.Random) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
