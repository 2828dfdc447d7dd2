"""Tasks go to hosts that have what they need: cores, disk, features, files, or the right owner."""

import msgspec
import pytest

from idlegrid_server.domain.locality import large_files
from idlegrid_server.domain.model import UnitPlan
from idlegrid_server.store import LocalStore
from idlegrid_server.store import command as c
from idlegrid_shared.documents import Policy, TaskInput

from .test_dispatch import codes
from .test_statement_count import count
from .world import GIB, Host, World, result

MIB = 1024 * 1024
ONCE = Policy(quorum=1, replicas=1, deadline_s=1000, grace_s=10)


def ask(host: Host, want: int = 1, disk: int = 0, files: tuple[str, ...] = ()) -> c.ExchangeResult:
    """One exchange that tells of disk and files."""
    host.seq += 1
    return host.world.store.execute(
        c.Exchange(
            now=host.world.now,
            device=host.device,
            request_id=f"asks-{host.id}-{host.seq}",
            seq=host.seq,
            body_hash=bytes(32),
            subnet=host.subnet,
            distinct=host.world.distinct,
            want=c.Wanted(want, 0, disk, files),
        )
    )


@pytest.mark.parametrize(
    ("needs", "machine", "words"),
    [
        ({"cores": 8}, {"cores": 4}, "3 units need 8 cores, more than you allow."),
        (
            {"features": ("avx2", "sve")},
            {"features": ("avx2",)},
            "3 units need a processor with sve.",
        ),
        ({"disk_bytes": 3 * GIB}, {}, "3 units need 3 GB of free disk."),
    ],
)
def test_what_a_host_lacks_is_told_with_counts(
    world: World, needs: dict[str, object], machine: dict[str, object], words: str
) -> None:
    world.batch(3, world.stage(**needs))
    answer = ask(world.host(**machine), disk=2 * GIB)
    assert answer.tasks == ()
    assert [refusal.text for refusal in answer.refusals] == [words]
    able = world.host(cores=8, features=("avx2", "sve"))
    assert len(ask(able, 2, disk=3 * GIB).tasks) == 2


def test_a_batch_for_the_house_or_for_ones_own(world: World) -> None:
    mine = world.host(account_id=world.account_id)
    other = world.host()
    batch = world.batch(3, world.stage(audience=f"account:{world.account_id}", policy=ONCE))
    answer = ask(other)
    assert (answer.tasks, codes(answer)) == ((), ["named"])
    assert ask(mine).tasks[0].batch_id == batch
    world.batch(3, world.stage(audience="house"), priority=9)
    assert codes(ask(world.host())) == ["named"]


def test_a_batch_for_hosts_by_name(world: World) -> None:
    first, second, third = (world.host() for _ in range(3))
    world.batch(4, world.stage(audience="hosts", hosts=(first.id, third.id)))
    assert len(ask(first).tasks) == 1
    assert codes(ask(second)) == ["named"]
    assert len(ask(third).tasks) == 1
    world.check()


def broadcast(world: World, hosts: list[Host], lines: int = 1) -> int:
    """A batch of which each host gets each unit."""
    ids = tuple(host.id for host in hosts)
    stage = world.stage(audience="hosts", hosts=ids, policy=ONCE)
    batch_id = world.create(stage).batch_id
    job = world.claim_surely("submit")
    expected = lines * len(ids)
    world.store.execute(c.StartBatch(now=world.now, batch_id=batch_id, expected=expected))
    units = tuple(c.NewUnit(f'["{n}"]', for_host=host) for n in range(lines) for host in ids)
    stage_id = world.stages(batch_id)[0].id
    world.store.execute(c.InsertUnits(now=world.now, stage_id=stage_id, offset=0, units=units))
    world.store.execute(c.FinishJob(now=world.now, job_id=job.id, worker="worker"))
    return batch_id


