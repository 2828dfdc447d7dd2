"""A short run of every fuzz target, the same each time; ``make fuzz`` is the long one."""

import pytest

from idlegrid_shared.sandbox.names import split_path

from . import path_target
from .engine import check_some, feed_by_hypothesis
from .source import Source, Target
from .target import TARGETS
from .tree_model import Errno, Model
from .tree_target import SEEDS, Play

EXAMPLES = 300


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_run_is_clean(name: str) -> None:
    check_some(TARGETS[name], examples=EXAMPLES, number=1)


def test_a_bug_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A splitter that lets absolute paths pass: the target notices, and says by which bytes."""
    monkeypatch.setattr(path_target, "split_path", lambda raw: split_path(raw.lstrip(b"/")))
    target = Target("broken", path_target.run, path_target.TARGET.seeds)
    assert not feed_by_hypothesis(target, seconds=20)
    assert "broken" in capsys.readouterr().out


def test_a_wrong_file_system_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that forgets one rule differs from the file system within a short run."""
    monkeypatch.setattr(Model, "check_place", lambda self, folder, name, moved=None: None)
    with pytest.raises((AssertionError, Errno)):
        check_some(TARGETS["tree"], examples=EXAMPLES, number=1)


def test_the_seeds_reach_deep_enough() -> None:
    """At least one seed makes and fills files: a target must not test nothing but errors."""
    deepest = 0
    for data in SEEDS:
        play, source = Play({}), Source(data)
        play.model = Model({})
        while source:
            play.step(source)
        deepest = max(deepest, play.desk.files.next_inode)
        play.finish()
    assert deepest >= 10
