"""Reading request bodies: unpacked within bounds, decoded with the reason if they cannot be."""

import zlib
from typing import TypeVar

import msgspec
import zstandard
from flask import Request

from .access import Device, body_bytes_max, read_body, too_large
from .problem import Refusal, malformed
from .services import Services

T = TypeVar("T")

GZIP_WINDOW = 16 + zlib.MAX_WBITS
ZSTD_WINDOW_MAX = 8 * 1024 * 1024


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding.

    Never makes more than ``limit`` bytes: raises ``OverflowError`` for more, ``ValueError`` for
    what cannot be unpacked, and a 415 :class:`Refusal` for an unknown encoding.
    """
    if encoding in ("", "identity"):
        if len(body) > limit:
            raise OverflowError
        return body
    if encoding == "gzip":
        return _gunzip(body, limit)
    if encoding == "zstd":
        return _unzstd(body, limit)
    raise Refusal(
        415,
        "unknown_encoding",
        f"Content-Encoding {encoding[:40]!r} is not known; use gzip or zstd.",
    )


def _gunzip(body: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(GZIP_WINDOW)
    try:
        data = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise ValueError(f"the gzip data is damaged ({error})") from error
    if len(data) > limit:
        raise OverflowError
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("the gzip data breaks off, or has something behind its end")
    return data


def _unzstd(body: bytes, limit: int) -> bytes:
    try:
        unpacker = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_MAX)
        with unpacker.stream_reader(body, read_across_frames=False) as reader:
            data = reader.read(limit + 1)
            whole = len(data) > limit or not reader.read(1)
    except zstandard.ZstdError as error:
        raise ValueError(f"the zstd data is damaged ({error})") from error
    if len(data) > limit:
        raise OverflowError
    if not whole:
        raise ValueError("the zstd data has something behind its end")
    return data


def device_body(with_: Services, asked: Request, device: Device) -> bytes:
    """A device's request body, unpacked; raises a 400, 413 or 415 :class:`Refusal`."""
    encoding = asked.environ.get("HTTP_CONTENT_ENCODING", "")
    limit = body_bytes_max(with_)
    try:
        return unpack(device.body, encoding, limit)
    except OverflowError:
        raise too_large(with_, asked, limit) from None
    except ValueError as error:
        with_.incidents.record("malformed", device.subnet, str(error))
        raise malformed(f"The body cannot be unpacked: {error}.") from error


def decode(with_: Services, asked: Request, data: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """``data`` as a message; raises a 400 :class:`Refusal` that says where it is wrong."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        with_.incidents.record("malformed", with_.peers.subnet(asked.environ), str(error))
        raise malformed(f"The body cannot be read: {error}.") from error


def json_body(with_: Services, asked: Request, decoder: "msgspec.json.Decoder[T]") -> T:
    """A plain JSON body as a message; raises a 400, 413 or 415 :class:`Refusal`."""
    encoding = asked.headers.get("Content-Encoding", "")
    limit = body_bytes_max(with_)
    try:
        data = unpack(read_body(with_, asked), encoding, limit)
    except OverflowError:
        raise too_large(with_, asked, limit) from None
    except ValueError as error:
        raise malformed(f"The body cannot be unpacked: {error}.") from error
    return decode(with_, asked, data, decoder)
