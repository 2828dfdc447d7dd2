"""Whatever name a guest may give to a file, every system and every manifest can hold it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_shared.manifest import check_name
from idlegrid_shared.sandbox.fault import WasiError
from idlegrid_shared.sandbox.names import check_new_name, fold_name, split_path

NAMES = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1)


def is_allowed(name: str) -> bool:
    try:
        check_new_name(name)
    except WasiError:
        return False
    return True


@pytest.mark.parametrize("name", ["result.csv", "a", ".hidden", "ü", "x" * 200, "console", "com"])
def test_ordinary_names(name: str) -> None:
    assert is_allowed(name)


@pytest.mark.parametrize(
    "name",
    [
        "nul",
        "NUL",
        "Con.txt",
        "com1",
        "LPT9.dat",
        "a.",
        "a:b",
        "a\\b",
        "*",
        "what?",
        '"',
        "<",
        "|",
        "\x7f",
        "aux .log",
        "a ",
        "a\tb",
    ],
)
def test_names_that_some_system_cannot_hold(name: str) -> None:
    assert not is_allowed(name)


@given(NAMES)
def test_what_is_allowed_here_is_allowed_in_a_manifest(name: str) -> None:
    try:
        parts, _ = split_path(name.encode())
    except WasiError:
        return
    if parts == [name] and name != ".." and is_allowed(name):
        assert check_name(name) == name


@given(st.binary(max_size=300))
def test_splitting_never_keeps_an_empty_part_or_a_separator(raw: bytes) -> None:
    try:
        parts, _ = split_path(raw)
    except WasiError:
        return
    for part in parts:
        assert part not in ("", ".")
        assert "/" not in part
        assert "\0" not in part


@given(NAMES)
def test_folding_is_stable(name: str) -> None:
    assert fold_name(fold_name(name)) == fold_name(name)
