"""Public ids: a permutation nobody can count along, and no way to guess a neighbour."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.web.public_id import ALPHABET, DIGITS, KINDS, PublicIdError, PublicIds

IDS = PublicIds(b"a secret of 32 bytes, or nearly.")
numbers = st.integers(min_value=0, max_value=2**63 - 1)
kinds = st.sampled_from(KINDS)


@given(kind=kinds, number=numbers)
def test_decoding_undoes_encoding(kind, number) -> None:  # type: ignore[no-untyped-def]
    text = IDS.encode(kind, number)
    assert text.startswith(f"{kind}_")
    assert len(text) == len(kind) + 1 + DIGITS
    assert text == text.lower()
    assert IDS.decode(kind, text) == number


@given(kind=kinds, first=numbers, second=numbers)
def test_two_numbers_have_two_ids(kind, first, second) -> None:  # type: ignore[no-untyped-def]
    assert (IDS.encode(kind, first) == IDS.encode(kind, second)) == (first == second)


@given(
    kind=kinds,
    number=st.integers(0, 10**9),
    place=st.integers(0, DIGITS - 1),
    digit=st.sampled_from(ALPHABET),
)
def test_a_changed_digit_names_nothing(kind, number, place, digit) -> None:  # type: ignore[no-untyped-def]
    text = IDS.encode(kind, number)
    at = len(kind) + 1 + place
    changed = text[:at] + digit + text[at + 1 :]
    if changed == text:
        return
    try:
        other = IDS.decode(kind, changed)
    except PublicIdError:
        return
    assert other > 10**12, "a neighbour was found"


@given(st.text(max_size=40))
def test_nonsense_is_told_as_such(text: str) -> None:
    try:
        number = IDS.decode("task", text)
    except PublicIdError:
        return
    assert IDS.encode("task", number) == text, "one number, one text"


@given(number=st.integers(0, 10**9))
def test_kinds_and_secrets_do_not_mix(number: int) -> None:
    text = IDS.encode("task", number)
    with pytest.raises(PublicIdError):
        IDS.decode("wu", text)
    with contextlib.suppress(PublicIdError):
        assert IDS.decode("wu", "wu_" + text.partition("_")[2]) != number
    assert PublicIds(b"another secret 1").encode("task", number) != text


def test_neighbours_look_nothing_alike() -> None:
    texts = [IDS.encode("task", number) for number in range(2000)]
    assert len({text[5:9] for text in texts}) > 1900


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        PublicIds(b"short")
