"""The process dies at any point of any commit: nothing promised is lost, nothing counts twice."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from idlegrid_server import faults
from idlegrid_server.store import LocalStore
from idlegrid_server.store import command as c

from .test_batch_plan import SINGLE, answer, combine
from .world import World, result


class Died(BaseException):
    """The power went."""


class Dying:
    """Dies at the n-th fault point, once."""

    def __init__(self, n: int) -> None:
        self.left = n

    def __call__(self, point: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise Died(point)


class Reborn:
    """A store that is opened anew whenever its process died, and the command sent again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = LocalStore(path)
        self.deaths = 0

    def execute(self, command):  # type: ignore[no-untyped-def]
        """Until it is answered."""
        while True:
            try:
                return self.store.execute(command)
            except Died:
                self.deaths += 1
                self.store.close()
                self.store = LocalStore(self.path)

    def reading(self):  # type: ignore[no-untyped-def]
        """As any store."""
        return self.store.reading()

    def close(self) -> None:
        """As any store."""
        self.store.close()


def live(world: World) -> int:
    """A whole life: submission, two hosts with a repeat, passes, combine, answer."""
    batch_id = world.batch(2, world.stage(policy=SINGLE), world.stage(1), idempotency_key="k")
    host = world.host()
    tasks = host.take(2)
    for task in tasks:
        host.exchange(result(task.task_id, b"%d" % task.index), held=[t.task_id for t in tasks])
        assert host.repeat().answers[0].fate == "duplicate"
    world.unit_pass()
    world.batch_pass()
    combine(world, world.claim_surely("combine"))
    world.batch_pass()
    answer(world, batch_id)
    return batch_id


POINTS_IN_A_LIFE = 120


@pytest.mark.parametrize("start", range(1, 9))
def test_death_at_each_point_of_a_batchs_life(migrated: Path, tmp_path: Path, start: int) -> None:
    """Every point is hit by one of the runs; the end is the same as without any death."""
    hit = 0
    for n in range(start, POINTS_IN_A_LIFE + 1, 8):
        path = tmp_path / f"{n}.db"
        path.write_bytes(migrated.read_bytes())
        store = Reborn(path)
        with faults.installed(Dying(n)):
            world = World(store)
            try:
                batch_id = live(world)
            finally:
                faults.install(None)
        hit += store.deaths
        world.check()
        batch = world.batch_row(batch_id)
        assert (batch.state, batch.revision) == ("complete", 1)
        assert [s.assimilated for s in world.stages(batch_id)] == [2, 1]
        assert sum(host.row().credit_micro for host in world.hosts) == 2_000_000
        store.close()
    assert hit >= 8, "fault points were reached"


def test_every_point_of_the_store_is_reached(local: LocalStore) -> None:
    seen: set[str] = set()
    with faults.installed(seen.add):
        live(World(local))
    assert seen >= {p for p in faults.POINTS if p.startswith(("store.command", "store.commit"))}


def test_death_after_the_commit_is_a_lost_answer(database: Path) -> None:
    """The task was given and the host never heard of it: it is offered again, not a second one."""
    store = Reborn(database)
    world = World(store)
    world.batch(3)
    host = world.host()

    def die(point: str) -> None:
        if point == "store.commit.after":
            faults.install(None)
            raise Died(point)

    with faults.installed(die):
        tasks = host.take()
    assert store.deaths == 1
    assert [task.resent for task in tasks] == [True]
    assert host.row().n_in_progress == 1
    world.check()
    store.close()


def test_full_disk_is_told_and_leaves_nothing(local: LocalStore) -> None:
    (pages,) = local._writer.raw.execute("PRAGMA page_count").fetchone()
    local._writer.raw.execute(f"PRAGMA max_page_count={pages}")
    data = bytes(200_000)
    with pytest.raises(c.StoreFailed) as caught:
        local.execute(c.AddFile(now=1, sha256=b"x" * 32, size=len(data), data=data))
    assert caught.value.code == "disk_full"
    local._writer.raw.execute("PRAGMA max_page_count=1000000")
    assert local.execute(c.AddFile(now=1, sha256=b"x" * 32, size=len(data), data=data)).changed


def test_a_locked_database_is_told_as_trouble_that_passes(
    local: LocalStore, database: Path
) -> None:
    """A backup or a tool holds it too long: nobody's fault, and a repeat will do.

    Regression: volunteers were told that the server had made a mistake.
    """
    local._writer.raw.execute("PRAGMA busy_timeout=10")
    command = c.AddFile(now=1, sha256=b"x" * 32, size=3, data=b"abc")
    with closing(sqlite3.connect(database, isolation_level=None)) as tool:
        tool.execute("BEGIN IMMEDIATE")
        with pytest.raises(c.StoreUnavailable, match="somebody else holds the database"):
            local.execute(command)
        tool.execute("ROLLBACK")
    assert local.execute(command).changed
