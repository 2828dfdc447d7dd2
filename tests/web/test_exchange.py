"""The exchange as stories: what a host says, what the server answers, what it keeps."""

import msgspec
import pytest

from idlegrid_server.store import command as c
from idlegrid_server.store.sql.host import HOST_BY_DEVICE
from idlegrid_server.store.sql.unit import TASKS_BY_ID
from idlegrid_shared import wire
from idlegrid_shared.documents import TIMESTAMP_LIFE_S, Release, Timestamp
from idlegrid_shared.manifest import manifest_hash
from idlegrid_shared.seeds import batch_seed, unit_seed
from idlegrid_shared.signing import open_document, public_hex

from .world import US, Host, World, code_of, entry, problem_of, result


def test_a_host_enrols_works_reports_and_gets_a_receipt(world: World, host: Host) -> None:
    world.batch(2)
    reply = host.exchange(want=wire.Want(tasks=1, memory_bytes=2**30))
    (task,) = host.tasks_of(reply)
    assert (task.app, task.version, task.program) == ("sky-map", "1", "map")
    assert task.args == ("line", "0")
    assert task.project == public_hex(world.root)
    assert task.seed == unit_seed(batch_seed("sky-map", "1"), 0, 0).hex()
    (offered,) = reply.releases
    release = open_document("release", offered.release, Release, key=public_hex(world.publisher))
    module = release.program("map").module
    assert offered.files[0].sha256 == module.sha256
    assert host.http.get(offered.files[0].url).data.startswith(b"\0asm")

    world.clock.pass_s(5)
    report = result(task)
    (answer,) = host.exchange(reports=(report,)).answers
    assert (answer.task, answer.fate) == (task.task, "accepted")
    receipt = host.receipt_of(answer)
    assert receipt.device == host.device
    assert receipt.task == task.task
    assert receipt.manifest == manifest_hash(report.manifest)
    assert (receipt.outcome, receipt.received_at) == ("success", world.clock())
    assert world.wakes.asked == ["wake"], "a report makes its unit due"


def test_a_repeated_request_is_answered_from_state(world: World, host: Host) -> None:
    world.batch(3)
    (task,) = host.get_tasks(1)
    request = host.request(reports=(result(task),), want=wire.Want(tasks=1, memory_bytes=2**30))
    first = msgspec.json.decode(host.send_exchange(request).data, type=wire.ExchangeReply)
    again = msgspec.json.decode(host.send_exchange(request).data, type=wire.ExchangeReply)
    assert [a.fate for a in first.answers] == ["accepted"]
    assert [a.fate for a in again.answers] == ["duplicate"]
    assert host.receipt_of(again.answers[0]) == host.receipt_of(first.answers[0])
    assert [t.task for t in host.tasks_of(again)] == [t.task for t in host.tasks_of(first)]


def test_a_lost_task_is_offered_again_and_a_held_one_is_not(world: World, host: Host) -> None:
    world.batch(4)
    tasks = host.get_tasks(2)
    reply = host.exchange(held=(tasks[0].task,))
    assert [t.task for t in host.tasks_of(reply)] == [tasks[1].task]


def test_the_same_request_id_with_another_body_is_a_conflict(world: World, host: Host) -> None:
    host.exchange(request_id="the-same-id")
    request = host.request(request_id="the-same-id", held=("task_x",))
    assert code_of(host.send_exchange(request)) == (409, "conflict")


def test_a_lower_sequence_number_tells_a_clone(world: World, host: Host) -> None:
    host.exchange()
    host.exchange()
    request = host.request(seq=1)
    assert code_of(host.send_exchange(request)) == (409, "clone")
    assert world.incidents() == {"clone": 1}


def test_an_unknown_device_is_told_to_enrol(world: World) -> None:
    stranger = Host(world)
    assert code_of(stranger.send_exchange(stranger.request())) == (401, "unknown_host")
    assert world.incidents() == {"unknown_host": 1}


def test_a_banned_host_learns_why(world: World, host: Host) -> None:
    with world.store.reading() as db:
        row = db.fetch_one(HOST_BY_DEVICE, device=bytes.fromhex(host.device))
    assert row is not None
    for state in ("probation", "banned"):
        world.store.execute(
            c.SetHostState(
                now=world.clock(),
                host_id=row.id,
                state=state,  # type: ignore[arg-type]
                reason="it sent forged results",
                actor="account:1",
            )
        )
    response = host.send_exchange(host.request())
    assert code_of(response) == (403, "banned")
    assert "forged results" in problem_of(response).detail
    assert code_of(host.enrol()) == (403, "banned")


def test_another_hosts_task_is_refused_and_its_report_is_not_taken(
    world: World, host: Host
) -> None:
    world.batch(2)
    (task,) = host.get_tasks(1)
    thief = Host(world)
    thief.enrol()
    (answer,) = thief.exchange(reports=(result(task),)).answers
    assert (answer.fate, answer.receipt) == ("refused", None)
    (answer,) = host.exchange(reports=(result(task),)).answers
    assert answer.fate == "accepted"


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        ({"inline": (wire.InlineFile("out.txt", b"a resulT"),)}, "not those that the manifest"),
        ({"inline": (wire.InlineFile("out.txt", b"short"),)}, "not those that the manifest"),
        ({"inline": (wire.InlineFile("other", b"a result"),)}, "no manifest names it"),
        ({"manifest": (entry("../x", b"a result"),), "inline": ()}, "relative"),
    ],
)
def test_a_report_that_contradicts_itself_is_refused_alone(
    world: World, host: Host, spoilt: dict[str, object], reason: str
) -> None:
    world.batch(4)
    good, bad = host.get_tasks(2)
    report = msgspec.structs.replace(result(bad), **spoilt)
    answers = {a.task: a for a in host.exchange(reports=(result(good), report)).answers}
    assert answers[good.task].fate == "accepted"
    assert answers[bad.task].fate == "refused"
    assert reason in answers[bad.task].reason
    with world.store.reading() as db:
        (row,) = db.fetch_all(TASKS_BY_ID, task_ids=[world.services.ids.decode("task", bad.task)])
    assert row.state == "in_progress"


