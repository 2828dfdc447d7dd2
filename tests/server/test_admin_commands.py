"""The admin's commands on a project without a running server: what is made, and what is refused."""

import json
import sqlite3
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from idlegrid_server.cli import main
from idlegrid_server.layout import Layout
from idlegrid_server.project import open_project
from idlegrid_server.running import locked
from idlegrid_server.store.command import EnrolHost, MachineFacts, RecordIncident, SetHostState
from idlegrid_server.store.sql.account import ACCOUNT_BY_EMAIL, SETTING, TOKEN_BY_HASH
from idlegrid_server.store.sql.host import HOST_BY_ID
from idlegrid_server.store_access import opened_store, own_store
from idlegrid_server.token import SCOPES, token_hash
from idlegrid_server.trust import first_delegations, make_root, read_delegations
from idlegrid_shared.keyfile import load_key, save_key
from idlegrid_shared.signing import Signed, new_key, public_hex


class Answer:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Run = Callable[..., Answer]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*words: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["idlegrid-server", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as error:
            code = int(error.code or 0)
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "my project"


@pytest.fixture
def lab(folder: Path, run: Run) -> Path:
    answer = run("init", folder, "--lab", "--name", "Lab é", "--port", 8123)
    assert answer.code == 0, answer.err
    return folder


def test_a_lab_is_made_whole_and_private(lab: Path, run: Run) -> None:
    layout = Layout(lab)
    for path in [lab, *lab.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), f"{path} has mode {mode:o}"
    project = open_project(lab)
    assert project.config.project.name == "Lab é"
    assert project.config.dispatch.distinct == ("host",)
    assert len(project.ids_key) == len(project.token_key) == 32
    root = load_key(layout.root_key, layout.root_passphrase.read_text().strip())
    assert public_hex(root) == project.root_public
    delegations = read_delegations(
        project.delegations(), project.root_public, public_hex(project.online_key)
    )
    assert delegations.serial == 1
    with opened_store(project) as store, store.reading() as db:
        assert db.fetch_one(SETTING, name="delegations") == layout.delegations.read_text()
        token = db.fetch_one(TOKEN_BY_HASH, hash=token_hash(layout.admin_token.read_text().strip()))
    assert token is not None
    assert (token.role, token.scopes.split()) == ("admin", list(SCOPES))
    assert not [p for p in lab.parent.iterdir() if p != lab], "a draft was left"


def test_init_prints_one_link_that_signs_in_once(folder: Path, run: Run) -> None:
    answer = run("init", folder, "--lab", "--url", "https://spin.example")
    links = [line for line in answer.out.splitlines() if "token=" in line]
    assert len(links) == 1
    assert links[0].startswith("https://spin.example/signin#token=igt_")
    token = links[0].partition("token=")[2]
    with opened_store(open_project(folder)) as store, store.reading() as db:
        row = db.fetch_one(TOKEN_BY_HASH, hash=token_hash(token))
    assert row is not None
    assert row.single_use
    assert row.role == "admin"
    assert token not in "".join(p.read_text(errors="replace") for p in folder.rglob("*.toml"))


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(lab: Path, run: Run) -> None:
    before = (lab / "idlegrid.toml").read_bytes()
    answer = run("init", lab, "--lab")
    assert answer.code == 1
    assert answer.err == f"Error: {lab} is not empty: name a new or empty folder\n"
    assert (lab / "idlegrid.toml").read_bytes() == before


def test_an_empty_folder_is_taken(folder: Path, run: Run) -> None:
    folder.mkdir()
    assert run("init", folder, "--lab").code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--admin-email", "nobody"), "not an e-mail address"),
        (("--name", ""), "project.name"),
        (("--url", "spin"), "project.url"),
        (("--database", "mysql://x"), "database.url"),
    ],
)
def test_a_wrong_wish_is_named_and_leaves_nothing(
    folder: Path, run: Run, words: tuple[str, ...], sentence: str
) -> None:
    answer = run("init", folder, "--lab", *words)
    assert answer.code == 1
    assert sentence in answer.err
    assert answer.err.count("\n") == 1, "more than one plain sentence"
    assert list(folder.parent.iterdir()) == []


def test_beyond_a_lab_the_root_key_is_sealed_by_the_admins_passphrase(
    folder: Path, run: Run, tmp_path: Path
) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse\n")
    assert run("init", folder, "--root-passphrase-file", secret).code == 0
    layout = Layout(folder)
    assert load_key(layout.root_key, "correct horse")
    assert not layout.root_passphrase.exists()
    assert not layout.admin_token.exists()
    state = json.loads(run("status", folder, "--json").out)
    assert "root_key_here" in {condition["code"] for condition in state["health"]}
    assert open_project(folder).config.dispatch.distinct == ("host", "account", "subnet")