def test_a_broadcast_goes_to_each_host_once(world: World) -> None:
    hosts = [world.host() for _ in range(3)]
    stranger = world.host()
    batch_id = broadcast(world, hosts, lines=2)
    world.batch(1)  # other work stays behind what names a host
    given = [ask(host, 5).tasks for host in hosts]
    assert [sum(t.batch_id == batch_id for t in tasks) for tasks in given] == [2, 2, 2]
    assert all(tasks[0].batch_id == batch_id for tasks in given)
    assert ask(stranger, 5).tasks == () or ask(stranger).tasks[0].batch_id != batch_id
    for host, tasks in zip(hosts, given, strict=True):
        mine = [t for t in tasks if t.batch_id == batch_id]
        host.exchange(*(result(t.task_id, b"%d" % host.id) for t in mine))
    world.unit_pass()
    assert world.stages(batch_id)[0].assimilated == 6
    world.check()


def test_nothing_takes_a_unit_from_the_host_that_it_names(world: World) -> None:
    hosts = [world.host(), world.prove(world.host())]
    broadcast(world, hosts[:1])
    (task,) = ask(hosts[0]).tasks
    hosts[0].exchange(c.ReportIn(task.task_id, "error", "killed"))
    world.unit_pass()
    plan = UnitPlan(unit_id=task.unit_id, version=world.unit(task.unit_id).version, rank=2)
    world.store.execute(c.ApplyUnitPlans(now=world.now, plans=(plan,)))
    assert world.unit(task.unit_id).rank == 3
    assert ask(hosts[1]).tasks == ()


def test_a_host_that_is_named_may_try_again(world: World) -> None:
    """There is nobody else: a unit whose host was switched off in the midst is not lost."""
    mine = world.host(account_id=world.account_id)
    batch = world.batch(1, world.stage(audience=f"account:{world.account_id}", policy=ONCE))
    named = broadcast(world, [mine])
    for _ in range(2):
        tasks = ask(mine, 5).tasks
        assert {task.batch_id for task in tasks} == {batch, named}
        mine.exchange(*(c.ReportIn(task.task_id, "error", "killed") for task in tasks))
        world.unit_pass()
    world.check()


def test_results_that_nobody_confirms_prove_no_host(world: World) -> None:
    """A broadcast's results are no votes: ten of them make nobody trusted."""
    hosts = [world.host() for _ in range(2)]
    broadcast(world, hosts, lines=10)
    tasks = ask(hosts[0], 8).tasks
    assert len(tasks) == 8
    hosts[0].exchange(*(result(task.task_id, b"lie") for task in tasks))
    world.unit_pass()
    assert hosts[0].row().n_valid == 8
    assert hosts[0].row().state == "probation"
    world.check()


A, B = "a" * 64, "b" * 64


def test_stages_whose_files_are_here_go_first(world: World) -> None:
    first = world.batch(5, world.stage(files=large_files([(A, MIB)])))
    second = world.batch(5, world.stage(files=large_files([(B, MIB)])))
    assert ask(world.host(), files=(B[:16],)).tasks[0].batch_id == second
    assert ask(world.host(), files=(A[:16], B[:16])).tasks[0].batch_id == first
    assert ask(world.host()).tasks[0].batch_id == first
    urgent = world.batch(5, world.stage(files=large_files([(A, MIB)])), priority=3)
    assert ask(world.host(), files=(B[:16],)).tasks[0].batch_id == urgent


def test_units_whose_files_are_here_go_first(world: World) -> None:
    """Each unit has a large file of its own; a host that has one gets its unit."""
    batch_id = world.create(world.stage()).batch_id
    world.store.execute(c.StartBatch(now=world.now, batch_id=batch_id, expected=8))
    files = [f"{n:x}" * 64 for n in range(8)]
    units = tuple(
        c.NewUnit("[]", msgspec.json.encode((TaskInput("x", sha, 2 * MIB),)).decode())
        for sha in files
    )
    stage_id = world.stages(batch_id)[0].id
    world.store.execute(c.InsertUnits(now=world.now, stage_id=stage_id, offset=0, units=units))
    assert ask(world.host(), files=(files[4][:16],)).tasks[0].index == 4
    assert ask(world.host()).tasks[0].index == 4, "begun goes before fresh"
    assert ask(world.host(), files=("f" * 16,)).tasks[0].index == 0
    world.check()


def test_requirements_cost_no_statement(local: LocalStore) -> None:
    world = World(local)
    world.batch(100)
    plain = count(world, local, 3)
    world.batch(100, world.stage(cores=2, disk_bytes=5), priority=3)
    assert count(world, local, 3) == plain
