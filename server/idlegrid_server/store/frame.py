"""What travels over the writer's socket: frames of a length and MessagePack.

Request: a command. Answer: ``[ok, payload]``, the payload being the command's result or
``[kind, code, text]`` of the error. A connection carries one request at a time.
"""

import functools
import operator
import struct
from typing import Any

import msgspec

from .command import COMMANDS, Command, StoreError, StoreFailed, StoreRefused, StoreUnavailable

LENGTH = struct.Struct(">I")
FRAME_BYTES_MAX = 64 * 1024 * 1024

_ERRORS: dict[str, type[StoreError]] = {
    "refused": StoreRefused,
    "failed": StoreFailed,
    "error": StoreError,
}

encode = msgspec.msgpack.Encoder().encode
_command = msgspec.msgpack.Decoder(functools.reduce(operator.or_, COMMANDS))
_answers = {
    answer: msgspec.msgpack.Decoder(tuple[bool, answer])  # type: ignore[valid-type]
    for answer in {command.answers for command in COMMANDS}
}
_error = msgspec.msgpack.Decoder(tuple[bool, tuple[str, str, str]])
_OK = encode((True, None))[:2]  # an array of two, the first of them true


def frame(payload: bytes) -> bytes:
    """``payload`` with its length before it."""
    return LENGTH.pack(len(payload)) + payload


def decode_command(payload: bytes) -> Command[Any]:
    """The command of a request; raises ``msgspec.DecodeError``."""
    return _command.decode(payload)  # type: ignore[no-any-return]


def encode_error(error: StoreError) -> bytes:
    """The answer that tells of ``error``."""
    kind = next((k for k, v in _ERRORS.items() if type(error) is v), "failed")
    if isinstance(error, StoreUnavailable):
        kind = "unavailable"
    return encode((False, (kind, error.code, error.text)))


def decode_answer(payload: bytes, command: Command[Any]) -> Any:
    """The result that an answer carries, or the error that it tells of, raised."""
    if payload.startswith(_OK):
        return _answers[command.answers].decode(payload)[1]
    kind, code, text = _error.decode(payload)[1]
    if kind == "unavailable":
        raise StoreUnavailable(text)
    raise _ERRORS.get(kind, StoreFailed)(code, text)
