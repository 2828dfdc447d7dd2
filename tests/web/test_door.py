"""What is refused before a request is read any further: signatures, sizes, encodings, versions."""

import gzip

import msgspec
import pytest
import zstandard

from idlegrid_shared import wire
from idlegrid_shared.signing import new_key

from .world import Host, World, code_of, problem_of

EXCHANGE = "/rpc/v1/exchange"


def body_of(host: Host) -> tuple[bytes, str]:
    request = host.request()
    return msgspec.json.encode(request), request.request_id


def test_a_signature_over_other_bytes_is_refused(world: World, host: Host) -> None:
    body, request_id = body_of(host)
    response = host.send("POST", EXCHANGE, body, request_id=request_id, signed_body=body + b" ")
    assert code_of(response) == (401, "bad_signature")
    assert world.incidents() == {"bad_signature": 1}


def test_a_signature_for_another_path_is_refused(world: World, host: Host) -> None:
    body, request_id = body_of(host)
    other = Host(world, host.key)
    other.http = host.http
    headers = {}

    def keep(*_: object, **more: object) -> None:
        headers.update(more["headers"])  # type: ignore[call-overload]

    other.http = type("Kept", (), {"open": staticmethod(keep)})()  # type: ignore[assignment]
    other.send("POST", "/rpc/v1/detach", body, request_id=request_id)
    response = host.http.post(EXCHANGE, data=body, headers=headers)
    assert code_of(response) == (401, "bad_signature")


@pytest.mark.parametrize(
    "headers",
    [
        {wire.DEVICE_HEADER: "not hex"},
        {wire.DEVICE_HEADER: ""},
        {wire.SIGNATURE_HEADER: ""},
        {wire.SIGNATURE_HEADER: "%%%"},
        {wire.REQUEST_HEADER: "short"},
        {wire.REQUEST_HEADER: "x" * 100},
        {wire.DEVICE_HEADER: "00" * 32},
    ],
)
def test_headers_that_make_no_sense_are_refused(host: Host, headers: dict[str, str]) -> None:
    body, request_id = body_of(host)
    response = host.send("POST", EXCHANGE, body, request_id=request_id, headers=headers)
    assert code_of(response) == (401, "bad_signature")


def test_another_devices_key_does_not_open_this_ones_door(world: World, host: Host) -> None:
    thief = Host(world, new_key())
    thief.device = host.device
    assert code_of(thief.send_exchange(thief.request())) == (401, "bad_signature")


def test_the_request_id_of_header_and_body_must_be_one(host: Host) -> None:
    body, _ = body_of(host)
    response = host.send("POST", EXCHANGE, body, request_id="something-else")
    assert code_of(response) == (400, "malformed")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "Input data was truncated"),
        (b"{", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"request_id":"request-0001"}', "seq"),
        (b'{"request_id":"request-0001","seq":0}', "seq"),
        (b'{"request_id":"request-0001","seq":1,"held":"task"}', "held"),
        (b"\xff\xfe", "malformed"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_where(
    world: World, host: Host, body: bytes, words: str
) -> None:
    response = host.send("POST", EXCHANGE, body)
    assert code_of(response) == (400, "malformed")
    assert words in problem_of(response).detail
    assert world.incidents() == {"malformed": 1}


@pytest.mark.parametrize("version", [0, 2, 99])
def test_another_protocol_version_is_told_to_upgrade(
    world: World, host: Host, version: int
) -> None:
    response = host.send_exchange(host.request(protocol=version))
    assert code_of(response) == (426, "upgrade")
    assert f"the client {version}" in problem_of(response).detail


def test_a_newer_form_of_request_is_told_to_upgrade_and_not_that_it_is_malformed(
    host: Host,
) -> None:
    body = b'{"protocol":7,"something":"that this version cannot know"}'
    assert code_of(host.send("POST", EXCHANGE, body)) == (426, "upgrade")


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_packed_bodies_are_read(host: Host, encoding: str) -> None:
    body, request_id = body_of(host)
    packed = gzip.compress(body) if encoding == "gzip" else zstandard.compress(body)
    headers = {"Content-Encoding": encoding}
    response = host.send("POST", EXCHANGE, packed, request_id=request_id, headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_refused_without_being_unpacked(world: World, host: Host, encoding: str) -> None:
    bomb = b"0" * (200 * 2**20)
    packed = gzip.compress(bomb, 1) if encoding == "gzip" else zstandard.compress(bomb)
    del bomb
    assert len(packed) < 2**20
    response = host.send("POST", EXCHANGE, packed, headers={"Content-Encoding": encoding})
    assert code_of(response) == (413, "too_large")
    assert world.incidents() == {"too_large": 1}


@pytest.mark.parametrize(
    ("encoding", "body", "code"),
    [
        ("gzip", b"this is no gzip", (400, "malformed")),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-4], (400, "malformed")),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"more", (400, "malformed")),
        ("zstd", b"this is no zstd", (400, "malformed")),
        ("zstd", zstandard.compress(b"{}") * 2, (400, "malformed")),
        ("br", b"whatever", (415, "unknown_encoding")),
    ],
)
def test_damaged_packing_is_refused(
    host: Host, encoding: str, body: bytes, code: tuple[int, str]
) -> None:
    response = host.send("POST", EXCHANGE, body, headers={"Content-Encoding": encoding})
    assert code_of(response) == code


def test_a_body_over_the_limit_is_refused(world: World, host: Host) -> None:
    body = b" " * (wire.BODY_BYTES_MAX + 1)
    assert code_of(host.send("POST", EXCHANGE, body)) == (413, "too_large")
    assert world.incidents() == {"too_large": 1}


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/rpc/v1/exchange", (405, "method_not_allowed")),
        ("GET", "/rpc/v1/nothing", (404, "not_found")),
        ("GET", "/files/abc", (404, "not_found")),
        ("GET", "/files/" + "0" * 64, (404, "not_found")),
    ],
)
def test_every_error_is_told_as_problem_details(
    world: World, method: str, path: str, code: tuple[int, str]
) -> None:
    assert code_of(world.http.open(path, method=method)) == code


def test_a_fault_of_the_server_is_told_by_a_number_that_the_admin_finds(
    world: World, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(type(world.services.scheduler), "exchange", broken)
    response = host.send_exchange(host.request())
    assert code_of(response) == (500, "fault")
    detail = problem_of(response).detail
    assert "secret" not in detail
    from idlegrid_server.store.sql.account import INCIDENTS_NEWEST

    with world.store.reading() as db:
        (row,) = db.fetch_all(INCIDENTS_NEWEST, limit=10)
    number = detail.rstrip(".").rsplit(" ", 1)[-1]
    assert row.code == "fault"
    assert number in row.text
