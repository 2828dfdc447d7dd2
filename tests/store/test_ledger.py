"""The one way in which states change."""

import pytest

from idlegrid_server.domain.transition import InvalidTransition
from idlegrid_server.store import LocalStore
from idlegrid_server.store.ledger import Ledger

from .world import World


def test_steps_are_written_together(local: LocalStore) -> None:
    db = local._writer
    db.begin(write=True)
    ledger = Ledger(db, 7, "host:5")
    before = db.statements
    for task_id in range(50):
        ledger.step("task", task_id, "unsent", "in_progress")
    ledger.write()
    assert db.statements - before == 1
    db.commit()
    world = World(local)
    assert world.story("task", 49) == ["in_progress"]


def test_unknown_step_raises_with_the_whole_story(local: LocalStore) -> None:
    """What stands in the log, and what this command did before, are both told."""
    db = local._writer
    db.begin(write=True)
    ledger = Ledger(db, 7, "pass")
    ledger.step("unit", 3, None, "open", "submitted")
    ledger.write()
    ledger.step("unit", 3, "open", "valid", "quorum")
    with pytest.raises(InvalidTransition) as caught:
        ledger.step("unit", 3, "valid", "failed", "too_many_errors")
    assert caught.value.story == (
        "7: nothing → open (submitted, pass)",
        "7: open → valid (quorum, pass)",
    )
    assert "cannot go from valid to failed" in str(caught.value)
    db.rollback()
