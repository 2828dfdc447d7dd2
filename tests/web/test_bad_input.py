"""What is refused at the door stands in the admin's list too, and failures tell their causes."""

import pytest

from idlegrid_server.pipeline.passes import run_passes
from idlegrid_server.store.sql.batch import STAGES_OF_BATCH
from idlegrid_server.store.sql.unit import UNITS_OF_STAGE_AFTER
from idlegrid_shared import wire
from idlegrid_shared.signing import new_key

from .scientist import Scientist
from .world import MODULE, Host, World, code_of, problem_of, result


@pytest.fixture
def ada(world: World) -> Scientist:
    return Scientist(world)


@pytest.mark.parametrize("path", ["/rpc/v2/exchange", "/api/v9/batches", "/api/v0/project"])
def test_the_address_of_another_version_says_which_is_spoken(world: World, path: str) -> None:
    response = world.http.get(path)
    assert code_of(response) == (426, "upgrade")
    assert "speaks version 1 here" in problem_of(response).detail
    assert world.incidents() == {"upgrade": 1}


@pytest.mark.parametrize("path", ["/rpc/v1/nothing", "/api/v1/nothing", "/nothing", "/api/vx/y"])
def test_an_address_of_nothing_is_said_to_be_so(world: World, path: str) -> None:
    response = world.http.get(path)
    assert code_of(response) == (404, "not_found")
    assert world.incidents() == {}


def test_a_newer_form_of_request_is_noted(world: World, host: Host) -> None:
    assert code_of(host.send("POST", "/rpc/v1/exchange", b'{"protocol":7,"new":1}'))[0] == 426
    assert world.incidents() == {"upgrade": 1}


def test_a_batch_that_cannot_be_read_is_noted(world: World, ada: Scientist) -> None:
    response = ada.send("POST", "batches", b'{"name":')
    assert code_of(response) == (400, "malformed")
    assert world.incidents() == {"malformed": 1}


def test_a_batch_with_a_missing_file_is_noted_and_nothing_is_made(
    world: World, ada: Scientist
) -> None:
    ada.publish()
    response = ada.send("POST", "batches", ada.form(units="ab" * 32))
    assert code_of(response) == (422, "bad_batch")
    assert "was not uploaded" in problem_of(response).detail
    assert world.incidents() == {"bad_batch": 1}


def test_a_publisher_may_publish_as_soon_as_the_admin_allowed_it(
    world: World, ada: Scientist
) -> None:
    stranger = world.publisher
    world.publisher = new_key()
    world.delegate()
    ada.upload(MODULE)
    signed = world.release(key=stranger)
    response = ada.send("POST", "apps/sky-map/versions", signed)
    assert code_of(response) == (403, "unknown_publisher")
    assert world.incidents() == {"unknown_publisher": 1}
    world.publisher = stranger
    world.delegate()  # and no moment passes
    assert ada.send("POST", "apps/sky-map/versions", signed).status_code == 201


def test_failed_units_are_grouped_by_what_went_wrong(world: World) -> None:
    causes = {0: "trap", 1: "out_of_ops", 2: "trap"}
    batch = world.batch(3)
    with world.store.reading() as db:
        stage = db.fetch_all(STAGES_OF_BATCH, batch_id=batch)[0]
        units = db.fetch_all(UNITS_OF_STAGE_AFTER, stage_id=stage.id, after=-1, limit=10)
    assert len(units) == len(causes)
    for _ in range(8):
        host = Host(world)
        host.enrol()
        reports = tuple(
            wire.Report(task.task, "error", reason=causes[int(task.args[1])], elapsed_s=1.0)
            for task in host.get_tasks(3)
        )
        host.exchange(reports=reports)
        run_passes(world.store, world.files, world.clock)
    shown = world.http.get(
        f"/api/v1/batches/{world.services.ids.encode('batch', batch)}",
        headers={"Authorization": f"Bearer {world.token()}"},
    ).json
    assert shown is not None
    told = [(f["count"], f["reason"], f["cause"], f["words"]) for f in shown["failures"]]
    assert told == [
        (
            2,
            "too_many_errors",
            "trap",
            "The program broke a rule of the machine (division by zero, bad address).",
        ),
        (1, "too_many_errors", "out_of_ops", "The program reached its limit of instructions."),
    ]


def test_units_that_wait_for_a_new_computer_say_so(world: World) -> None:
    """Two units wait for a second host, and the one that asks has computed both."""
    batch = world.batch(2)
    address = f"/api/v1/batches/{world.services.ids.encode('batch', batch)}"
    headers = {"Authorization": f"Bearer {world.token()}"}

    def why() -> str:
        return str(world.http.get(address, headers=headers).json["why"])  # type: ignore[index]

    assert "no computer has asked for work" in why()
    host = Host(world)
    host.enrol()
    assert why() == "0 of 2 work units agree; 2 are under way."
    host.exchange(reports=tuple(result(task) for task in host.get_tasks(2)))
    assert why() == (
        "0 of 2 work units agree; 2 work units wait for a computer that has not tried them: "
        "1 computer is attached, and it had its copy. Attach one more."
    )
    Host(world).enrol()
    assert why() == "0 of 2 work units agree; 2 are under way."
