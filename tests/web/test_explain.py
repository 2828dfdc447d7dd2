"""Stories told over REST and by the command, from what really happened."""

import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from werkzeug.serving import make_server

from idlegrid.cli import idlegrid
from idlegrid_server.pipeline.passes import transition_pass
from idlegrid_server.store import command as c
from idlegrid_server.store.command import ENROL_SCOPE
from idlegrid_shared import wire
from idlegrid_shared.sandbox.profile import current_profile

from .scientist import Scientist
from .test_credit import report
from .world import Host, World, result


def enrolled(world: World, account: int | None = None, **machine: Any) -> Host:
    host = Host(world)
    token = world.token(account, ENROL_SCOPE, single_use=True) if account is not None else ""
    values = {"name": "attic", "cores": 4, "memory_bytes": 2**33, **machine}
    values.setdefault("profiles", (current_profile().name,))
    request = wire.EnrolRequest(
        request_id="enrol-00001", machine=wire.Machine(**values), token=token
    )
    response = host.post("/rpc/v1/enrol", request, request_id="enrol-00001")
    assert response.status_code == 200, response.text
    return host


def admin(world: World) -> Scientist:
    return Scientist(world, world.token(), email="root@example.org")


def batch_id(world: World, number: int) -> str:
    return world.services.ids.encode("batch", number)


def texts(story: dict[str, Any]) -> list[str]:
    return [step["text"] for step in story["steps"]]


def passes(world: World) -> None:
    transition_pass(world.store, world.clock)


def test_the_story_of_a_unit_from_its_first_day_to_its_answer(world: World) -> None:
    root = admin(world)
    first, second = enrolled(world), enrolled(world)
    batch = batch_id(world, world.batch(1))
    for host in (first, second):
        (task,) = host.get_tasks()
        world.clock.pass_s(60)
        host.exchange(reports=(report(task),))
    passes(world)
    story = root.get(f"explain/unit/{batch}:0")
    assert story["headline"] == "In the answer: Its output is in the batch's answer."
    assert story["now"] == []
    assert story["facts"]["credit paid"] == 2.0
    told = texts(story)
    assert told[0] == "Made with 1 units of its stage; 2 copies wait to be sent."
    assert told.count("Sent.") == 2
    assert told.count("Returned.") == 2
    assert told.count("Judged right: It agrees with the canonical result.") == 2
    assert "Accepted: Enough results agree." in told
    assert told[-1] == "In the answer: Its output is in the batch's answer."
    assert [step["at"] for step in story["steps"]] == sorted(s["at"] for s in story["steps"])
    hosts = {step["who"] for step in story["steps"]}
    assert {h["id"] for h in root.get("hosts")["hosts"]} <= hosts
    assert root.get(f"explain/unit/{story['id']}") == story


def test_a_unit_that_waits_says_for_whom_and_who_was_refused(world: World) -> None:
    """One host has a copy, one is too small, one speaks another profile; one may have it."""
    root = admin(world)
    first = enrolled(world)
    small = enrolled(world, memory_bytes=2**20)
    other = enrolled(world, profiles=("other",))
    batch = batch_id(world, world.batch(1))
    (task,) = first.get_tasks()
    for host in (first, first, small, other):
        host.exchange(want=wire.Want(tasks=1), held=(task.task,) if host is first else ())
    story = root.get(f"explain/unit/{batch}:0")
    said = " ".join(story["now"])
    assert "1 copy waits to be sent, for a partner other than those who had one." in said
    assert "Of 3 computers seen in the last hour" in said
    assert "1 gave too little memory" in said
    assert "1 had another runtime" in said
    assert "1 had a copy" in said
    assert "2 times because the computer, its owner or its network had a copy already" in said
    third = enrolled(world)
    third.exchange()
    assert "1 may have it when it asks next" in " ".join(root.get(f"explain/unit/{batch}:0")["now"])


