"""Uploads go on where they broke; a download that is not what was named never appears."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from idlegrid import api as api_module
from idlegrid import transfer
from idlegrid.api import Api, ApiError
from idlegrid.fault import InputError
from idlegrid.transfer import download_file, hash_file, upload_file
from idlegrid_shared.manifest import ManifestEntry

from .loopback import Loopback, Say, Seen, problem, say_json, serve

CONTENT = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def small_steps(monkeypatch) -> None:
    monkeypatch.setattr(api_module, "PAUSE_FIRST_S", 0.001)
    monkeypatch.setattr(api_module, "PAUSE_MAX_S", 0.01)
    monkeypatch.setattr(transfer, "CHUNK_BYTES", 1000)


class UploadServer:
    """Keeps what is sent; at chosen requests it stumbles, before or after taking the bytes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.data = b""
        self.patches = 0
        #: number of the PATCH → (take the bytes, what to say)
        self.stumbles: dict[int, tuple[bool, Say]] = {}

    def state(self) -> Say:
        done = len(self.data) == self.size and self.patches > 0
        return say_json({"upload": "up1", "offset": len(self.data), "done": done})

    def __call__(self, seen: Seen) -> Say:
        if seen.method == "POST":
            assert seen.path == "/api/v1/uploads"
            return self.state()
        assert seen.path == "/api/v1/uploads/up1"
        if seen.method == "GET":
            return self.state()
        self.patches += 1
        take, say = self.stumbles.get(self.patches, (True, None))
        if take:
            if int(seen.headers["Upload-Offset"]) != len(self.data):
                return problem(409, "wrong_offset", f"the offset is {len(self.data)}")
            self.data += seen.body
        return say or self.state()


@contextlib.contextmanager
def uploading(tmp_path: Path, size: int) -> Iterator[tuple[UploadServer, Loopback, Api, Path]]:
    path = tmp_path / "some data.bin"
    path.write_bytes(CONTENT[:size])
    kept = UploadServer(size)
    with serve(kept) as server:
        api = Api(server.url, "igt_x", patience_s=2.0)
        try:
            yield kept, server, api, path
        finally:
            api.close()


def test_a_file_goes_in_chunks(tmp_path) -> None:
    heard: list[int] = []
    with uploading(tmp_path, 2500) as (kept, server, api, path):
        entry = upload_file(api, path, on_bytes=heard.append)
    assert kept.data == CONTENT[:2500]
    assert entry.sha256 == hashlib.sha256(CONTENT[:2500]).hexdigest()
    assert json.loads(server.seen[0].body) == {"sha256": entry.sha256, "bytes": 2500}
    assert [seen.method for seen in server.seen] == ["POST", "PATCH", "PATCH", "PATCH"]
    assert heard == [0, 1000, 2000, 2500]


def test_an_empty_file_is_sent_too(tmp_path) -> None:
    with uploading(tmp_path, 0) as (kept, _, api, path):
        assert upload_file(api, path).bytes == 0
    assert kept.patches == 1


@pytest.mark.parametrize("taken", [True, False])
@pytest.mark.parametrize("stumble", [Say(silent=True), Say(503, b""), problem(409, "x", "no")])
def test_a_broken_chunk_is_neither_lost_nor_doubled(tmp_path, taken, stumble) -> None:
    with uploading(tmp_path, 3500) as (kept, server, api, path):
        kept.stumbles = {2: (taken, stumble)}
        upload_file(api, path)
    assert kept.data == CONTENT[:3500]
    assert any(seen.method == "GET" for seen in server.seen)


def test_what_is_there_already_is_not_sent(tmp_path) -> None:
    with uploading(tmp_path, 3500) as (kept, server, api, path):
        kept.data = CONTENT[:3000]
        upload_file(api, path)
        assert [seen.body for seen in server.seen[1:]] == [CONTENT[3000:3500]]
        server.seen.clear()
        upload_file(api, path)
        assert [seen.method for seen in server.seen] == ["POST"]


def test_a_server_that_never_takes_a_chunk_is_given_up(tmp_path) -> None:
    with uploading(tmp_path, 500) as (kept, _, api, path):
        kept.stumbles = {n: (False, Say(503, b"")) for n in range(10_000)}
        api.patience_s = 0.1
        with pytest.raises(ApiError) as caught:
            upload_file(api, path)
    assert caught.value.status == 503


def test_a_file_that_changes_meanwhile_is_told(tmp_path) -> None:
    with uploading(tmp_path, 500) as (kept, _, api, path):
        kept.stumbles = {1: (True, problem(422, "hash_mismatch", "the hash is another"))}
        with pytest.raises(InputError, match="changed while it was sent"):
            upload_file(api, path)
        entry = hash_file(path)
        path.write_bytes(b"short")
        kept.data, kept.stumbles = CONTENT[:300], {}
        with pytest.raises(InputError, match="became shorter"):
            upload_file(api, path, entry)


def test_a_file_that_is_not_there_is_told(tmp_path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*none"):
        hash_file(tmp_path / "none")


def entry_of(data: bytes) -> ManifestEntry:
    return ManifestEntry("out/a.bin", hashlib.sha256(data).hexdigest(), len(data))


def fetch(tmp_path: Path, says: list[Say], data: bytes = CONTENT, patience_s: float = 2.0) -> Path:
    with serve(lambda seen: says.pop(0) if len(says) > 1 else says[0]) as server:
        api = Api(server.url, "igt_x", patience_s=patience_s)
        try:
            download_file(api, "files/x", entry_of(data), tmp_path / "out/a.bin")
        finally:
            api.close()
    return tmp_path / "out/a.bin"


def test_a_download_lands_whole(tmp_path) -> None:
    assert fetch(tmp_path, [Say(200, CONTENT)]).read_bytes() == CONTENT


def test_a_download_that_breaks_is_begun_again(tmp_path) -> None:
    says = [Say(200, CONTENT, cut=700), Say(silent=True), Say(200, CONTENT)]
    assert fetch(tmp_path, says).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (CONTENT[:-1] + b"!", "sent 'out/a.bin' altered"),
        (CONTENT + b"!", "sends more than the 10240 bytes"),
        (CONTENT[:-1], "broke after 10239 of 10240 bytes"),
    ],
)
def test_wrong_bytes_never_appear_under_the_name(tmp_path, body, says) -> None:
    with pytest.raises(ApiError, match=says):
        fetch(tmp_path, [Say(200, body)], patience_s=0.05)
    assert list((tmp_path / "out").iterdir()) == []
