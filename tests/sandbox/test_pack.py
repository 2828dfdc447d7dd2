"""Packs: one form for equal contents, readable by any unzip, and nothing else is believed."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_shared.sandbox.pack import PackError, read_index, write_pack

NAMES = st.lists(
    st.text(
        st.characters(exclude_characters="/\\\0", exclude_categories=["Cs"]), min_size=1
    ).filter(lambda part: part not in (".", "..") and len(part.encode()) <= 60),
    min_size=1,
    max_size=3,
).map("/".join)
FILES = st.dictionaries(NAMES, st.binary(max_size=200), min_size=1, max_size=8)


def contents(pack: bytes) -> dict[str, bytes]:
    return {name: pack[at : at + size] for name, at, size in read_index(io.BytesIO(pack))}


@given(FILES)
def test_what_is_packed_is_found_again_whatever_reads_it(files: dict[str, bytes]) -> None:
    pack = write_pack(files)
    assert contents(pack) == files
    with zipfile.ZipFile(io.BytesIO(pack)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files
    assert write_pack(dict(reversed(files.items()))) == pack, "the order of making shows"


@given(FILES, st.data())
def test_an_altered_pack_is_refused_or_differs_only_in_contents(
    files: dict[str, bytes], data: st.DataObject
) -> None:
    """A flipped byte lies in a member's bytes (its checksum is the pack's hash), or is noticed."""
    pack = bytearray(write_pack(files))
    at = data.draw(st.integers(0, len(pack) - 1))
    pack[at] ^= data.draw(st.integers(1, 255))
    try:
        members = read_index(io.BytesIO(bytes(pack)))
    except PackError:
        return
    assert any(start <= at < start + size for _, start, size in members)
    assert {name: size for name, _, size in members} == {n: len(d) for n, d in files.items()}


@given(st.binary(max_size=300))
def test_noise_is_no_pack(data: bytes) -> None:
    with pytest.raises(PackError):
        read_index(io.BytesIO(data))


@given(FILES, st.binary(min_size=1, max_size=20))
def test_nothing_may_stand_before_behind_or_between(files: dict[str, bytes], more: bytes) -> None:
    pack = write_pack(files)
    for altered in (more + pack, pack + more):
        with pytest.raises(PackError):
            read_index(io.BytesIO(altered))


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_an_ordinary_zip_is_not_canonical(compression: int) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("main.py", "print(1)\n" * 50)
    with pytest.raises(PackError):
        read_index(file)


@pytest.mark.parametrize(
    "name", ["", "/a", "../a", "a/../b", "a//b", "./a", "a/", "a\0b", "a\\b", "x" * 256, "\udc80"]
)
def test_names_that_are_no_plain_relative_path(name: str) -> None:
    with pytest.raises(PackError, match="no plain relative path"):
        write_pack({name: b""})


def test_an_empty_pack_and_too_many_files() -> None:
    with pytest.raises(PackError, match="1 to 5000 files"):
        write_pack({})
    with pytest.raises(PackError, match="1 to 5000 files"):
        write_pack({f"f{n}": b"" for n in range(5001)})
