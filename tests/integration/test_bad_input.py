"""What users do wrong, tried on a running project with the real commands and real clients."""

import hashlib
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.tiny_app import APP_TOML, write_app

from .bad_lab import UNITS_MAX, BadLab, until

ROGUE_TOML = """\
[app]
name = "rogue"
version = "1"

[programs.rogue]
sources = ["src/rogue.c"]
max_ops = 50_000_000
memory_bytes = 16_777_216
output_bytes = 1_000_000

[policy]
max_errors = 1

[split]
program = "rogue"
table = "units.csv"
args = ["{way}"]
on_failure = "skip"
"""
ROGUE_C = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
    static char block[65536];
    const char *way = argv[1];
    if (!strcmp(way, "trap")) __builtin_trap();
    while (!strcmp(way, "loop")) { __asm__ volatile(""); }
    while (!strcmp(way, "allocate")) {
        char *volatile more = malloc(1 << 16);
        if (!more) abort();
    }
    FILE *out = fopen("/out/o", "w");
    while (!strcmp(way, "write")) if (fwrite(block, 1, sizeof block, out) != sizeof block) return 9;
    fprintf(out, "fine\n");
    return fclose(out);
}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BadLab]:
    one = BadLab(tmp_path_factory.mktemp("bad input"))
    try:
        one.start()
        yield one
    finally:
        one.close()