def test_the_root_key_can_stay_elsewhere(folder: Path, run: Run, tmp_path: Path) -> None:
    """init with the public half; the online key is signed offline; then the server may start."""
    elsewhere = Layout(tmp_path / "vault")
    elsewhere.root.mkdir(parents=True)
    root = make_root(elsewhere, "passphrase")
    answer = run("init", folder, "--root-pub", elsewhere.root_public)
    assert answer.code == 0
    online = public_hex(open_project(folder).online_key)
    assert online in answer.out
    refused = run("serve", folder)
    assert refused.code == 1
    assert "root has signed no delegations yet" in refused.err

    def sign(name: str, key: object = None, named: str = online) -> Path:
        path = tmp_path / name
        signed = first_delegations("P", key or root, named, 1)  # type: ignore[arg-type]
        path.write_bytes(encode(signed))
        return path

    stranger = run("delegations", folder, sign("stranger", new_key()))
    assert stranger.code == 1
    assert "not the project you joined" in stranger.err
    other = run("delegations", folder, sign("other", None, "00" * 32))
    assert "do not name this server's online key" in other.err
    assert run("delegations", folder, sign("good")).code == 0
    again = run("delegations", folder, sign("again"))
    assert "has 1 already" in again.err
    assert not Layout(folder).root_key.exists()
    health = json.loads(run("status", folder, "--json").out)["health"]
    assert {"root_key"} <= {condition["code"] for condition in health}
    offline = run("publisher", "allow", folder, public_hex(new_key()), "--app", "x")
    assert "the root key is not in" in offline.err


def test_everything_signed_beforehand_is_taken_at_once(
    folder: Path, run: Run, tmp_path: Path
) -> None:
    vault = Layout(tmp_path / "vault")
    vault.root.mkdir(parents=True)
    root, online = make_root(vault, "p"), new_key()
    save_key(tmp_path / "online.key", online)
    (tmp_path / "d.json").write_bytes(encode(first_delegations("P", root, public_hex(online), 1)))
    words = ("--root-pub", vault.root_public, "--delegations", tmp_path / "d.json")
    assert "--online-key" in run("init", folder, *words).err
    assert run("init", folder, *words, "--online-key", tmp_path / "online.key").code == 0
    assert public_hex(open_project(folder).online_key) == public_hex(online)


def encode(signed: Signed) -> bytes:
    return msgspec.json.encode(signed)


def test_a_publisher_is_allowed_by_root_and_replaced_by_key(lab: Path, run: Run) -> None:
    key = public_hex(new_key())
    assert run("publisher", "allow", lab, key, "--app", "spots", "--name", "Ada").code == 0
    assert run("publisher", "allow", lab, key, "--app", "sun*", "--app", "x").code == 0
    listed = json.loads(run("publisher", "list", lab, "--json").out)
    assert [(p["key"], p["apps"]) for p in listed] == [(key, ["sun*", "x"])]
    project = open_project(lab)
    with opened_store(project) as store, store.reading() as db:
        assert db.fetch_one(SETTING, name="delegations") == project.layout.delegations.read_text()
    bad = run("publisher", "allow", lab, "beef", "--app", "x")
    assert bad.code == 1
    assert "not an Ed25519 public key" in bad.err


def test_accounts_and_tokens(lab: Path, run: Run) -> None:
    made = run("account", "add", lab, "Ada@Example.org", "--role", "scientist")
    assert made.out.startswith("http://127.0.0.1:8123/signin#token=igt_")
    again = run("account", "add", lab, "ada@example.org", "--role", "scientist")
    assert "an account for ada@example.org already" in again.err
    token = run(
        "token", "add", lab, "ada@example.org", "--scope", "batch:read", "--scope", "file:write",
        "--days", "3",
    ).out.strip()  # fmt: skip
    with opened_store(open_project(lab)) as store, store.reading() as db:
        account = db.fetch_one(ACCOUNT_BY_EMAIL, email="ada@example.org")
        row = db.fetch_one(TOKEN_BY_HASH, hash=token_hash(token))
    assert account is not None
    assert row is not None
    assert account.role == "scientist"
    assert row.account_id == account.id
    assert set(row.scopes.split()) == {"batch:read", "file:write"}
    assert row.expires_at is not None
    nobody = run("token", "add", lab, "bob@example.org", "--scope", "admin")
    assert "there is no account for bob@example.org" in nobody.err
    wrong = run("account", "add", lab, "x@y", "--role", "king")
    assert wrong.code == 2


