"""The command line: exit codes, one plain sentence an error, JSON alone on stdout."""

import json
import subprocess
import sys

import pytest

from idlegrid import Grid
from idlegrid.cli import run
from idlegrid.keys import key_path, make_key
from idlegrid_shared.documents import Delegations, Release
from idlegrid_shared.signing import Signed, new_key, open_document, public_hex

from .loopback import Say, Seen, problem, say_json, serve
from .project import Project
from .tiny_app import APP_TOML, write_app


@pytest.fixture
def command(capfdbinary):
    """Run a command; answer its exit code, its JSON (or text) and what it said on stderr."""

    def call(*words: str):
        code = run(words)
        captured = capfdbinary.readouterr()
        out = captured.out.decode()
        return code, json.loads(out) if "--json" in words else out, captured.err.decode()

    return call


def test_a_batch_runs_locally_from_one_command(tmp_path, command) -> None:
    folder = write_app(tmp_path / "my app", [1, 2, 3])
    out = tmp_path / "out"
    code, data, err = command("run-local", str(folder), "--out", str(out), "--json")
    assert (code, err) == (0, "")
    assert data["units"] == 3
    assert [file["name"] for file in data["files"]] == ["total.txt"]
    code, text, _ = command("run-local", str(folder), "--out", str(out))
    assert code == 0
    assert "3 units in" in text
    assert "square: at most" in text


def test_a_failed_batch_ends_with_1_and_shows_why(tmp_path, command) -> None:
    folder = write_app(tmp_path / "app", [1, -2])
    code, out, err = command("run-local", str(folder), "--out", str(tmp_path / "out"))
    assert (code, out) == (1, "")
    assert "Error: unit 1 (square -2) failed" in err
    assert "-2 is negative" in err
    assert "Traceback" not in err


def test_bad_input_ends_with_2_and_one_sentence(tmp_path, command) -> None:
    folder = write_app(tmp_path / "app", [], APP_TOML)
    code, data, err = command("run-local", str(folder), "--json")
    assert (code, err) == (2, "")
    assert data["exit_code"] == 2
    assert "no rows" in data["error"]
    code, _, err = command("run-local", str(tmp_path))
    assert code == 2
    assert err.count("\n") == 1
    assert "is not an app" in err


@pytest.mark.parametrize(
    "words", [("bach",), ("batch", "fetch", "x"), ("run-local", "--jobs", "many"), ("app", "new")]
)
def test_a_mistyped_command_ends_with_2(command, words) -> None:
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert err.count("\n") == 1


def test_a_compilers_words_follow_the_sentence(tmp_path, command) -> None:
    folder = write_app(tmp_path / "app", [1])
    (folder / "src/total.c").write_text("int main(void) { return nothing; }\n")
    code, _, err = command("app", "build", str(folder))
    assert code == 2
    assert "program total does not compile" in err
    assert "src/total.c:1" in err


def test_build_says_what_it_did(tmp_path, command) -> None:
    folder = write_app(tmp_path / "app", [1], compiled=False)
    _, first, _ = command("app", "build", str(folder), "--json")
    assert [program["compiled"] for program in first["programs"]] == [True, True]
    _, second, _ = command("app", "build", str(folder), "--json")
    assert [program["compiled"] for program in second["programs"]] == [False, False]
    assert [p["sha256"] for p in first["programs"]] == [p["sha256"] for p in second["programs"]]


def test_a_new_app_works_at_once(tmp_path, command) -> None:
    folder = tmp_path / "my primes"
    code, data, _ = command("app", "new", str(folder), "--json")
    assert (code, data["app"]) == (0, "my-primes")
    code, _, _ = command("run-local", str(folder), "--out", str(tmp_path / "out"), "--json")
    assert code == 0
    answer = json.loads((tmp_path / "out/answer.json").read_bytes())
    assert answer == {"primes": 17984, "units": 10, "missing": 0}
    code, _, err = command("app", "new", str(folder))
    assert code == 2
    assert "is not empty" in err


def test_a_release_is_signed_by_the_publishers_key(tmp_path, command) -> None:
    folder = write_app(tmp_path / "app", [1])
    code, _, err = command("app", "sign", str(folder))
    assert code == 2
    assert "make one with `idlegrid keys init`" in err
    _, key, _ = command("keys", "init", "--no-passphrase", "--json")
    assert command("keys", "show", "--public")[1].strip() == key["public"]
    _, made, _ = command("app", "sign", str(folder), "--json")
    signed = Signed(**json_signed((folder / "build/release.json").read_bytes()))
    release = open_document("release", signed, Release, key=key["public"])
    assert (release.app, release.version) == ("tiny", "1.0.0")
    assert [program.name for program in release.programs] == ["square", "total"]
    _, again, _ = command("app", "sign", str(folder), "--json")
    assert again == made, "the same sources gave another release"