def ask(lab: BadLab, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    """A raw request with the admin's token; (status, decoded body)."""
    token = (lab.project / "secrets/admin.token").read_text().strip()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    headers = {"Authorization": f"Bearer {token}", "Content-Length": str(len(body)), **named}
    connection = http.client.HTTPConnection("127.0.0.1", lab.server.running.port, timeout=30)
    with closing(connection):
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        if reply.status >= 400:
            assert reply.headers["Content-Type"] == "application/problem+json"
        return reply.status, json.loads(reply.read())


def test_a_wrong_address_is_one_sentence(lab: BadLab) -> None:
    for program, words, code in (
        ("idlegrid", ("login", "http://127.0.0.1:1", "--token", "igt_x"), 3),
        ("idlegrid_client", ("attach", f"http://127.0.0.1:1/join#root={'a' * 40}", "--yes"), 5),
        ("idlegrid_client", ("attach", f"{lab.url}/join#root={'a' * 40}", "--yes"), 4),
        ("idlegrid_server", ("status", "nowhere"), 1),
    ):
        more = ("--data", "host-3") if program == "idlegrid_client" else ()
        done = lab.run(program, *words, *more)
        assert done.code == code, done.err
        assert done.is_one_sentence(), done.err


def test_an_unknown_token_is_told_and_noted(lab: BadLab) -> None:
    done = lab.run("idlegrid", "login", lab.url, "--token", "igt_unknown")
    assert done.code == 3
    assert done.is_one_sentence()
    assert "unknown, expired or revoked" in done.err
    assert "an API token is unknown" in lab.incidents()


def test_programs_that_misbehave_fail_alone_and_by_name(lab: BadLab, tmp_path: Path) -> None:
    app = tmp_path / "a rogue app"
    (app / "src").mkdir(parents=True)
    (app / "app.toml").write_text(ROGUE_TOML)
    (app / "src/rogue.c").write_text(ROGUE_C)
    (app / "units.csv").write_text("way\ntrap\nloop\nallocate\nwrite\nfine\n")
    done = lab.run("idlegrid", "batch", "submit", app, "--watch")
    assert done.code == 0, done.err
    assert "complete with failures" in done.out + done.err
    failures = lab.good("idlegrid", "batch", "failures", "rogue").out
    for cause in ("trap", "out_of_ops", "output_limit", "memory_limit"):
        assert f"1 × {cause}: The program" in failures, failures
    fetched = lab.good("idlegrid", "batch", "fetch", "rogue", "--out", tmp_path / "answer")
    assert "units/000004/o" in fetched.out
    assert (tmp_path / "answer/units/000004/o").read_text() == "fine\n"


def test_a_table_without_rows_goes_nowhere(lab: BadLab, tmp_path: Path) -> None:
    done = lab.run("idlegrid", "batch", "submit", write_app(tmp_path / "empty", []))
    assert done.code == 2
    assert done.is_one_sentence()
    assert "no rows, so there is nothing to compute" in done.err


def test_a_table_over_the_limit_fails_with_the_limit(lab: BadLab, tmp_path: Path) -> None:
    app = write_app(tmp_path / "large", list(range(1, UNITS_MAX + 2)))
    done = lab.run("idlegrid", "batch", "submit", app, "--name", "large", "--watch")
    assert done.code == 1, done.err
    assert f"more than {UNITS_MAX} lines" in done.err, done.err
    assert "Traceback" not in done.err


def test_a_file_that_is_missing_is_named_with_its_place(lab: BadLab, tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", [1], APP_TOML)
    (app / "units.csv").unlink()
    done = lab.run("idlegrid", "batch", "submit", app)
    assert done.code == 2
    assert done.is_one_sentence()
    assert "[split] table: there is no file 'units.csv'" in done.err
    status, told = ask(
        lab,
        "POST",
        "/api/v1/batches",
        json.dumps(
            {
                "name": "m",
                "app": "rogue",
                "version": "1",
                "units": "ab" * 32,
                "stages": [{"kind": "map", "program": "rogue"}],
            }
        ).encode(),
    )
    assert (status, told["code"]) == (422, "bad_batch")
    assert any("was not uploaded" in fault for fault in told["errors"])
    assert "bad_batch" in lab.incidents()


def test_uploads_of_wrong_bytes_and_sizes_are_told_and_can_be_sent_again(lab: BadLab) -> None:
    digest = hashlib.sha256(b"hello").hexdigest()
    announced = json.dumps({"sha256": digest, "bytes": 5}).encode()

    def send(data: bytes) -> tuple[int, Any]:
        _, upload = ask(lab, "POST", "/api/v1/uploads", announced)
        path = f"/api/v1/uploads/{upload['upload']}"
        kind = "application/octet-stream"
        return ask(lab, "PATCH", path, data, Upload_Offset="0", Content_Type=kind)

    assert (send(b"hello, world")[0], send(b"hullo")[0]) == (413, 422)
    status, state = send(b"hello")
    assert (status, state["done"]) == (200, True)
    assert {"too_large", "hash_mismatch"} <= set(lab.incidents().split())


def test_bodies_that_are_no_good_are_told_and_noted(lab: BadLab) -> None:
    status, told = ask(lab, "POST", "/api/v1/batches", b'{"name":')
    assert (status, told["code"]) == (400, "malformed")
    # What is announced is enough: nobody has to send twenty megabytes to hear it.
    status, told = ask(lab, "POST", "/api/v1/batches", Content_Length=str(20 * 2**20))
    assert (status, told["code"]) == (413, "too_large")
    status, told = ask(lab, "POST", "/rpc/v2/exchange", b"{}")
    assert (status, told["code"]) == (426, "upgrade")
    status, told = ask(lab, "POST", "/rpc/v1/exchange", b"{}")
    assert (status, told["code"]) == (401, "bad_signature")
    assert {"malformed", "too_large", "upgrade", "bad_signature"} <= set(lab.incidents().split())


def test_a_banned_computer_reads_why_and_the_admin_sees_it_knock(lab: BadLab) -> None:
    hosts = json.loads(lab.good("idlegrid_server", "host", "list", lab.project, "--json").out)
    hosts = hosts["hosts"] if isinstance(hosts, dict) else hosts
    host = hosts[0]["id"]
    lab.good("idlegrid_server", "host", "ban", lab.project, host, "--reason", "it smokes")

    def told() -> bool:
        views = [
            lab.good("idlegrid_client", "status", "--data", name).out
            for name in ("host-1", "host-2")
        ]
        return any("it smokes" in view for view in views)

    until("the reason on the volunteer's screen", told)
    until("the incident", lambda: "shut out asks again: it smokes" in lab.incidents())
    lab.good("idlegrid_server", "host", "unban", lab.project, host)


def test_after_all_that_everything_adds_up_and_work_goes_on(lab: BadLab, tmp_path: Path) -> None:
    app = write_app(tmp_path / "good", [2, 3])
    for name in ("host-3", "host-4"):
        told = lab.good("idlegrid_client", "attach", lab.join_link, "--data", name, "--yes")
        assert f"idlegrid-client run --data {name}" in told.out
    lab.good("idlegrid", "batch", "submit", app, "--name", "good")
    until(
        "the table's check",
        lambda: "agree" in lab.good("idlegrid", "batch", "list", "--json").out,
    )
    assert lab.good("idlegrid_server", "recount", lab.project).out == "Everything adds up.\n"
