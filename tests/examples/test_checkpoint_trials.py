"""The real programs are interrupted at random moments; nobody can tell it from their results."""

from pathlib import Path

import pytest

from benchmarks.checkpoint import auto_programs, run_trials

TRIALS = 12  # `python -m benchmarks run checkpoint-trials` makes 200


@pytest.mark.timeout(600)
def test_interrupted_runs_of_the_zoo_are_identical(own_folders: object, tmp_path: Path) -> None:
    trials = run_trials(TRIALS, 20, tmp_path)
    assert [trial for trial in trials if not trial.identical] == []
    assert {t.program for t in trials} == {p.app().split.program for p in auto_programs()}


def test_the_programs_are_of_several_kinds() -> None:
    """C and C++; those that declare it are what the bar is about."""
    suffixes = {
        Path(source).suffix
        for program in auto_programs()
        for source in program.app().programs[program.app().split.program].sources
    }
    assert suffixes >= {".c", ".cpp"}
    assert len(auto_programs()) >= 7
