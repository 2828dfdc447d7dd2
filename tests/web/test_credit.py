"""What was credited, over REST and to hosts, and the statements that prove it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from werkzeug.serving import make_server

from idlegrid_client.cli import cli
from idlegrid_server.pipeline.passes import transition_pass
from idlegrid_server.store.command import ENROL_SCOPE
from idlegrid_shared.documents import CreditStatement, TaskDescriptor
from idlegrid_shared.keyfile import load_key
from idlegrid_shared.signing import Signed, open_document, public_hex
from idlegrid_shared.wire import CreditReply, Report

from .scientist import Scientist
from .world import Host, World, code_of, result

OPS = 432_000_000_000


def compute(world: World, *hosts: Host, units: int = 1) -> None:
    """All hosts compute all units of a batch, and agree."""
    world.batch(units)
    for host in hosts:
        tasks = host.get_tasks(units)
        assert len(tasks) == units
        host.exchange(reports=tuple(report(task) for task in tasks))
    transition_pass(world.store, world.clock)


def report(task: TaskDescriptor) -> Report:
    return msgspec.structs.replace(result(task), ops=OPS)


def pair(world: World, account: int | None = None) -> tuple[Host, Host]:
    hosts = Host(world), Host(world)
    token = world.token(account, ENROL_SCOPE, single_use=True) if account is not None else ""
    hosts[0].enrol(token)
    hosts[1].enrol()
    return hosts


def test_a_host_gets_a_signed_statement(world: World) -> None:
    host, other = pair(world)
    compute(world, host, other)
    response = host.send("POST", "/rpc/v1/credit")
    assert response.status_code == 200, response.text
    signed = msgspec.json.decode(response.data, type=CreditReply).statement
    told = open_document("credit", signed, CreditStatement, key=public_hex(world.online))
    assert (told.owner, told.name) == ("host", host.device)
    assert (told.credit_micro, told.pending_micro, told.results) == (1_000_000, 0, 1)
    assert told.recent_micro == 99_021  # ln 2 / 7 of a credit that came just now
    assert told.at == world.clock()
    compute(world, host, other)
    again = msgspec.json.decode(host.send("POST", "/rpc/v1/credit").data, type=CreditReply)
    newer = msgspec.json.decode(again.statement.body, type=CreditStatement)
    assert newer.serial > told.serial
    assert newer.credit_micro == 2_000_000


def test_a_stranger_gets_no_statement(world: World) -> None:
    assert code_of(Host(world).send("POST", "/rpc/v1/credit")) == (401, "unknown_host")


def test_an_account_sees_its_credit_and_its_hosts(world: World) -> None:
    ada = Scientist(world)
    host, other = pair(world, ada.account)
    compute(world, host, other, units=2)
    shown = ada.get("credit")
    assert (shown["credit_micro"], shown["results"], shown["pending_micro"]) == (2_000_000, 2, 0)
    assert [(h["name"], h["credit_micro"]) for h in shown["hosts"]] == [("attic", 2_000_000)]
    signed = msgspec.convert(shown["statement"], Signed, builtin_types=())
    told = open_document("credit", signed, CreditStatement, key=public_hex(world.online))
    assert (told.owner, told.name, told.credit_micro) == ("account", shown["account"], 2_000_000)


def test_statistics_by_day_for_account_host_and_project(world: World) -> None:
    ada = Scientist(world)
    host, other = pair(world, ada.account)
    compute(world, host, other)
    world.clock.pass_s(86_400)
    compute(world, host, other, units=3)
    mine = ada.get("statistics")["days"]
    assert [(day["results"], day["credit_micro"], day["app"]) for day in mine] == [
        (3, 3_000_000, "sky-map"),
        (1, 1_000_000, "sky-map"),
    ]
    assert [day["day"] for day in mine] == sorted((day["day"] for day in mine), reverse=True)
    assert mine[0]["ops"] == 3 * OPS
    assert [day["results"] for day in ada.get("statistics?of=project")["days"]] == [6, 2]
    assert len(ada.get("statistics?of=project&days=1")["days"]) == 1
    (own,) = ada.get("credit")["hosts"]
    assert [day["results"] for day in ada.get(f"statistics?of={own['id']}")["days"]] == [3, 1]


def test_hosts_of_others_are_not_shown(world: World) -> None:
    ada, eve = Scientist(world), Scientist(world, email="eve@example.org")
    host, other = pair(world, ada.account)
    compute(world, host, other)
    (own,) = ada.get("credit")["hosts"]
    eve.get(f"statistics?of={own['id']}", 404)
    eve.get("statistics?of=host_aaaaaaaaaaaaa", 404)
    eve.get("statistics?days=0", 400)
    assert eve.get("credit")["hosts"] == []
    admin = Scientist(world, world.token(), email="root@example.org")
    assert admin.get(f"statistics?of={own['id']}")["days"]


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


def test_the_client_shows_keeps_and_checks_its_statement(
    world: World, served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "client"
    monkeypatch.setenv("IDLEGRID_CLIENT_DATA", str(data))
    run = CliRunner()
    fingerprint = world.services.fingerprint
    attached = run.invoke(cli, ["attach", f"{served}/join#root={fingerprint}", "--yes"])
    assert attached.exit_code == 0, attached.output
    host = Host(world, load_key(data / "projects" / fingerprint / "device.key"))
    unknown = run.invoke(cli, ["credit"])
    assert unknown.exit_code == 1
    assert "enrol" in unknown.stderr
    host.enrol()
    other = Host(world)
    other.enrol()
    compute(world, host, other, units=2)
    kept = tmp_path / "proof.json"
    shown = run.invoke(cli, ["credit", "--save", str(kept)])
    assert shown.exit_code == 0, shown.output
    assert "Credit:   2.00" in shown.output
    assert fingerprint in shown.output
    checked = run.invoke(cli, ["credit", "--check", str(kept), "--json"])
    assert checked.exit_code == 0, checked.output
    assert msgspec.json.decode(checked.output)["credit_micro"] == 2_000_000
    forged = kept.read_bytes().replace(fingerprint.encode(), b"0" * 40)
    (tmp_path / "forged.json").write_bytes(forged)
    refused = run.invoke(cli, ["credit", "--check", str(tmp_path / "forged.json")])
    assert refused.exit_code == 1
    assert "not the project" in refused.stderr


def test_a_statement_cannot_pass_for_another_kind(world: World) -> None:
    host, _ = pair(world)
    signed = msgspec.json.decode(host.send("POST", "/rpc/v1/credit").data, type=CreditReply)
    with pytest.raises(ValueError, match="does not match"):
        open_document("receipt", signed.statement, CreditStatement)
