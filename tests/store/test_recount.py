"""The recount finds whatever does not fit together; each case is a lie told to the tables."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from idlegrid_server.store import LocalStore
from idlegrid_server.store.recount import recount
from idlegrid_server.store.replay import replay

from .world import ALL, World, result

LIES = {
    "UPDATE host SET n_in_progress = 7 WHERE id = 1": "counts 7 tasks in progress",
    "UPDATE host SET n_valid = 9 WHERE id = 1": "9 valid",
    "UPDATE host SET n_timed_out = 2 WHERE id = 1": "counts 2 timeouts",
    "UPDATE host SET credit_micro = 5 WHERE id = 1": "has 5 micro-credits",
    "UPDATE account SET credit_micro = 5": "account 1 has 5 micro-credits",
    "UPDATE task SET credit_micro = 5 WHERE id = 1": "task 1 says 5 micro-credits",
    "DELETE FROM credit WHERE task_id = 1": "task 1 says 1000000 micro-credits",
    "UPDATE credit SET state = 'pending' WHERE task_id = 1": "its unit 1 is assimilated",
    "UPDATE credit SET host_id = 2 WHERE task_id = 1": "it had 1 and",
    "UPDATE statistic SET micro = 5": "account 0, host 1, app 1",
    "UPDATE credit_spread SET units = 5": "counts 5 agreed units",
    "UPDATE work_unit SET agreed_micro = 5 WHERE id = 1": "counts 0 agreed units in bucket 5",
    "UPDATE host SET recent_micro = 5 WHERE id = 1": "but 1000000 is due",
    "UPDATE account SET recent_micro = 500 WHERE id = 1": "account 1 has 500 recent",
    "UPDATE stage SET assimilated = 2": "stage 1 counts 3 units, 2 assimilated",
    "UPDATE work_unit SET n_unsent = 0 WHERE id = 2": "unit 2 counts 2 tasks, 0 unsent",
    "UPDATE work_unit SET batch_id = 9 WHERE id = 2": "do not belong together",
    "UPDATE work_unit SET canonical_task = 5 WHERE id = 1": "unit 1 is assimilated by task 5",
    "DELETE FROM output": "its place in the index holds nothing",
    "UPDATE task SET manifest = x'00' WHERE id = 1": "manifest is not stored",
    "DELETE FROM file WHERE bytes = 1": "is not stored",
    "UPDATE file SET data = x'00' WHERE bytes = 6": "is stored with 1",
    "UPDATE stage SET dispatchable = 0": "is not dispatchable",
    "UPDATE batch SET state = 'failed'": "is dispatchable while it is running and its batch failed",
    "UPDATE work_unit SET due_at = NULL WHERE id = 2": "no pass will look",
    "UPDATE batch SET revision = 1": "has 0 answers",
    "UPDATE work_unit SET state = 'open', due_at = 1 WHERE id = 1": "the log tells assimilated",
    "UPDATE task SET state = 'unneeded' WHERE id = 6": "task 6 is unneeded, but the log tells",
    "UPDATE host SET state = 'trusted' WHERE id = 1": "host 1 is trusted",
    "UPDATE task SET verdict = 'pending' WHERE id = 1": "verdict 1 is pending",
    "DELETE FROM task WHERE id = 1": "the log tells of task 1, which is gone",
    "DELETE FROM event WHERE kind = 'host' AND to_state = 'new'": "before it was made",
    "UPDATE event SET to_state = 'running' WHERE to_state = 'checking'": "but it was running",
    "DELETE FROM event WHERE detail IS NOT NULL": "but the log tells nothing",
    "UPDATE task SET host_id = 1, state = 'in_progress' WHERE id = 4": "are both of host 1",
    "UPDATE task SET subnet = '10.0.1.0/24' WHERE id = 2": "went to one subnet",
}


@pytest.fixture
def used(local: LocalStore) -> World:
    """A batch of three units: one assimilated, one in progress, one untouched."""
    world = World(local)
    world.batch(3)
    hosts = [world.host(), world.host()]
    for host in hosts:
        (task,) = host.take()
        host.exchange(result(task.task_id, b"x"))
    world.unit_pass()
    hosts[0].take()
    world.check()
    return world


@pytest.mark.parametrize("lie", LIES)
def test_lie_is_found(used: World, database: Path, lie: str) -> None:
    with closing(sqlite3.connect(database)) as db, db:
        assert db.execute(lie).rowcount > 0
    with used.store.reading() as db:
        found = recount(db, ALL)
    assert any(LIES[lie] in line for line in found), found


def test_replay_alone_rebuilds_every_state(used: World) -> None:
    with used.store.reading() as db:
        assert replay(db) == []
