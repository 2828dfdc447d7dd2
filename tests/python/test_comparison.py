"""The scientist's own comparison in Python, run by the server's judge in the real interpreter."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from idlegrid.appfile import read_app
from idlegrid.build import build_app
from idlegrid.python_runtime import runtime_places
from idlegrid.release import make_release
from idlegrid_server.pipeline.judge import Judge, Rule, ValidatorFailed
from idlegrid_server.pipeline.lease import Lease
from idlegrid_server.store import LocalStore, migrate
from idlegrid_server.store.command import AddAppVersion, AddFile, Job, ModuleIn
from idlegrid_shared.manifest import ManifestEntry, manifest_bytes
from idlegrid_shared.runtime.catalogue import known_runtimes
from idlegrid_shared.signing import new_key, sign_document
from idlegrid_shared.validator import Validator
from tests.server.pipeline_bench import Bench

from .lab import PythonLab

COMPARE = """
import json, sys

def read(place):
    with open(f"/in/{place}/result.json") as file:
        return json.load(file)

a, b = read("a"), read("b")
if "unwell" in (a.get("phase"), b.get("phase")):
    print("the phase is unwell", file=sys.stderr)
    sys.exit(10)
note = "" if a["phase"] == b["phase"] else "the phases differ"
with open("/out/verdict.json", "w") as file:
    json.dump({"agrees": not note, "note": note or a.get("note", "")}, file)
"""


@pytest.fixture
def judge(lab: PythonLab, tmp_path: Path) -> Judge:
    """A judge with the program above, and a project that has it and its interpreter."""
    more = '[programs.same]\nscript = "src/same.py"\nmemory_bytes = 67_108_864\ntime_s = 60'
    app = read_app(lab.write({"main.py": "print(1)", "same.py": COMPARE}, more=more))
    built = build_app(app)
    path = tmp_path / "project.db"
    migrate(path)
    store = LocalStore(path)
    bench = Bench(tmp_path, store)
    _, places = runtime_places("cpython")
    for program in built.values():
        bench.upload(program.path.read_bytes())
    for sha256, place in places.items():
        bench.files.store(Path(place), bytes.fromhex(sha256))
        size = Path(place).stat().st_size
        store.execute(AddFile(now=bench.now, sha256=bytes.fromhex(sha256), size=size, public=True))
    known = known_runtimes()["cpython"]
    store.execute(
        AddAppVersion(
            now=bench.now,
            account_id=bench.account_id,
            app=known.release.app,
            version=known.release.version,
            summary="",
            platform=known.release.platform,
            runtime="runtime",
            profile=known.release.profile.name,
            release=msgspec.json.encode(sign_document("release", known.release, new_key())),
            release_hash=bytes.fromhex(known.sha256),
            modules=tuple(
                ModuleIn(bytes.fromhex(h), size) for h, size in known.release.needs().items()
            ),
            any_owner=True,
        )
    )
    validator = Validator(program="same")
    rule = Rule(validator, validator.digest(b"release"), make_release(app, built))
    lease = Lease(store, bench.clock, Job(1, "validate", 1, 1), "worker", 10**9)
    return Judge(bench.tools, lease, lambda: False, rule)


def output(judge: Judge, **values: object) -> bytes:
    """An output that is stored; returns its manifest's hash."""
    data = msgspec.json.encode(values)
    digest = hashlib.sha256(data).digest()
    judge.tools.store.execute(AddFile(now=1, sha256=digest, size=len(data), data=data))
    body = manifest_bytes([ManifestEntry("result.json", digest.hex(), len(data))])
    named = hashlib.sha256(body).digest()
    with closing(sqlite3.connect(judge.tools.work.parent / "project.db")) as db, db:
        db.execute("INSERT INTO manifest (hash, body) VALUES (?, ?)", (named, body))
    return named


def test_python_compares_two_outputs(judge: Judge) -> None:
    a, b = sorted(output(judge, phase="full", x=x) for x in (1, 2))
    other = output(judge, phase="new")
    findings, pairs = judge.look([a, b, other], [(a, b), tuple(sorted((a, other)))])
    assert [found.outcome for found in findings] == ["good"] * 3
    assert [(found.agrees, found.note) for found in pairs] == [
        (True, ""),
        (False, "the phases differ"),
    ]


def test_what_python_cannot_read_is_told_from_a_broken_program(judge: Judge) -> None:
    ill = output(judge, phase="unwell")
    with pytest.raises(ValidatorFailed, match="KeyError"):  # an exception is no verdict
        judge.check(output(judge, other=1))
    good = output(judge, phase="full")
    found = {f.manifest: f for f in judge.look([ill, good], [])[0]}
    assert found[good].outcome == "good"
    assert found[ill].outcome == "failed"
    assert found[ill].note == "the phase is unwell"
    assert judge.check(output(judge, nothing=1)).outcome == "unreadable"
    wordy = output(judge, phase="full", note="x" * 10**5)
    assert judge.check(wordy).outcome == "unreadable", "a verdict that is too long is none"
