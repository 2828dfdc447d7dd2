"""``idlegrid-server share``: weights, caps and urgency, without a running server."""

import json
from pathlib import Path

import pytest

from idlegrid_server.project import open_project
from idlegrid_server.store.command import AddAppVersion
from idlegrid_server.store.sql.account import ACCOUNT_BY_EMAIL
from idlegrid_server.store_access import opened_store
from idlegrid_server.web.public_id import PublicIds

from .test_admin_commands import Run, folder, lab, run  # noqa: F401  fixtures

EMAIL = "ada@example.org"


@pytest.fixture
def scientist(lab: Path, run: Run) -> Path:  # noqa: F811
    assert run("account", "add", lab, EMAIL, "--role", "scientist").code == 0
    return lab


def test_weights_and_caps_are_set_and_shown(scientist: Path, run: Run) -> None:  # noqa: F811
    assert "share the grid equally" in run("share", "list", scientist).out
    made = run("share", "account", scientist, EMAIL, "--weight", "2.5")
    assert made.out == f"{EMAIL}: weight 2.5, no cap.\n"
    made = run("share", "account", scientist, "Ada@Example.org", "--tasks-max", "100")
    assert made.out == f"{EMAIL}: weight 2.5, at most 100 tasks out.\n"
    (line,) = json.loads(run("share", "list", scientist, "--json").out)
    assert (line["name"], line["weight"], line["tasks_max"], line["out"]) == (EMAIL, 2.5, 100, 0)
    made = run("share", "account", scientist, EMAIL, "--no-cap")
    assert made.out == f"{EMAIL}: weight 2.5, no cap.\n"
    assert "2.5" in run("share", "list", scientist).out


def test_an_apps_cap_is_set_and_taken_away(scientist: Path, run: Run) -> None:  # noqa: F811
    with opened_store(open_project(scientist)) as store:
        with store.reading() as db:
            account = db.fetch_one(ACCOUNT_BY_EMAIL, email=EMAIL)
        assert account is not None
        store.execute(
            AddAppVersion(
                now=1,
                account_id=account.id,
                app="period",
                version="1",
                summary="",
                platform="wasm32-wasip1",
                runtime="wasm",
                profile="p",
                release=b"{}",
                release_hash=bytes(32),
                modules=(),
            )
        )
    assert run("share", "app", scientist, "period", "--tasks-max", "7").code == 0
    (line,) = json.loads(run("share", "list", scientist, "--json").out)
    assert (line["kind"], line["name"], line["tasks_max"]) == ("app", "period", 7)
    assert run("share", "app", scientist, "period", "--no-cap").code == 0
    assert json.loads(run("share", "list", scientist, "--json").out) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("account", EMAIL), "what shall change?"),
        (("account", EMAIL, "--tasks-max", "5", "--no-cap"), "contradict each other"),
        (("account", "nobody@example.org", "--weight", "2"), "there is no account"),
        (("app", "none", "--tasks-max", "5"), "there is no app 'none'"),
        (("app", "none"), "name either --tasks-max or --no-cap"),
        (("urgent", "batch_nonsense", "3"), "is no batch's id"),
    ],
)
def test_what_cannot_be_is_told(
    scientist: Path,
    run: Run,  # noqa: F811
    words: tuple[str, ...],
    sentence: str,
) -> None:
    answer = run("share", words[0], scientist, *words[1:])
    assert answer.code == 1
    assert sentence in answer.err


def test_urgency_of_a_batch_that_is_not_there(scientist: Path, run: Run) -> None:  # noqa: F811
    batch = PublicIds(open_project(scientist).ids_key).encode("batch", 5)
    answer = run("share", "urgent", scientist, batch, "3")
    assert answer.code == 1
    assert "there is no batch" in answer.err