def test_a_batch_says_why_nothing_runs(world: World) -> None:
    root = admin(world)
    number = world.batch(3)
    story = root.get(f"explain/batch/{batch_id(world, number)}")
    assert "no computer has asked for work" in story["now"][0]
    assert any("No computer has asked" in line for line in story["now"])
    small = enrolled(world, memory_bytes=2**20)
    small.exchange(want=wire.Want(tasks=1))
    said = " ".join(root.get(f"explain/batch/{batch_id(world, number)}")["now"])
    assert "1 gave too little memory" in said
    assert "of any batch since the last full hour: once because the volunteer gave too" in said
    world.store.execute(
        c.PauseBatch(
            now=world.clock(), batch_id=number, reason="the data is wrong", actor="account:1"
        )
    )
    story = root.get(f"explain/batch/{batch_id(world, number)}")
    assert story["headline"] == "Paused: In words: the data is wrong."
    unit = root.get(f"explain/unit/{batch_id(world, number)}:1")
    assert "Nothing of it goes out: Paused: In words: the data is wrong." in unit["now"]


def test_failures_are_told_with_their_cause(world: World) -> None:
    root = admin(world)
    number = world.batch(1)
    for _ in range(5):
        host = enrolled(world)
        for task in host.get_tasks():
            broken = wire.Report(task=task.task, outcome="error", reason="out_of_ops")
            host.exchange(reports=(broken,))
        passes(world)
    story = root.get(f"explain/batch/{batch_id(world, number)}")
    said = " ".join(story["now"])
    assert "1 unit failed, such as 0. It failed on more hosts than the app allows." in said
    assert "The newest error: The program reached its limit of instructions." in said
    unit = root.get(f"explain/unit/{batch_id(world, number)}:0")
    assert "Failed: The program reached its limit of instructions." in texts(unit)
    assert unit["headline"].startswith("Given up: It failed on more hosts")


def test_a_host_says_where_it_stands_and_what_it_would_hear(world: World) -> None:
    ada = Scientist(world)
    host = enrolled(world, ada.account)
    (own,) = ada.get("credit")["hosts"]
    said = " ".join(ada.get(f"explain/host/{own['id']}")["now"])
    assert "No batch has a unit waiting" in said
    assert "trusted after 3 more results" in said
    world.batch(20)
    said = " ".join(ada.get(f"explain/host/{own['id']}")["now"])
    assert "If it asked now, it would get work." in said
    tasks = host.get_tasks(20)
    assert len(tasks) == 8
    story = ada.get(f"explain/host/{own['id']}")
    said = " ".join(story["now"])
    assert "it has 8 of the 8 tasks" in said
    assert tasks[0].task in said
    assert story["facts"]["tasks now"] == 8
    assert texts(story) == ["New: It enrolled."]


def test_a_banned_host_is_told_in_the_admins_words(world: World) -> None:
    root = admin(world)
    enrolled(world)
    (host,) = root.get("hosts")["hosts"]
    world.store.execute(
        c.SetHostState(
            now=world.clock(), host_id=1, state="banned", reason="mines coins", actor="account:1"
        )
    )
    story = root.get(f"explain/host/{host['id']}")
    assert story["headline"] == "Banned: In words: mines coins."
    assert story["steps"][-1]["who"] == world.services.ids.encode("account", 1)


def test_volunteers_see_their_hosts_and_tasks_and_nothing_else(world: World) -> None:
    volunteer = Scientist(world, email="vera@example.org")
    mine, other = enrolled(world, volunteer.account), enrolled(world)
    batch = batch_id(world, world.batch(1))
    (task,) = mine.get_tasks()
    (theirs,) = other.get_tasks()
    mine.exchange(reports=(result(task),))
    story = volunteer.get(f"explain/task/{task.task}")
    assert "Returned." in texts(story)
    (own,) = volunteer.get("credit")["hosts"]
    assert story["facts"]["host"] == own["id"]
    root = admin(world)
    others = [h["id"] for h in root.get("hosts")["hosts"] if h["id"] != own["id"]]
    volunteer.get(f"explain/task/{theirs.task}", 404)
    volunteer.get(f"explain/unit/{batch}:0", 404)
    volunteer.get(f"explain/batch/{batch}", 404)
    volunteer.get(f"explain/host/{others[0]}", 404)
    me = volunteer.get("credit")["account"]
    assert own["id"] in " ".join(volunteer.get(f"explain/account/{me}")["now"])
    volunteer.get(f"explain/account/{root.get('credit')['account']}", 404)
    assert root.get(f"explain/account/{me}")["facts"]["role"] == "scientist"


