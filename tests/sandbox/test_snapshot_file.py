"""A checkpoint's file gives back what was written, or says that it cannot."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_shared.sandbox.snapshot_file import (
    MARK,
    PIECE_BYTES,
    PieceReader,
    PieceWriter,
    SnapshotError,
)

Pieces = list[tuple[int, int, bytes]]

contents = st.one_of(
    st.binary(min_size=1, max_size=300),
    st.builds(lambda size: bytes(size), st.integers(1, 5000)),
    st.builds(lambda size, byte: bytes([byte]) * size, st.integers(1, 3000), st.integers(0, 255)),
)
pieces = st.lists(
    st.tuples(st.integers(1, 255), st.integers(0, 2**40), contents), min_size=0, max_size=8
)


def write(given_pieces: Pieces) -> bytes:
    file = io.BytesIO()
    writer = PieceWriter(file)
    for kind, key, data in given_pieces:
        writer.add(kind, key, data)
    writer.close()
    assert writer.size == len(file.getvalue())
    return file.getvalue()


def read(data: bytes) -> Pieces:
    return list(PieceReader(io.BytesIO(data)).pieces())


@given(pieces)
def test_what_was_written_is_read(given_pieces: Pieces) -> None:
    assert read(write(given_pieces)) == given_pieces


@given(pieces, st.data())
def test_a_file_cut_anywhere_is_refused(given_pieces: Pieces, data: st.DataObject) -> None:
    whole = write(given_pieces)
    end = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(SnapshotError):
        read(whole[:end])


@given(pieces, st.data())
def test_a_file_with_any_bit_flipped_is_refused(given_pieces: Pieces, data: st.DataObject) -> None:
    whole = bytearray(write(given_pieces))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SnapshotError):
        read(bytes(whole))


@given(st.binary(max_size=400))
def test_rubbish_is_refused(rubbish: bytes) -> None:
    for data in (rubbish, MARK + rubbish):
        with pytest.raises(SnapshotError):
            read(data)


def test_something_after_the_end_is_refused() -> None:
    with pytest.raises(SnapshotError, match="follows"):
        read(write([(1, 0, b"x")]) + b"\0")


def test_large_contents_are_split() -> None:
    data = bytes(range(256)) * (PIECE_BYTES // 256) * 2 + b"rest"
    found = read(write([(7, 100, data)]))
    assert [key for _, key, _ in found] == [100, 100 + PIECE_BYTES, 100 + 2 * PIECE_BYTES]
    assert b"".join(part for _, _, part in found) == data
