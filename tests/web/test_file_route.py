"""GET /files: public files for everybody, private ones with a ticket, nothing else."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.store import command as c
from idlegrid_server.web.peer import Peers
from idlegrid_server.web.ticket import Tickets

from .world import US, World, code_of

BIG = bytes(range(256)) * 1_000


@pytest.fixture
def public(world: World) -> str:
    """A large public file, in the folder; its hash."""
    import io

    stored = world.files.put(io.BytesIO(BIG), None, len(BIG))
    world.store.execute(
        c.AddFile(now=world.clock(), sha256=stored.sha256, size=stored.size, public=True)
    )
    return stored.sha256.hex()


def test_a_public_file_is_immutable_and_an_attachment(world: World, public: str) -> None:
    response = world.http.get(f"/files/{public}", buffered=True)
    assert response.data == BIG
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"] == f"attachment; filename={public}"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in response.headers["Cache-Control"]
    assert "Set-Cookie" not in response.headers
    etag = response.headers["ETag"]
    again = world.http.get(f"/files/{public}", headers={"If-None-Match": etag}, buffered=True)
    assert (again.status_code, again.data) == (304, b"")
    assert world.http.head(f"/files/{public}", buffered=True).headers["Content-Length"] == str(
        len(BIG)
    )


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-99", 0, 100), ("bytes=1000-", 1000, None), ("bytes=-50", -50, None)],
)
def test_ranges(world: World, public: str, asked: str, start: int, end: int | None) -> None:
    response = world.http.get(f"/files/{public}", headers={"Range": asked}, buffered=True)
    assert response.status_code == 206
    assert response.data == BIG[start:end]
    assert response.headers["Content-Range"].endswith(f"/{len(BIG)}")


def test_a_range_beyond_the_end(world: World, public: str) -> None:
    response = world.http.get(f"/files/{public}", headers={"Range": f"bytes={len(BIG)}-"})
    assert code_of(response) == (416, "bad_range")
    assert response.headers["Content-Range"] == f"bytes */{len(BIG)}"


def test_small_files_answer_ranges_too(world: World) -> None:
    given = world.add_file(b"0123456789", public=True)
    response = world.http.get(f"/files/{given.sha256}", headers={"Range": "bytes=2-4"})
    assert (response.status_code, response.data) == (206, b"234")


def test_a_private_file_needs_its_own_ticket(world: World) -> None:
    given = world.add_file(b"private", account=world.admin)
    other = world.add_file(b"other", account=world.admin)
    make = world.services.tickets.make
    until = world.clock() + 60 * US
    good = make("task_x", given.sha256, until)
    assert world.http.get(f"/files/{given.sha256}?token={good}").data == b"private"
    for bad in (
        "",
        "x",
        "a.b.c",
        good[:-1],
        "task_y" + good[6:],
        make("task_x", other.sha256, until),
    ):
        assert code_of(world.http.get(f"/files/{given.sha256}?token={bad}")) == (404, "not_found")
    world.clock.pass_s(60)
    assert world.http.get(f"/files/{given.sha256}?token={good}").status_code == 404


def test_private_and_absent_files_look_alike(world: World) -> None:
    given = world.add_file(b"private", account=world.admin)
    there = world.http.get(f"/files/{given.sha256}")
    absent = world.http.get(f"/files/{hashlib.sha256(b'no').hexdigest()}")
    assert (there.status_code, there.data) == (absent.status_code, absent.data) == (404, there.data)


def test_a_file_that_is_lost_from_the_folder_is_an_incident(world: World, public: str) -> None:
    world.files.path(bytes.fromhex(public)).unlink()
    assert code_of(world.http.get(f"/files/{public}", buffered=True)) == (404, "not_found")
    assert world.incidents() == {"file_lost": 1}


@given(
    owner=st.text("abcdefgh_234567", min_size=1),
    until=st.integers(1, 10**9),
    text=st.text(max_size=60),
)
def test_no_other_text_is_a_ticket(owner: str, until: int, text: str) -> None:
    tickets = Tickets(b"s" * 32)
    good = tickets.make(owner, "ab" * 32, until * US)
    assert tickets.check(good, "ab" * 32, until * US - 1) == owner
    assert tickets.check(good, "ab" * 32, until * US) is None
    assert text == good or tickets.check(text, "ab" * 32, 0) is None
    assert Tickets(b"z" * 32).check(good, "ab" * 32, 0) is None


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_only_trusted_proxies_are_believed(remote: str, forwarded: str, address: str) -> None:
    peers = Peers(("10.0.0.0/8",))
    environ = {"REMOTE_ADDR": remote, "HTTP_X_FORWARDED_FOR": forwarded}
    assert peers.address(environ) == address


@pytest.mark.parametrize(
    ("address", "subnet"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("", ""),
    ],
)
def test_subnets(address: str, subnet: str) -> None:
    assert Peers().subnet({"REMOTE_ADDR": address}) == subnet