def test_what_cannot_be_explained_is_refused(world: World) -> None:
    root = admin(world)
    root.get("explain/soul/host_aaaaaaaaaaaaa", 422)
    root.get("explain/unit/wu_aaaaaaaaaaaaa", 404)
    root.get("explain/unit/batch_aaaaaaaaaaaaa:0", 404)
    root.get("explain/task/host_aaaaaaaaaaaaa", 404)
    batch = batch_id(world, world.batch(1))
    for index in ("7", "x", "0:1", "0:0:0", "9" * 40):
        root.get(f"explain/unit/{batch}:{index}", 404)


def test_a_unit_of_another_scientist_is_not_shown(world: World) -> None:
    eve = Scientist(world, email="eve@example.org")
    root = admin(world)
    batch = batch_id(world, world.batch(1))
    unit = root.get(f"explain/unit/{batch}:0")["id"]
    eve.get(f"explain/unit/{unit}", 404)


@pytest.fixture
def served(world: World) -> Iterator[str]:
    """The application behind a real socket."""
    server = make_server("127.0.0.1", 0, world.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_command_tells_it_to_people_and_programs(
    world: World, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDLEGRID_URL", served)
    monkeypatch.setenv("IDLEGRID_TOKEN", world.token())
    first, second = enrolled(world), enrolled(world)
    batch = batch_id(world, world.batch(1))
    for host in (first, second):
        (task,) = host.get_tasks()
        host.exchange(reports=(report(task),))
    passes(world)
    run = CliRunner()
    shown = run.invoke(idlegrid, ["explain", "unit", f"{batch}:0"])
    assert shown.exit_code == 0, shown.output
    assert "In the answer: Its output is in the batch's answer." in shown.output
    assert "● Accepted: Enough results agree." in shown.output
    assert "2027-01-15" in shown.output
    told = run.invoke(idlegrid, ["explain", "batch", batch, "--json"])
    story = msgspec.json.decode(told.stdout_bytes)
    assert story["kind"] == "batch"
    assert story["steps"]
    for kind, name in (("task", task.task), ("host", story_host(world))):
        assert run.invoke(idlegrid, ["explain", kind, name]).exit_code == 0


def test_credit_and_statistics_as_the_command_shows_them(
    world: World, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = Scientist(world)
    monkeypatch.setenv("IDLEGRID_URL", served)
    monkeypatch.setenv("IDLEGRID_TOKEN", ada.token)
    run = CliRunner()
    assert "nothing was credited" in run.invoke(idlegrid, ["statistics"]).output
    mine, other = enrolled(world, ada.account), enrolled(world)
    world.batch(2)
    for host in (mine, other):
        host.exchange(reports=tuple(report(task) for task in host.get_tasks(2)))
    passes(world)
    shown = run.invoke(idlegrid, ["credit"])
    assert shown.exit_code == 0, shown.output
    assert "Credit   2.00  for 2 results" in shown.output
    assert "attic" in shown.output
    told = msgspec.json.decode(run.invoke(idlegrid, ["credit", "--json"]).stdout_bytes)
    assert told["statement"]["key"]
    days = run.invoke(idlegrid, ["statistics", "--of", "project", "--json"])
    assert [day["results"] for day in msgspec.json.decode(days.stdout_bytes)["days"]] == [4]
    assert "sky-map" in run.invoke(idlegrid, ["statistics", "--days", "1"]).output
    bad = run.invoke(idlegrid, ["statistics", "--of", "host_aaaaaaaaaaaaa"])
    assert bad.exit_code != 0


def story_host(world: World) -> str:
    return world.services.ids.encode("host", 1)
