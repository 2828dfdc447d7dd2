"""``idlegrid-server whatif``: what it prints, and for whom."""

import json
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from idlegrid_server.cli.group import cli
from idlegrid_server.config import Config, ProjectSettings
from idlegrid_server.creation import Wanted, create_project
from idlegrid_server.whatif.population import Traits

FEW = ("--units", "30", "--seconds", "3600", "--hosts", "20", "--runs", "3")


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, ["whatif", *map(str, words)])


def test_it_answers_in_words() -> None:
    result = run(*FEW)
    assert result.exit_code == 0, result.output
    for words in ("30 units on 20 hosts", "all done", "tasks per unit", "wrong units", "P90"):
        assert words in " ".join(result.output.split())


def test_it_answers_programs_and_equal_seeds_alike() -> None:
    one, other = run(*FEW, "--json"), run(*FEW, "--json")
    assert one.output == other.output
    answer = json.loads(one.output)
    assert answer["units"] == 30
    assert 2.0 <= answer["tasks_per_unit"] < 3
    assert answer["makespan_h_p50"] <= answer["makespan_h_p90"]


def test_a_ring_is_seen_in_the_wrong_units() -> None:
    many = ("--units", "300", "--seconds", "3600", "--hosts", "60", "--runs", "2", "--json")
    calm = json.loads(run(*many).output)
    bad = json.loads(run(*many, "--ring", "0.3", "--lies", "1").output)
    assert calm["wrong"] == 0
    assert bad["wrong"] > 0
    assert bad["hosts_caught"] > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--replicas", "1"), "replicas must be at least quorum"),
        (("--liars", "0.6", "--ring", "0.6"), "together at most 1"),
        (("--ring", "2"), "2.0 is not in the range"),
    ],
)
def test_what_cannot_be_is_said(words: tuple[str, ...], said: str) -> None:
    result = run(*FEW, *words)
    assert result.exit_code == 2
    assert said in result.output


def test_a_young_project_is_told_that_its_hosts_are_too_few(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    config = Config(project=ProjectSettings(name="Young", url="http://127.0.0.1:9"))
    create_project(folder, Wanted(config=config, lab=True), lambda: time.time_ns() // 1_000)
    result = run(folder, *FEW)
    assert result.exit_code == 0, result.output
    assert "Only 0 hosts of this project" in result.output
    assert "as published figures have them" in " ".join(result.output.split())


def test_a_project_with_hosts_is_resembled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All its hosts are four times as fast as usual: a quarter of the time."""
    command = sys.modules["idlegrid_server.cli.whatif"]
    monkeypatch.setattr(command, "_own_hosts", lambda folder: [Traits(speed=4.0)] * 12)
    words = ("--units", "120", "--seconds", "14400", "--hosts", "12", "--runs", "2", "--json")
    answer = json.loads(run(tmp_path, *words).output)
    assert answer["makespan_h_p50"] == pytest.approx(120 * 2 / 12, rel=0.25)