def json_signed(data: bytes) -> dict[str, object]:
    import msgspec

    return msgspec.to_builtins(msgspec.json.decode(data, type=Signed), builtin_types=(bytes,))


def test_a_key_is_not_made_without_a_passphrase_by_accident(command) -> None:
    code, _, err = command("keys", "init")
    assert code == 2
    assert "IDLEGRID_PASSPHRASE" in err


def test_root_delegates_offline(tmp_path, command, monkeypatch) -> None:
    monkeypatch.setenv("IDLEGRID_PASSPHRASE", "kept in a safe")
    _, root, _ = command("keys", "init", "--root", "--json")
    online, ada = (public_hex(new_key()) for _ in range(2))
    one, two = str(tmp_path / "one.json"), str(tmp_path / "two.json")
    words = ("keys", "delegate", "--json", "--out")
    code, _, err = command(*words, one, "--project", "Spin", "--online", online)
    assert code == 0, err
    code, data, _ = command(*words, two, "--from", one, "--publisher", ada, "--app", "spots")
    assert code == 0
    assert (data["delegations"]["serial"], data["delegations"]["root"]) == (2, root["public"])
    assert data["delegations"]["publishers"] == [{"key": ada, "name": "", "apps": ["spots"]}]
    code, _, _ = command(*words, one, "--from", two, "--project", "Spun")
    assert code == 2, "an existing file was written over"
    code, _, _ = command(*words, two, "--from", two, "--project", "Spun")
    assert code == 0
    with (tmp_path / "two.json").open("rb") as file:
        signed = Signed(**json_signed(file.read()))
    assert open_document("delegations", signed, Delegations).project == "Spun"


def test_login_keeps_the_token_for_its_owner_alone(tmp_path, command, monkeypatch) -> None:
    monkeypatch.setenv("IDLEGRID_CONFIG", str(tmp_path / "config"))

    def answer(seen: Seen) -> Say:
        if seen.headers.get("Authorization") != "Bearer igt_good":
            return problem(401, "bad_token", "this token is not known")
        return say_json({"batches": [], "next": None} if "batches" in seen.path else {"name": "S"})

    with serve(answer) as server:
        code, _, err = command("login", server.url, "--token", "igt_bad")
        assert code == 3
        assert "this token is not known" in err
        assert not (tmp_path / "config").exists()
        code, text, _ = command("login", server.url, "--token", "igt_good")
        assert code == 0
        assert "Signed in to S" in text
        assert "igt_good" not in text
        path = tmp_path / "config/credentials.json"
        assert path.stat().st_mode & 0o777 == 0o600
        code, data, _ = command("batch", "list", "--json")
        assert (code, data) == (0, {"batches": []})


def test_a_server_that_is_not_there_ends_with_3(command, monkeypatch) -> None:
    monkeypatch.setattr("idlegrid.api.PATIENCE_FIRST_S", 0.01)
    monkeypatch.setenv("IDLEGRID_TOKEN", "igt_x")
    with serve(lambda seen: Say(503, b"")) as server:
        code, out, err = command("batch", "list", "--url", server.url)
    assert (code, out) == (3, "")
    assert err.count("\n") == 1


def test_without_a_project_the_command_says_how_to_name_one(command) -> None:
    code, _, err = command("batch", "list")
    assert code == 2
    assert "idlegrid login URL" in err


def test_every_command_can_speak_json_and_explain_itself(command) -> None:
    import click

    from idlegrid.cli import idlegrid

    def walk(group, path):
        for name, sub in group.commands.items():
            if isinstance(sub, click.Group):
                yield from walk(sub, (*path, name))
            else:
                yield (*path, name), sub

    found = list(walk(idlegrid, ()))
    assert len(found) >= 20
    for path, sub in found:
        assert "--json" in {option for p in sub.params for option in p.opts}, path
        assert sub.help, path


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "idlegrid", "batch"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 or "Usage" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_show_tells_where_a_batch_stands_and_when_it_is_done(
    tmp_path, command, monkeypatch
) -> None:
    project = Project()
    monkeypatch.setenv("IDLEGRID_TOKEN", "igt_x")
    make_key(key_path(), None)
    project.forecast = {"p50_at": "2027-01-02T03:04:05.000Z", "p90_at": "2027-01-02T06:00:00Z"}
    with serve(project) as server, Grid(server.url, "igt_x", patience_s=2.0) as grid:
        batch = grid.submit(write_app(tmp_path / "app", [1]))
        code, text, _ = command("batch", "show", batch.id, "--url", server.url)
        assert code == 0
        assert "map: 2 of 3 ended" in text
        assert "Done by 2027-01-02 03:04 as likely as not, and by 2027-01-02 06:00 in nine" in text
        code, data, _ = command("batch", "show", batch.id, "--url", server.url, "--json")
        assert data["forecast"]["p90_at"].startswith("2027-01-02T06")
