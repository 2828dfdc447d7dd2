"""NPY outputs, read piece by piece by a reader of our own: no code in data, no memory in advance.

The format: six magic bytes, a version, the length of the header, the header as the text of a
Python dictionary with `descr`, `fortran_order` and `shape`, then the elements. Source: "NumPy
Enhancement Proposal 1 and numpy.lib.format". Only what is plain is read: numbers, booleans, times
and fixed text; structured types and Python objects are refused.
"""

import re
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from .fault import UnreadableError
from .limits import ARRAY_BYTES_MAX, CHUNK_BYTES, DIMENSIONS_MAX, short
from .number import Column, Number, near
from .rule import FieldRule, FileRule, Validator

MAGIC = b"\x93NUMPY"
HEADER_BYTES_MAX = 64 * 1024
_HEADER = re.compile(
    r"\{\s*'descr':\s*'(?P<descr>[^'\\]{1,32})',\s*'fortran_order':\s*(?P<fortran>True|False),"
    r"\s*'shape':\s*\((?P<shape>[0-9, ]*)\),?\s*\}\s*"
)
_DESCR = re.compile(r"([<>|=])([biufcSUmM])([0-9]{1,5})(\[[0-9a-zA-Z]{1,16}\])?")
#: (kind, bytes) → struct's letter, numbers of an element, its name as a rule tells it.
_NUMBERS: dict[tuple[str, int], tuple[str, int, str]] = {
    ("b", 1): ("?", 1, "bool"),
    **{("i", 2**n): (code, 1, f"int{8 * 2**n}") for n, code in enumerate("bhiq")},
    **{("u", 2**n): (code, 1, f"uint{8 * 2**n}") for n, code in enumerate("BHIQ")},
    ("f", 2): ("e", 1, "float16"),
    ("f", 4): ("f", 1, "float32"),
    ("f", 8): ("d", 1, "float64"),
    ("c", 8): ("f", 2, "complex64"),
    ("c", 16): ("d", 2, "complex128"),
}


class Head(NamedTuple):
    """What an array is before its elements come."""

    order: str  # struct's sign for the order of bytes
    code: str  # struct's letter; "" = no numbers
    numbers: int  # of an element: two for complex ones
    dtype: str
    fortran: bool
    shape: tuple[int, ...]
    size: int  # bytes of all elements


def read_head(stream: BinaryIO) -> Head:
    """The header; the stream then stands at the first element. Raises ``UnreadableError``."""
    start = _exactly(stream, 8)
    if start[:6] != MAGIC:
        raise UnreadableError("it does not begin as an NPY file does")
    major = start[6]
    if major not in (1, 2, 3):
        raise UnreadableError(f"it is of version {major} of the NPY format, which is not known")
    width = 2 if major == 1 else 4
    length = int.from_bytes(_exactly(stream, width), "little")
    if length > HEADER_BYTES_MAX:
        raise UnreadableError(f"its header has more than {HEADER_BYTES_MAX} bytes")
    text = _exactly(stream, length).decode("latin-1")
    match = _HEADER.fullmatch(text)
    descr = _DESCR.fullmatch(match["descr"]) if match is not None else None
    if match is None or descr is None:
        raise UnreadableError(
            f"its header {short(text)} is not understood: arrays of numbers, times and text are"
        )
    lengths = [part for part in match["shape"].replace(" ", "").split(",") if part]
    if len(lengths) > DIMENSIONS_MAX or any(len(part) > 15 for part in lengths):
        raise UnreadableError("its shape is beyond reading")
    shape = tuple(int(part) for part in lengths)
    return _head(descr, match["fortran"] == "True", shape)


