"""The REST connection: it repeats what may be repeated, and turns every refusal into words."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from idlegrid import api as api_module
from idlegrid.api import Api, ApiError, check_url
from idlegrid.fault import InputError

from .loopback import Say, Seen, problem, say_json, serve


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch) -> None:
    monkeypatch.setattr(api_module, "PAUSE_FIRST_S", 0.001)
    monkeypatch.setattr(api_module, "PAUSE_MAX_S", 0.01)


@contextlib.contextmanager
def connected(url: str, patience_s: float = 5.0) -> Iterator[Api]:
    api = Api(url, "igt_secret", patience_s=patience_s)
    try:
        yield api
    finally:
        api.close()


def test_a_request_carries_token_and_prefix() -> None:
    with serve(lambda seen: say_json({"name": "x"})) as server, connected(server.url) as api:
        assert api.get("project", dict, {"cursor": "a b"}) == {"name": "x"}
    assert server.seen[0].path == "/api/v1/project?cursor=a+b"
    assert server.seen[0].headers["Authorization"] == "Bearer igt_secret"


@pytest.mark.parametrize(
    "stumble", [Say(502, b""), Say(503, b""), problem(503, "busy", "later"), Say(silent=True)]
)
def test_a_post_is_repeated_with_the_same_key_until_it_is_answered(stumble) -> None:
    def answer(seen: Seen) -> Say:
        return stumble if len(server.seen) < 4 else say_json({"id": "batch_1"}, 201)

    with serve(answer) as server, connected(server.url) as api:
        assert api.post("batches", {"a": 1}, dict) == {"id": "batch_1"}
    assert len(server.seen) == 4
    assert len({seen.headers["Idempotency-Key"] for seen in server.seen}) == 1
    assert {seen.body for seen in server.seen} == {b'{"a":1}'}


def test_a_refusal_is_told_in_the_servers_words_and_not_repeated() -> None:
    said = problem(422, "bad_batch", "the table has 0 lines.", ("line 1: empty",))
    with (
        serve(lambda seen: said) as server,
        connected(server.url) as api,
        pytest.raises(ApiError, match=r"refused: the table has 0 lines$") as caught,
    ):
        api.post("batches", {}, dict)
    assert len(server.seen) == 1
    assert (caught.value.status, caught.value.code) == (422, "bad_batch")
    assert caught.value.detail == "line 1: empty"
    assert caught.value.exit_code == 3


def test_a_bad_token_says_how_to_sign_in() -> None:
    said = problem(401, "bad_token", "this token is not known")
    with (
        serve(lambda seen: said) as server,
        connected(server.url) as api,
        pytest.raises(ApiError, match=r"token is not known; sign in with `idlegrid login"),
    ):
        api.get("project", dict)


def test_a_server_that_is_away_too_long_is_told_as_that() -> None:
    with (
        serve(lambda seen: Say(503, b"")) as server,
        connected(server.url, 0.05) as api,
        pytest.raises(ApiError) as caught,
    ):
        api.get("project", dict)
    assert caught.value.status == 503
    assert len(server.seen) > 1


def test_an_address_where_nobody_listens_is_told_in_words() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with (
            connected(f"http://127.0.0.1:{port}", 0.02) as api,
            pytest.raises(ApiError, match=r"cannot reach .*: connection refused"),
        ):
            api.get("project", dict)


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[1]", b""])
def test_something_that_is_no_project_is_told_as_that(body) -> None:
    with (
        serve(lambda seen: Say(200, body)) as server,
        connected(server.url) as api,
        pytest.raises(ApiError, match="is it an Idlegrid project"),
    ):
        api.get("project", dict[str, str])


def test_a_redirect_is_not_followed_with_the_token() -> None:
    with serve(lambda seen: say_json({})) as other:
        away = Say(302, b"", {"Location": other.url})
        with (
            serve(lambda seen: away) as server,
            connected(server.url) as api,
            pytest.raises(ApiError, match="it sends us elsewhere"),
        ):
            api.get("project", dict)
        assert other.seen == []


def test_a_reply_without_end_is_cut(monkeypatch) -> None:
    monkeypatch.setattr(api_module, "REPLY_BYTES_MAX", 1000)
    with (
        serve(lambda seen: Say(200, b" " * 5000)) as server,
        connected(server.url) as api,
        pytest.raises(ApiError, match="more than the 1000 bytes"),
    ):
        api.get("project", dict)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("project.example", "is no project's address"),
        ("ftp://project.example", "is no project's address"),
        ("http://project.example", "would send your token in plain text"),
        ("https://project.example/#root=1", "has a part behind"),
    ],
)
def test_addresses_that_are_not_taken(url, says) -> None:
    with pytest.raises(InputError, match=says):
        check_url(url)


def test_addresses_that_are_taken() -> None:
    assert check_url("https://project.example/") == "https://project.example"
    assert check_url("http://localhost:80/grid/") == "http://localhost:80/grid"
    assert check_url("http://[::1]:5") == "http://[::1]:5"