def test_wrong_bytes_in_a_report_are_shown_to_the_admin(world: World, host: Host) -> None:
    world.batch(1)
    (task,) = host.get_tasks(1)
    report = msgspec.structs.replace(result(task), inline=(wire.InlineFile("out.txt", b"x"),))
    host.exchange(reports=(report,))
    assert world.incidents() == {"hash_mismatch": 1}


def test_one_report_for_each_task_in_a_request(world: World, host: Host) -> None:
    world.batch(1)
    (task,) = host.get_tasks(1)
    answers = host.exchange(reports=(result(task), result(task, b"another"))).answers
    assert sorted(a.fate for a in answers) == ["accepted", "refused"]


def test_held_nonsense_is_cancelled(world: World, host: Host) -> None:
    foreign = world.services.ids.encode("task", 4711)
    reply = host.exchange(held=("task_nonsense", foreign))
    assert set(reply.cancel) == {"task_nonsense", foreign}


def test_a_low_disk_stops_the_giving_and_not_the_taking(world: World, host: Host) -> None:
    world.batch(4)
    (task,) = host.get_tasks(1)
    world.files.free = 1000
    world.clock.pass_s(10)
    reply = host.exchange(reports=(result(task),), want=wire.Want(tasks=2, memory_bytes=2**30))
    assert [a.fate for a in reply.answers] == ["accepted"]
    assert reply.tasks == ()
    assert [n.code for n in reply.notices] == ["disk_low"]
    world.files.free = 10 * 2**30
    world.clock.pass_s(10)
    assert len(host.get_tasks(2)) == 2


def test_why_there_is_no_work_is_told(world: World, host: Host) -> None:
    world.batch(2)
    reply = host.exchange(want=wire.Want(tasks=1, memory_bytes=2**20))
    assert reply.tasks == ()
    assert reply.refusals
    assert reply.refusals[0].count > 0


def test_private_inputs_come_with_an_address_that_ends(world: World, host: Host) -> None:
    given = world.add_file(b"secret data", account=world.admin)
    world.batch(2, inputs=(given,))
    reply = host.exchange(want=wire.Want(tasks=1, memory_bytes=2**30))
    (source,) = reply.tasks[0].files
    assert host.http.get(source.url).data == b"secret data"
    assert host.http.get(f"/files/{given.sha256}").status_code == 404
    world.clock.pass_s(25 * 3600)
    assert host.http.get(source.url).status_code == 404


def test_each_reply_carries_a_timestamp_that_is_good_now(world: World, host: Host) -> None:
    online = public_hex(world.online)
    issued = []
    for _ in range(3):
        signed = host.exchange().timestamp
        assert signed is not None
        stamp = open_document("timestamp", signed, Timestamp, key=online)
        assert stamp.issued_at <= world.clock() < stamp.expires_at
        assert stamp.expires_at - stamp.issued_at <= TIMESTAMP_LIFE_S * US
        issued.append(stamp.issued_at)
        world.clock.pass_s(1800)
    assert issued[0] < issued[2]


def test_new_delegations_are_seen_without_a_restart(world: World, host: Host) -> None:
    def serial() -> int:
        signed = host.exchange().timestamp
        assert signed is not None
        return open_document("timestamp", signed, Timestamp).delegations_serial

    before = serial()
    current = world.services.trust.current().delegations
    from idlegrid_server.trust import allow_publisher
    from idlegrid_shared.documents import Publisher

    signed = allow_publisher(
        current, Publisher("ab" * 32, "Grace", ("sea-*",)), world.root, world.clock()
    )
    value = msgspec.json.encode(signed).decode()
    world.store.execute(c.SetSetting(now=world.clock(), name="delegations", value=value))
    world.clock.pass_s(3)
    assert serial() == before + 1


def test_a_host_that_leaves_hands_its_tasks_back(world: World, host: Host) -> None:
    world.batch(3)
    done, unfinished = host.get_tasks(2)
    request = host.request(reports=(result(done),))
    response = host.send_exchange(request, path="/rpc/v1/detach")
    reply = msgspec.json.decode(response.data, type=wire.ExchangeReply)
    assert [(a.task, a.fate) for a in reply.answers] == [(done.task, "accepted")]
    with world.store.reading() as db:
        ids = [world.services.ids.decode("task", unfinished.task)]
        (row,) = db.fetch_all(TASKS_BY_ID, task_ids=ids)
    assert (row.state, row.reason) == ("aborted", "detached")
    assert host.send_exchange(request, path="/rpc/v1/detach").status_code == 200, "a repeat"
    assert code_of(host.send_exchange(host.request())) == (403, "banned")


def test_a_task_comes_with_what_such_tasks_took(world: World, host: Host) -> None:
    """Once results are agreed on, their ops tell a silent program's progress and the time left."""
    from idlegrid_server.pipeline.passes import run_passes

    world.batch(3)
    other = Host(world)
    assert other.enrol().status_code == 200
    (first,) = host.get_tasks(1)
    assert first.ops_estimate == 0
    for one in (host, other):
        task = first if one is host else other.get_tasks(1)[0]
        (answer,) = one.exchange(reports=(result(task),)).answers
        assert answer.fate == "accepted"
    run_passes(world.store, world.files, world.clock)
    (second,) = host.get_tasks(1)
    assert second.ops_estimate == 1_000
