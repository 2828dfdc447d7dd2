"""The fault hook: silent in production, strict under a test."""

import pytest

from idlegrid_server import faults


def test_without_a_hook_nothing_happens() -> None:
    faults.reach("store.commit.before")
    faults.reach("a point that nobody listed")


def test_a_hook_sees_each_point_and_may_raise() -> None:
    seen: list[str] = []
    with faults.installed(seen.append):
        faults.reach("store.commit.before")
        faults.reach("store.commit.after")
    faults.reach("store.commit.after")
    assert seen == ["store.commit.before", "store.commit.after"]

    def crash(point: str) -> None:
        raise OSError(point)

    with faults.installed(crash), pytest.raises(OSError, match=r"submit\.claimed"):
        faults.reach("submit.claimed")


def test_a_misspelt_point_is_found() -> None:
    with faults.installed(lambda _: None), pytest.raises(ValueError, match="not listed"):
        faults.reach("store.comit.before")
