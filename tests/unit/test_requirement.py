"""What a host must have for a stage, and what it is told when it lacks it."""

import pytest

from idlegrid_server.domain.locality import LISTED_MAX, absent, large_files
from idlegrid_server.domain.requirement import (
    HOUSE,
    NAMED_HOSTS,
    Offer,
    Requirement,
    audiences_of,
    own_audience,
    unmet,
)
from idlegrid_shared.requirement import FEATURES_MAX, Requirements

MIB = 1024 * 1024
OFFER = Offer(("engine1",), 4096, 4, 1000, frozenset({"avx2", "fma"}), audiences_of(5, False))


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (Requirement("engine1", 4096, 4, 1000, ("avx2",)), None),
        (Requirement("engine2", 1), "profile"),
        (Requirement("engine1", 4097), "memory"),
        (Requirement("engine1", 1, 5), "cores"),
        (Requirement("engine1", 1, 1, 1001), "disk"),
        (Requirement("engine1", 1, 1, 1, ("avx2", "sve")), "feature"),
        (Requirement("engine1", 1, audience=HOUSE), "named"),
        (Requirement("engine1", 1, audience=NAMED_HOSTS), "named"),
        (Requirement("engine1", 1, audience=own_audience(6)), "named"),
        (Requirement("engine1", 1, audience=own_audience(5)), None),
    ],
)
def test_the_first_thing_that_a_host_lacks_is_told(wanted: Requirement, code: str | None) -> None:
    assert unmet(wanted, OFFER) == code


def test_a_host_belongs_to_its_owner_and_maybe_to_the_project() -> None:
    assert audiences_of(None, False) == ("",)
    assert audiences_of(7, True) == ("", "house", "account:7")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Requirements(cores=0), "between 1 and"),
        (Requirements(disk_bytes=2**60), "more than any host has"),
        (Requirements(features=("avx9",)), "'avx9' is not known"),
        (Requirements(features=("avx",) * (FEATURES_MAX + 1)), "more than 16 features"),
    ],
)
def test_what_no_host_can_have_is_refused(wanted: Requirements, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        wanted.check()


def test_only_large_files_are_listed_and_not_too_many() -> None:
    assert large_files([("a" * 64, MIB), ("b" * 64, MIB - 1)]) == "a" * 16
    assert large_files([]) == ""
    many = large_files((f"{n:064x}"[::-1], MIB) for n in range(1, 500))
    assert len(many.split()) == LISTED_MAX


def test_what_is_absent_is_counted() -> None:
    files = large_files([("a" * 64, MIB), ("b" * 64, MIB)])
    assert absent(files, frozenset()) == 2
    assert absent(files, frozenset({"a" * 16})) == 1
    assert absent("", frozenset()) == 0
