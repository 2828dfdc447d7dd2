"""What a computer tells projects of itself."""

import platform
from pathlib import Path

import pytest

from idlegrid_client.machine.facts import NAME_VARIABLE, read_machine
from idlegrid_shared.requirement import FEATURES


def test_a_computer_goes_by_its_host_name_or_by_the_name_its_owner_gave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(NAME_VARIABLE, raising=False)
    assert read_machine(tmp_path, 1, 2**30).name == platform.node()[:200]
    monkeypatch.setenv(NAME_VARIABLE, "kitchen")
    assert read_machine(tmp_path, 1, 2**30).name == "kitchen"


def test_cores_and_memory_are_what_may_be_used(tmp_path: Path) -> None:
    machine = read_machine(tmp_path, 3, 2**30)
    assert (machine.cores, machine.memory_bytes) == (3, 2**30)
    assert machine.profiles, "a host without a runtime profile would get no work"


def test_only_features_that_apps_may_ask_for_are_told(tmp_path: Path) -> None:
    machine = read_machine(tmp_path, 1, 2**30)
    assert set(machine.features) <= FEATURES
    if platform.machine() == "x86_64" and platform.system() == "Linux":
        assert "sse3" in machine.features, "every such processor has it"
