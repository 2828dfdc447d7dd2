"""Native apps at the store: stages of several platforms, and replicas on hosts that are alike."""

from idlegrid_server.domain.kind import queue_key
from idlegrid_server.store import LocalStore
from idlegrid_server.store import command as c
from idlegrid_server.store.query import Query
from idlegrid_shared.documents import Policy

from .test_dispatch import codes
from .test_statement_count import count
from .world import World, failure, result

X86, ARM = "native-linux-x86_64", "native-linux-aarch64"
INTEL, AMD = "linux/x86_64/GenuineIntel 6", "linux/x86_64/AuthenticAMD 25"
CORTEX = "linux/aarch64/0x41 0xd0c"


BOUND = Query(
    "test_bound",
    "the class that a unit is bound to",
    "SELECT bound_to FROM work_unit WHERE id = :unit_id",
    lambda row: row[0],
)


def bound_to(world: World, unit_id: int) -> str | None:
    with world.store.reading() as db:
        found: str | None = db.fetch_all(BOUND, unit_id=unit_id)[0]
    return found


def native_stage(world: World, rule: str = "system", *profiles: str) -> c.NewStage:
    return world.stage(
        profile=queue_key(profiles or (X86, ARM)),
        homogeneous=rule,
        policy=Policy(deadline_s=1000, grace_s=10, max_errors=5),
    )


def test_hosts_of_every_platform_serve_one_batch(world: World) -> None:
    world.batch(1, native_stage(world, ""))
    intel = world.host(profiles=(X86,), kind=INTEL)
    arm = world.host(profiles=(ARM,), kind=CORTEX)
    answers = [host.exchange(want=1) for host in (intel, arm)]
    assert [len(answer.tasks) for answer in answers] == [1, 1]
    assert [answer.profiles for answer in answers] == [(X86,), (ARM,)]
    world.check()


def test_a_host_without_the_platform_gets_nothing(world: World) -> None:
    world.batch(2, native_stage(world, "", X86))
    assert codes(world.host(profiles=(ARM,), kind=CORTEX).exchange(want=1)) == ["profile"]
    assert codes(world.host().exchange(want=1)) == ["profile"]
    assert len(world.host(profiles=(X86, ARM), kind=INTEL).take(2)) == 2


def test_replicas_go_only_to_hosts_that_are_alike(world: World) -> None:
    world.batch(3, native_stage(world))
    first = world.host(profiles=(X86,), kind=INTEL)
    (begun,) = first.take()
    assert bound_to(world, begun.unit_id) == "linux/x86_64"
    arm = world.host(profiles=(ARM,), kind=CORTEX, cores=8)
    given = arm.take(3)
    assert begun.unit_id not in [task.unit_id for task in given]
    assert len(given) == 2
    answer = arm.exchange(want=1, held=[task.task_id for task in given])
    assert codes(answer) == ["partner", "kind"]
    assert answer.refusals[1].count == 1
    (partner,) = world.host(profiles=(X86,), kind=AMD).take()
    assert partner.unit_id == begun.unit_id
    world.check()


def test_the_processor_counts_where_the_app_says_so(world: World) -> None:
    world.batch(1, native_stage(world, "cpu"))
    (begun,) = world.host(profiles=(X86,), kind=INTEL).take()
    assert bound_to(world, begun.unit_id) == INTEL
    assert codes(world.host(profiles=(X86,), kind=AMD).exchange(want=1)) == ["kind"]
    assert len(world.host(profiles=(X86,), kind=INTEL).take()) == 1


def test_a_binding_ends_with_the_last_replica_that_lives(world: World) -> None:
    world.batch(1, native_stage(world))
    intel = world.host(profiles=(X86,), kind=INTEL)
    (task,) = intel.take()
    arm = world.host(profiles=(ARM,), kind=CORTEX)
    assert codes(arm.exchange(want=1)) == ["kind"]
    intel.exchange(failure(task.task_id))
    world.unit_pass()
    (again,) = arm.take()
    assert again.unit_id == task.unit_id
    assert bound_to(world, task.unit_id) == "linux/aarch64"
    assert codes(world.host(profiles=(X86,), kind=AMD).exchange(want=1)) == ["kind"]
    world.check()


def test_a_success_keeps_the_binding(world: World) -> None:
    world.batch(1, native_stage(world))
    intel = world.host(profiles=(X86,), kind=INTEL)
    (task,) = intel.take()
    intel.exchange(result(task.task_id, b"x"))
    world.unit_pass()
    assert codes(world.host(profiles=(ARM,), kind=CORTEX).exchange(want=1)) == ["kind"]
    second = world.host(profiles=(X86,), kind=AMD)
    (partner,) = second.take()
    second.exchange(result(partner.task_id, b"x"))
    world.unit_pass()
    assert world.unit(task.unit_id).state == "assimilated"
    world.check()


def test_a_late_result_of_another_kind_does_not_count(world: World) -> None:
    world.batch(1, native_stage(world))
    slow = world.host(profiles=(X86,), kind=INTEL)
    (late,) = slow.take()
    world.later(1100)
    world.unit_pass()
    arm = world.host(profiles=(ARM,), kind=CORTEX)
    (anew,) = arm.take()
    assert anew.unit_id == late.unit_id
    (answer,) = slow.exchange(result(late.task_id, b"x")).answers
    assert answer.fate == "refused"
    assert "another kind" in answer.reason
    world.check()


def test_a_host_that_did_not_tell_its_kind_is_a_class_of_its_own(world: World) -> None:
    world.batch(1, native_stage(world))
    (begun,) = world.host(profiles=(X86,)).take()
    assert bound_to(world, begun.unit_id) == "unknown"
    assert codes(world.host(profiles=(X86,), kind=INTEL).exchange(want=1)) == ["kind"]


def test_units_of_other_stages_are_bound_to_nobody(world: World) -> None:
    world.batch(1)
    (task,) = world.host(kind=INTEL).take()
    assert bound_to(world, task.unit_id) is None
    assert len(world.host(kind=CORTEX).take()) == 1


def test_kinds_cost_no_statement(local: LocalStore) -> None:
    world = World(local)
    world.batch(100)
    plain = count(world, local, 5)
    world.batch(100, native_stage(world, "cpu"))
    host, partner = (world.host(cores=64, profiles=(X86,), kind=INTEL) for _ in range(2))
    partner.take(5)
    given = host.take(5)
    before = local.statements
    answer = host.exchange(*(result(t.task_id, b"x", stderr="x") for t in given), want=5)
    assert len(answer.tasks) == 5
    assert local.statements - before == plain
