"""What a volunteer may paste, and what is refused with a reason."""

import pytest

from idlegrid_client.transfer.address import AddressError, JoinLink, is_loopback, parse_link
from idlegrid_client.transfer.http import Server

ROOT = "5f" * 20


@pytest.mark.parametrize(
    ("text", "link"),
    [
        (f"https://sun.example/join#root={ROOT}", JoinLink("https://sun.example", ROOT)),
        (f" https://sun.example/join#root={ROOT.upper()} ", JoinLink("https://sun.example", ROOT)),
        ("https://sun.example", JoinLink("https://sun.example")),
        ("https://sun.example:8443/grid/join", JoinLink("https://sun.example:8443/grid")),
        ("http://127.0.0.1:8080/", JoinLink("http://127.0.0.1:8080")),
        ("http://localhost:8080/join", JoinLink("http://localhost:8080")),
        ("http://[::1]:8080/join", JoinLink("http://[::1]:8080")),
    ],
)
def test_good_links(text: str, link: JoinLink) -> None:
    assert parse_link(text) == link


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "give the project's link"),
        ("sun.example", "must begin with https://"),
        ("ftp://sun.example", "must begin with https://"),
        ("https://", "must begin with https://"),
        ("https://sun.example:99999", "is no address"),
        ("http://sun.example", "beyond this one only https is safe"),
        ("http://127.evil.example", "only https is safe"),
        ("http://128.0.0.1", "only https is safe"),
        ("https://ada:secret@sun.example", "neither a user's name"),
        ("https://sun.example/join?x=1", "neither a user's name"),
        ("https://sun.example/join#root=abc", "is no fingerprint"),
        ("https://sun.example/join#key=abc", "must be root=FINGERPRINT"),
        ("https://" + "x" * 3000, "give the project's link"),
    ],
)
def test_bad_links_are_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(AddressError, match=words):
        parse_link(text)


def test_plain_http_beyond_loopback_is_refused_even_if_it_came_from_the_disk() -> None:
    with pytest.raises(AddressError, match="not https"):
        Server("http://192.0.2.1:8080")
    assert not is_loopback("192.0.2.1")
    assert is_loopback("127.9.9.9")