def _head(descr: re.Match[str], fortran: bool, shape: tuple[int, ...]) -> Head:
    sign, kind, width = descr[1], descr[2], int(descr[3])
    code, numbers, dtype = _NUMBERS.get((kind, width), ("", 1, ""))
    if kind in "biufc" and not code:
        raise UnreadableError(f"its elements are of the type {descr[0]}, which is not read")
    width *= 4 if kind == "U" else 1
    count = 1
    for length in shape:
        count *= length
    size = count * width
    if size > ARRAY_BYTES_MAX:
        raise UnreadableError(f"its elements take more than {ARRAY_BYTES_MAX} bytes")
    order = ">" if sign == ">" else "<"
    # Elements that are no numbers are compared as bytes: the order of those must be the same.
    return Head(order, code, numbers, dtype or descr[0], fortran and len(shape) > 1, shape, size)


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise UnreadableError("it ends too early")
    return data


def _chunks(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """All elements' bytes and nothing more; pieces hold whole elements."""
    left = size
    while left:
        piece = _exactly(stream, min(CHUNK_BYTES, left))
        left -= len(piece)
        yield piece
    if stream.read(1):
        raise UnreadableError("more bytes follow than its header tells")


def _values(head: Head, piece: bytes) -> tuple[Number, ...]:
    count = len(piece) // struct.calcsize("<" + head.code)
    return struct.unpack(f"{head.order}{count}{head.code}", piece)


def check_array(
    validator: Validator, rule: FileRule, stream: BinaryIO, beat: Callable[[], None]
) -> str:
    """The first breach of a check, in words, or nothing; raises ``UnreadableError``."""
    return check_elements(rule.field("*"), stream, beat)


def check_elements(rule: FieldRule, stream: BinaryIO, beat: Callable[[], None]) -> str:
    """The same for one array by its rule."""
    head = read_head(stream)
    breach = _head_breach(rule, head)
    column = Column(rule, "")
    place = 0
    for piece in _chunks(stream, head.size):
        beat()
        if not rule.looks_at_numbers or breach:
            continue
        for value in _values(head, piece):
            column.take(value, f"element {place // head.numbers}")
            place += 1
        breach = column.breach
    return breach or column.end()


def _head_breach(rule: FieldRule, head: Head) -> str:
    if rule.dtype and head.dtype != rule.dtype:
        return f"its elements are {head.dtype}, not {rule.dtype}"
    wanted = rule.shape
    if wanted is not None and not (
        len(wanted) == len(head.shape)
        and all(w in (-1, n) for w, n in zip(wanted, head.shape, strict=True))
    ):
        return f"its shape is {list(head.shape)}, not {list(wanted)}"
    if rule.looks_at_numbers and not head.code:
        return f"its elements are {head.dtype}, no numbers"
    if head.numbers > 1 and (rule.min is not None or rule.max is not None or rule.order):
        return f"its elements are {head.dtype}, which have no order"
    return ""


def compare_arrays(
    validator: Validator, rule: FileRule, a: BinaryIO, b: BinaryIO, beat: Callable[[], None]
) -> str:
    """The first difference, in words, or nothing; raises ``UnreadableError``."""
    own = rule.field("*")
    return compare_elements(own, validator.tolerance(rule, own), a, b, beat)


def compare_elements(
    rule: FieldRule,
    tolerance: tuple[float, float],
    a: BinaryIO,
    b: BinaryIO,
    beat: Callable[[], None],
) -> str:
    """The same for two arrays by their rule. Complex numbers agree in both of their parts."""
    head, other = read_head(a), read_head(b)
    if rule.compare == "ignore":
        return ""
    if head != other:
        return (
            f"{head.dtype} {list(head.shape)} and {other.dtype} {list(other.shape)}"
            if (head.dtype, head.shape) != (other.dtype, other.shape)
            else "the elements lie in another order"
        )
    rel, abs_ = tolerance
    place = 0
    for x, y in zip(_chunks(a, head.size), _chunks(b, head.size), strict=True):
        beat()
        if x != y:
            if rule.compare == "exact" or not head.code:
                return f"other bytes from element {place // head.numbers} on"
            for i, (p, q) in enumerate(zip(_values(head, x), _values(head, y), strict=True)):
                if p != q and not near(p, q, rel, abs_):
                    return f"element {(place + i) // head.numbers}: {p!r} and {q!r}"
        place += len(x) // struct.calcsize("<" + head.code) if head.code else 0
    return ""
