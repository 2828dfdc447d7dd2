"""Batches for certain hosts, and for each of them, from the form to the answer's place."""

from typing import Any

import msgspec
import pytest

from idlegrid_server.pipeline.jobs import work_jobs
from idlegrid_server.pipeline.tools import Tools
from idlegrid_server.store import command as c
from idlegrid_server.store.sql.batch import STAGES_OF_BATCH
from idlegrid_server.store.sql.host import HOSTS_AFTER

from .scientist import Scientist
from .world import Host, World


@pytest.fixture
def ada(world: World) -> Scientist:
    return Scientist(world)


def enrolled(world: World, owner: int | None = None) -> tuple[Host, str]:
    """A host, maybe somebody's, and its public id."""
    host = Host(world)
    assert host.enrol().status_code == 200
    with world.store.reading() as db:
        row = max(db.fetch_all(HOSTS_AFTER, after=0, limit=100), key=lambda row: row.id)
    if owner is not None:
        world.store.execute(
            c.AssignHostAccount(now=world.clock(), host_id=row.id, account_id=owner, actor="test")
        )
    return host, world.services.ids.encode("host", row.id)


def started(world: World, ada: Scientist, tmp_path: Any, **assign: Any) -> int:
    """Ada's batch of two lines, its units stored."""
    public = ada.submit(assign=assign)
    work = tmp_path / "work"
    work.mkdir(mode=0o700)
    tools = Tools(world.store, world.files, world.clock, work)
    assert work_jobs(tools, lambda: False) == 1
    number: int = world.services.ids.decode("batch", public)
    return number


def test_a_batch_for_ones_own_hosts_takes_their_word(
    world: World, ada: Scientist, tmp_path: Any
) -> None:
    mine, _ = enrolled(world, ada.account)
    other, _ = enrolled(world)
    batch = started(world, ada, tmp_path, to="own")
    assert other.get_tasks(1) == []
    assert len(mine.get_tasks(2)) == 2
    with world.store.reading() as db:
        (stage,) = db.fetch_all(STAGES_OF_BATCH, batch_id=batch)
    policy = msgspec.json.decode(stage.policy)
    assert (policy["quorum"], policy["replicas"]) == (1, 1)


def test_a_broadcast_makes_a_unit_for_each_host(
    world: World, ada: Scientist, tmp_path: Any
) -> None:
    hosts = [enrolled(world, ada.account) for _ in range(3)]
    stranger, _ = enrolled(world)
    batch = started(world, ada, tmp_path, to="hosts", hosts=[id_ for _, id_ in hosts], each=True)
    with world.store.reading() as db:
        assert db.fetch_all(STAGES_OF_BATCH, batch_id=batch)[0].expected == 6
    for host, _ in hosts:
        tasks = host.get_tasks(5)
        assert sorted(task.args for task in tasks) == [("line", "0"), ("line", "1")]
    assert stranger.get_tasks(5) == []


@pytest.mark.parametrize(
    ("assign", "words"),
    [
        ({"to": "own"}, "there is no such computer"),
        ({"to": "house"}, "only an admin"),
        ({"to": "hosts", "hosts": ["host_nonsense"]}, "'host_nonsense' is no host's id"),
        ({"to": "own", "hosts": ["host_nonsense"]}, 'a list of hosts belongs to "hosts"'),
        ({"to": "everybody"}, "assign"),
    ],
)
def test_what_cannot_be_is_told_at_the_door(
    ada: Scientist, assign: dict[str, Any], words: str
) -> None:
    ada.publish()
    ada.upload(b'{"args":["line","0"]}\n{"args":["line","1"]}\n')
    problem = ada.post("batches", ada.form(assign=assign), 422)
    assert any(words in fault for fault in problem["errors"]), problem


def test_nobody_names_the_computers_of_others(world: World, ada: Scientist) -> None:
    _, theirs = enrolled(world, world.account("bob@example.org"))
    ada.publish()
    ada.upload(b'{"args":["line","0"]}\n{"args":["line","1"]}\n')
    form = ada.form(assign={"to": "hosts", "hosts": [theirs]})
    assert f"you have no computer {theirs}" in str(ada.post("batches", form, 422)["errors"])
