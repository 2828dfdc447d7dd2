"""The folder of files: nothing half-written is ever seen under its hash, whatever dies when."""

import hashlib
import io
from pathlib import Path

import pytest

from idlegrid_server import faults
from idlegrid_server.files import (
    ContentStore,
    OffsetMismatch,
    PartialUploads,
    TooLarge,
    WrongHash,
)

DATA = bytes(range(256)) * 5_000
DIGEST = hashlib.sha256(DATA).digest()
WRITE_POINTS = (
    "files.write.before",
    "files.write.after",
    "files.sync.after",
    "files.rename.after",
    "files.folder_sync.after",
)


class Died(Exception):  # noqa: N818
    """The power went."""


@pytest.fixture
def files(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "the files")


@pytest.fixture
def uploads(tmp_path: Path, files: ContentStore) -> PartialUploads:
    return PartialUploads(tmp_path / "uploads", files)


def test_a_file_is_found_under_its_hash(files: ContentStore) -> None:
    stored = files.put(io.BytesIO(DATA), DIGEST, len(DATA))
    assert (stored.sha256, stored.size) == (DIGEST, len(DATA))
    name = DIGEST.hex()
    assert files.path(DIGEST) == files.folder / name[:2] / name[2:4] / name
    with files.open(DIGEST) as file:
        assert file.read() == DATA
    assert files.read_range(DIGEST, 1000, 10) == DATA[1000:1010]
    assert files.put(io.BytesIO(DATA), None, len(DATA)) == stored, "a repeat is no harm"
    assert files.free_bytes() > 0
    with pytest.raises(FileNotFoundError):
        files.open(b"\0" * 32)


def test_wrong_and_large_content_leaves_nothing(files: ContentStore) -> None:
    with pytest.raises(WrongHash, match=DIGEST.hex()):
        files.put(io.BytesIO(b"other"), DIGEST, 100)
    with pytest.raises(TooLarge, match="100 bytes"):
        files.put(io.BytesIO(DATA), DIGEST, 100)
    assert [p for p in files.folder.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("point", WRITE_POINTS)
def test_a_death_at_any_point_shows_all_or_nothing(files: ContentStore, point: str) -> None:
    reached = []

    def die(here: str) -> None:
        reached.append(here)
        if here == point:
            raise Died(here)

    with faults.installed(die), pytest.raises(Died):
        files.put(io.BytesIO(DATA), DIGEST, len(DATA))
    assert reached[-1] == point
    seen = files.path(DIGEST)
    named = point in ("files.rename.after", "files.folder_sync.after")
    assert seen.exists() == named
    if named:
        assert seen.read_bytes() == DATA
    files.put(io.BytesIO(DATA), DIGEST, len(DATA))
    assert seen.read_bytes() == DATA


def test_a_copy_comes_in_from_another_place(files: ContentStore, tmp_path: Path) -> None:
    source = tmp_path / "output"
    source.write_bytes(DATA)
    files.store(source, DIGEST)
    files.store(source, DIGEST)
    assert files.path(DIGEST).read_bytes() == DATA
    assert source.exists()
    with pytest.raises(WrongHash):
        files.store(source, hashlib.sha256(b"something else").digest())


def test_an_upload_grows_and_becomes_a_file(files: ContentStore, uploads: PartialUploads) -> None:
    assert uploads.offset("up") == 0
    assert uploads.append("up", 0, io.BytesIO(DATA[:1000]), len(DATA)) == 1000
    with pytest.raises(OffsetMismatch) as told:
        uploads.append("up", 900, io.BytesIO(DATA[900:]), len(DATA))
    assert told.value.offset == 1000
    assert uploads.append("up", 1000, io.BytesIO(DATA[1000:]), len(DATA)) == len(DATA)
    assert not files.path(DIGEST).exists(), "not before it is verified"
    assert uploads.finish("up", DIGEST, inline_max=100) is None
    assert files.path(DIGEST).read_bytes() == DATA
    assert uploads.offset("up") == 0


def test_small_uploads_are_handed_over(files: ContentStore, uploads: PartialUploads) -> None:
    uploads.append("small", 0, io.BytesIO(b"abc"), 3)
    digest = hashlib.sha256(b"abc").digest()
    assert uploads.finish("small", digest, inline_max=100) == b"abc"
    assert uploads.offset("small") == 3, "kept until its row is durable"
    uploads.drop("small")
    uploads.drop("small")
    assert uploads.offset("small") == 0
    assert not files.path(digest).exists()


def test_a_wrong_upload_is_thrown_away(uploads: PartialUploads) -> None:
    uploads.append("up", 0, io.BytesIO(b"abc"), 3)
    with pytest.raises(WrongHash):
        uploads.finish("up", DIGEST, inline_max=0)
    assert uploads.offset("up") == 0


def test_too_much_is_not_kept(uploads: PartialUploads) -> None:
    uploads.append("up", 0, io.BytesIO(b"abc"), 5)
    with pytest.raises(TooLarge):
        uploads.append("up", 3, io.BytesIO(b"defg"), 5)
    assert uploads.offset("up") == 3


@pytest.mark.parametrize("point", ["files.upload.append.before", "files.upload.append.after"])
def test_a_death_while_appending_is_gone_on_from(uploads: PartialUploads, point: str) -> None:
    def die(here: str) -> None:
        if here == point:
            raise Died(here)

    with faults.installed(die), pytest.raises(Died):
        uploads.append("up", 0, io.BytesIO(DATA[:5000]), len(DATA))
    offset = uploads.offset("up")
    assert offset == (5000 if point.endswith("after") else 0)
    uploads.append("up", offset, io.BytesIO(DATA[offset:]), len(DATA))
    assert uploads.finish("up", DIGEST, inline_max=0) is None


def test_a_name_cannot_leave_the_folder(uploads: PartialUploads) -> None:
    for name in ("", "../x", "a/b", "a.b", "a\0b"):
        with pytest.raises(ValueError, match="cannot be the name"):
            uploads.append(name, 0, io.BytesIO(b"x"), 1)


def test_drafts_of_the_dead_are_cleared_away(files: ContentStore) -> None:
    def die(here: str) -> None:
        if here == "files.write.after":
            raise KeyboardInterrupt

    draft = files.folder / "drafts" / "left"
    draft.parent.mkdir(parents=True)
    draft.write_bytes(b"half")
    now = draft.stat().st_mtime
    assert files.drop_old_drafts(now - 60) == 0
    assert files.drop_old_drafts(now + 60) == 1
    assert not draft.exists()
    with faults.installed(die), pytest.raises(KeyboardInterrupt):
        files.put(io.BytesIO(DATA), DIGEST, len(DATA))
    assert files.drop_old_drafts(now + 10**6) == 0, "the living tidy up behind themselves"
