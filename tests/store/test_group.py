"""Group commit: many commands, one commit; one command's fault is its own."""

from collections.abc import Iterator

import pytest

from idlegrid_server import faults
from idlegrid_server.domain.model import UnitPlan
from idlegrid_server.store import LocalStore
from idlegrid_server.store import command as c
from idlegrid_server.store.frame import decode_answer
from idlegrid_server.store.group import COMMANDS_MAX, Group

from .world import World


class Asked:
    """A command in a group, and its answer."""

    def __init__(self, group: Group, command: c.Command) -> None:  # type: ignore[type-arg]
        self.command = command
        self.payload: bytes | None = None
        group.add(command, self.take)

    def take(self, payload: bytes) -> None:
        """The group's reply."""
        assert self.payload is None, "answered twice"
        self.payload = payload

    def answer(self) -> object:
        """What the caller would get."""
        assert self.payload is not None, "not answered"
        return decode_answer(self.payload, self.command)


@pytest.fixture
def group(local: LocalStore) -> Group:
    """A group on a database of its own."""
    return Group(local._writer)


@pytest.fixture
def commits() -> Iterator[list[str]]:
    """The commits that were made."""
    seen: list[str] = []
    with faults.installed(lambda p: seen.append(p) if p == "store.commit.after" else None):
        yield seen


def setting(name: str) -> c.SetSetting:
    """A small command."""
    return c.SetSetting(now=1, name=name, value="1")


def test_what_has_arrived_shares_one_commit(group: Group, commits: list[str]) -> None:
    asked = [Asked(group, setting(f"s{i}")) for i in range(10)]
    assert group.run() == 10
    assert len(commits) == 1
    assert all(a.answer() == c.Done() for a in asked)
    assert group.idle


def test_nobody_is_answered_before_the_commit(group: Group) -> None:
    asked = Asked(group, setting("x"))

    def look(point: str) -> None:
        if point.startswith("store.commit"):
            assert asked.payload is None, point

    with faults.installed(look):
        group.run()
    assert asked.answer() == c.Done()


def test_failing_command_is_undone_alone(group: Group, local: LocalStore) -> None:
    before = Asked(group, setting("before"))
    wrong = Asked(group, c.SetPassword(now=1, account_id=9, password_hash="x"))
    after = Asked(group, setting("after"))
    group.run()
    assert before.answer() == after.answer() == c.Done()
    with pytest.raises(c.StoreRefused, match="no account 9"):
        wrong.answer()


def test_fault_in_mid_command_leaves_nothing_of_it(group: Group, local: LocalStore) -> None:
    """The power did not go; the command broke after it had written some rows."""
    world = World(local)
    good = Asked(group, setting("good"))
    broken = Asked(group, c.AddFile(now=1, sha256=b"x" * 32, size=1, account_id=99))
    group.run()
    assert good.answer() == c.Done()
    with pytest.raises(c.StoreFailed, match="FOREIGN KEY"):
        broken.answer()
    world.check()


def test_failing_commit_is_told_to_all_and_the_next_group_works(group: Group) -> None:
    asked = [Asked(group, setting("a")), Asked(group, setting("b"))]

    def fail(point: str) -> None:
        if point == "store.commit.before":
            raise OSError("no space left on device")

    with faults.installed(fail):
        group.run()
    for a in asked:
        with pytest.raises(c.StoreFailed, match="no space left"):
            a.answer()
    again = Asked(group, setting("a"))
    group.run()
    assert again.answer() == c.Done(changed=True), "nothing of the failed group was kept"


def test_group_is_bounded(group: Group, commits: list[str]) -> None:
    for i in range(COMMANDS_MAX + 1):
        Asked(group, setting(f"s{i}"))
    group.clock = lambda: 0.0
    assert [group.run(), group.run()] == [COMMANDS_MAX, 1]


def test_group_ends_when_its_time_is_over(group: Group) -> None:
    times = iter(range(1000))
    group.clock = lambda: float(next(times))
    for i in range(5):
        Asked(group, setting(f"s{i}"))
    assert group.run() == 1


def test_bulk_commands_let_others_pass(group: Group, local: LocalStore) -> None:
    """1,000 units need several commits; what comes meanwhile waits for one slice only."""
    world = World(local)
    batch_id = world.create().batch_id
    local.execute(c.StartBatch(now=1, batch_id=batch_id, expected=1000))
    stage_id = world.stages(batch_id)[0].id
    units = tuple(c.NewUnit(f'["{i}"]') for i in range(1000))
    group.pace._rows[c.InsertUnits] = 300
    group.clock = lambda: 0.0
    bulk = Asked(group, c.InsertUnits(now=1, stage_id=stage_id, offset=0, units=units))
    answered_at = []
    for i in range(10):
        small = Asked(group, setting(f"s{i}"))
        group.pace._rows[c.InsertUnits] = 300
        group.run()
        assert small.answer() == c.Done()
        if bulk.payload is not None:
            answered_at.append(i)
            break
    assert answered_at == [3]
    assert bulk.answer() == c.InsertUnitsResult("ok", 1000)
    assert world.stages(batch_id)[0].created == 1000
    world.check()


def test_two_bulk_commands_take_turns(group: Group, local: LocalStore) -> None:
    world = World(local)
    asked = []
    for _ in range(2):
        batch_id = world.create().batch_id
        local.execute(c.StartBatch(now=1, batch_id=batch_id, expected=400))
        stage_id = world.stages(batch_id)[-1].id
        units = tuple(c.NewUnit("[]") for _ in range(400))
        asked.append(Asked(group, c.InsertUnits(now=1, stage_id=stage_id, offset=0, units=units)))
    group.clock = lambda: 0.0
    for _ in range(3):
        group.pace._rows[c.InsertUnits] = 200
        group.run()
    assert asked[0].answer() == c.InsertUnitsResult("ok", 400)
    assert asked[1].payload is None
    group.run()
    assert asked[1].answer() == c.InsertUnitsResult("ok", 400)
    world.check()


def test_answers_of_sliced_plans_are_added_up(group: Group) -> None:
    plans = tuple(UnitPlan(i, 0) for i in range(90))
    asked = Asked(group, c.ApplyUnitPlans(now=1, plans=plans))
    group.pace._rows[c.ApplyUnitPlans] = 40
    while not group.idle:
        group.run()
    assert asked.answer() == c.ApplyUnitPlansResult(0, tuple(range(90)))


def test_wrong_offset_ends_a_sliced_insertion_at_once(group: Group, local: LocalStore) -> None:
    world = World(local)
    batch_id = world.create().batch_id
    local.execute(c.StartBatch(now=1, batch_id=batch_id, expected=1000))
    units = tuple(c.NewUnit("[]") for _ in range(500))
    stage_id = world.stages(batch_id)[0].id
    asked = Asked(group, c.InsertUnits(now=1, stage_id=stage_id, offset=5, units=units))
    group.run()
    assert asked.answer() == c.InsertUnitsResult("wrong_offset", 0)