def test_a_host_is_banned_and_let_in_again(lab: Path, run: Run) -> None:
    assert "No host has joined yet" in run("host", "list", lab).out
    project = open_project(lab)
    with own_store(project) as store:
        host_id = store.execute(
            EnrolHost(now=1, device=b"d" * 32, machine=MachineFacts("pc", "{}"), subnet="")
        ).host_id
    listed = json.loads(run("host", "list", lab, "--json").out)
    assert [(h["name"], h["state"]) for h in listed] == [("pc", "new")]
    public = listed[0]["id"]
    assert run("host", "ban", lab, public, "--reason", "wrong results").code == 0

    def state() -> str:
        with opened_store(project) as store, store.reading() as db:
            row = db.fetch_one(HOST_BY_ID, host_id=host_id)
        assert row is not None
        return row.state

    assert state() == "banned"
    assert "nothing was changed" in run("host", "ban", lab, public, "--reason", "x").err
    assert run("host", "unban", lab, public).code == 0
    assert state() != "banned"
    assert "is no host's id" in run("host", "unban", lab, "host_x").err


def test_a_host_is_shown_released_vouched_for_and_limited(lab: Path, run: Run) -> None:
    project = open_project(lab)
    with own_store(project) as store:
        made = store.execute(
            EnrolHost(now=1, device=b"d" * 32, machine=MachineFacts("pc", "{}"), subnet="")
        )
        store.execute(
            SetHostState(
                now=2, host_id=made.host_id, state="quarantined", reason="admin", actor="cli"
            )
        )
    (listed,) = json.loads(run("host", "list", lab, "--json").out)
    public = listed["id"]
    shown = run("host", "show", lab, public).out
    assert "In quarantine: An admin decided it." in shown
    assert "It is new: until its first 3 verdicts" in shown
    assert run("host", "release", lab, public).code == 0
    again = run("host", "release", lab, public)
    assert again.code != 0
    assert "not quarantined: nothing was changed" in again.err
    assert run("host", "house", lab, public).out == f"{public} is a house host.\n"
    assert "nothing was changed" in run("host", "house", lab, public).err
    assert run("host", "limit", lab, public, 99).code == 0
    told = json.loads(run("host", "show", lab, public, "--json").out)
    assert told["facts"]["tasks at most"] == 99
    assert told["facts"]["the project's own"] == "yes"
    assert run("host", "house", lab, public, "--no").code == 0
    assert "nothing was changed" in run("host", "house", lab, public, "--no").err
    assert "is no host's id" in run("host", "show", lab, "host_x").err
    assert run("recount", lab).out == "Everything adds up.\n"


def test_status_says_what_is_not_well(lab: Path, run: Run) -> None:
    text = run("status", lab).out
    assert "not served" in text
    assert "No server runs" in text
    assert "The root key and its passphrase lie with the server" in text
    assert "Batches: none yet." in text


def test_incidents_are_listed(lab: Path, run: Run) -> None:
    assert "Nothing went wrong" in run("incidents", lab).out
    with own_store(open_project(lab)) as store:
        for _ in range(3):
            store.execute(RecordIncident(now=5, code="bad_signature", source="ip", text="why"))
    assert [i["count"] for i in json.loads(run("incidents", lab, "--json").out)] == [3]
    assert "bad_signature" in run("incidents", lab).out


def test_the_joining_link_carries_address_and_fingerprint(lab: Path, run: Run) -> None:
    project = open_project(lab)
    expected = f"http://127.0.0.1:8123/join#root={project.fingerprint}\n"
    assert run("join-link", lab).out == expected


def test_no_project_is_told_in_a_plain_sentence(tmp_path: Path, run: Run) -> None:
    for words in (("serve",), ("status",), ("join-link",)):
        answer = run(*words, tmp_path)
        assert answer.code == 1
        assert "holds no Idlegrid project: make one with" in answer.err


def test_broken_settings_are_told_in_a_plain_sentence(lab: Path, run: Run) -> None:
    (lab / "idlegrid.toml").write_text("[web]\nprot = 1\n")
    answer = run("serve", lab)
    assert answer.code == 1
    assert "unknown setting web.prot" in answer.err


def test_a_command_waits_for_another_that_holds_the_project(
    lab: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idlegrid_server.store_access.PATIENCE_S", 0.2)
    with locked(Layout(lab)):
        answer = run("account", "add", lab, "x@y", "--role", "admin")
    assert answer.code == 1
    assert "runs already" in answer.err


def test_the_settings_page_is_printed(run: Run) -> None:
    assert "disk_low_water_bytes" in run("settings").out


def test_recount_says_that_all_adds_up_or_what_does_not(lab: Path, run: Run) -> None:
    assert run("recount", lab).out == "Everything adds up.\n"
    with own_store(open_project(lab)) as store:
        made = store.execute(
            EnrolHost(now=1, device=b"d" * 32, machine=MachineFacts("pc", "{}"), subnet="")
        )
    with sqlite3.connect(Layout(lab).database) as db:
        db.execute("UPDATE host SET n_valid = 7 WHERE id = ?", (made.host_id,))
    db.close()
    broken = run("recount", lab)
    assert broken.code == 1
    assert "broken rules" in broken.out
