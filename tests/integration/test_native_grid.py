"""The whole way of a native app: published for every platform, allowed, computed, combined."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from examples.demo.stage import Stage
from idlegrid_shared.box.native.wall import native_platform
from tests.sdk.test_native_app import write_app

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="native programs run on Linux only")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    one = Stage(tmp_path / "stage")
    try:
        yield one
    finally:
        one.kill_all()


def wait_until(what: str, holds: Callable[[], bool], timeout_s: float = 120.0) -> None:
    until_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until_s, f"waited in vain for {what}"
        time.sleep(0.3)


def status(stage: Stage, name: str) -> str:
    data = str(stage.folder / name)
    return stage.command("idlegrid_client", "status", "--data", data, log="status")


def test_native_programs_run_where_they_are_allowed(stage: Stage, tmp_path: Path) -> None:
    app = write_app(tmp_path / "app")
    stage.start_server()
    stage.scientist("login", stage.url, "--token", stage.token)
    stage.scientist("keys", "init", "--no-passphrase")
    public = stage.scientist("keys", "show", "--public").strip()
    stage.server_command("publisher", "allow", str(stage.project), public, "--app", "square")
    stage.scientist("app", "publish", str(app), "--yes")
    versions = stage.rest("apps/square")["versions"]  # type: ignore[index, call-overload]
    assert [v["platform"] for v in versions] == ["linux-x86_64", "linux-aarch64"]
    assert "published already" in stage.scientist("app", "publish", str(app), "--yes")

    stage.scientist("batch", "submit", str(app), "--name", "squares")
    stage.add_client("cautious")
    wait_until("its word", lambda: "Native programs: not allowed" in status(stage, "cautious"))
    wait_until("the reason", lambda: "another version of the client" in status(stage, "cautious"))

    for name in ("ada", "grace"):
        data = str(stage.folder / name)
        said = stage.command("idlegrid_client", "allow", "native", "--data", data, log=name)
        assert "allowed" in said
        stage.add_client(name)

    def batch() -> dict[str, object]:
        found: dict[str, object] = stage.rest("batches?limit=1")["batches"][0]  # type: ignore
        assert found["state"] not in ("failed", "complete_with_failures"), found
        return found

    wait_until("the batch's end", lambda: batch()["state"] == "complete", 200)
    out = stage.folder / "answer"
    stage.scientist("batch", "fetch", "squares", "--out", str(out))
    assert (out / "total").read_text() == "3 units\n"
    hosts = stage.rest("hosts")["hosts"]  # type: ignore[index, call-overload]
    offers = {h["name"]: f"native-{native_platform()}" in h["profiles"] for h in hosts}
    assert offers == {"cautious": False, "ada": True, "grace": True}
    stage.stop()
    assert stage.left_running() == []
