"""A project in one process: a real embedded database, real files, a clock that the test moves."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from idlegrid_server.files import ContentStore
from idlegrid_server.pipeline.jobs import work_jobs
from idlegrid_server.pipeline.passes import Passed, run_passes
from idlegrid_server.pipeline.tools import Tools
from idlegrid_server.store.command import (
    AddAppVersion,
    AddFile,
    CreateAccount,
    CreateBatch,
    EnrolHost,
    Exchange,
    FileIn,
    MachineFacts,
    ModuleIn,
    NewStage,
    ReportIn,
    Store,
    Wanted,
)
from idlegrid_server.store.sql.batch import (
    ANSWER_OF_REVISION,
    BATCH_BY_ID,
    STAGES_OF_BATCH,
    AnswerRow,
    BatchRow,
    StageRow,
)
from idlegrid_server.store.sql.file import FILE_BY_HASH, MANIFEST_BY_HASH
from idlegrid_server.store.sql.unit import UNITS_OF_STAGE_AFTER, UnitRow
from idlegrid_shared.documents import Policy, Program, Release
from idlegrid_shared.manifest import Manifest, ManifestEntry, manifest_bytes, parse_manifest
from idlegrid_shared.sandbox.limits import Limits
from idlegrid_shared.sandbox.profile import current_profile
from idlegrid_shared.seeds import batch_seed
from idlegrid_shared.signing import new_key, sign_document
from idlegrid_shared.validator import Validator

START = 1_800_000_000_000_000
SECOND = 1_000_000
LIMITS = Limits(
    memory_bytes=131072, max_ops=10_000_000, time_s=20.0, output_bytes=100_000, output_files=10
)


class Bench:
    """Store, files and the few things that every batch needs: an account, an app version."""

    def __init__(self, folder: Path, store: Store, combine: bytes = b"no module") -> None:
        self.now = START
        self.store = store
        self.files = ContentStore(folder / "files")
        self.files.folder.mkdir()
        work = folder / "work"
        work.mkdir(mode=0o700)
        # Whole batches go out at once here: tests of canaries say from which size on they do not.
        self.tools = Tools(
            store, self.files, self.clock, work, lease_us=60 * SECOND, canary_from=10**9
        )
        self.account_id = store.execute(
            CreateAccount(now=self.now, email="a@b", name="A", role="scientist")
        ).account_id
        self.version_id = self.publish(combine)
        self.hosts = 0

    def clock(self) -> int:
        return self.now

    def later(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)

    # -- what a scientist does

    def upload(self, data: bytes) -> bytes:
        digest = hashlib.sha256(data).digest()
        self.store.execute(
            AddFile(
                now=self.now, sha256=digest, size=len(data), data=data, account_id=self.account_id
            )
        )
        return digest

    def publish(self, module: bytes, app: str = "app") -> int:
        digest = self.upload(module)
        entry = ManifestEntry("m.wasm", digest.hex(), len(module))
        release = Release(
            app=app,
            version="1",
            summary="",
            platform="wasm32-wasip1",
            runtime="wasm",
            profile=current_profile(),
            programs=(Program("map", entry, LIMITS), Program("join", entry, LIMITS)),
            policy=Policy(),
        )
        signed = sign_document("release", release, new_key())
        self.release_hash = hashlib.sha256(signed.body).digest()
        return self.store.execute(
            AddAppVersion(
                now=self.now,
                account_id=self.account_id,
                app=app,
                version="1",
                summary="",
                platform="wasm32-wasip1",
                runtime="wasm",
                profile="p",
                release=msgspec.json.encode(signed),
                release_hash=hashlib.sha256(signed.body).digest(),
                modules=(ModuleIn(digest, len(module)),),
            )
        ).app_version_id

    def submit(
        self,
        table: bytes,
        *,
        combine: bool = False,
        on_failure: dict[str, Any] | None = None,
        policy: Policy | None = None,
        plot: dict[str, Any] | None = None,
        args: tuple[str, ...] = (),
        uploaded: bool = True,
        canary: bool = True,
        rule: Validator | None = None,
    ) -> int:
        digest = self.upload(table) if uploaded else hashlib.sha256(table).digest()
        kinds = ("map", "combine") if combine else ("map",)
        spec = {
            "canary": canary,
            "units": digest.hex(),
            "stages": [
                {"kind": kind, "args": list(args) if kind != "map" else []} for kind in kinds
            ],
            "plot": plot,
        }
        chosen = policy or Policy(quorum=1, replicas=1, max_errors=0, max_tasks=2)
        return self.store.execute(
            CreateBatch(
                now=self.now,
                account_id=self.account_id,
                app_version_id=self.version_id,
                name="batch",
                idempotency_key=None,
                spec=msgspec.json.encode(spec).decode(),
                seed=batch_seed("app", "1"),
                priority=0,
                on_failure=msgspec.json.encode(on_failure or {"mode": "stop"}).decode(),
                stages=tuple(
                    NewStage(
                        index=index,
                        kind=kind,  # type: ignore[arg-type]
                        placement="grid" if kind == "map" else "server",
                        app_version_id=self.version_id,
                        program="map" if kind == "map" else "join",
                        inputs="[]",
                        policy=msgspec.json.encode(chosen).decode(),
                        memory_bytes=65536,
                        profile="p",
                        validator=self.rule_text(rule) if kind == "map" else None,
                        validator_hash=self.rule_hash(rule) if kind == "map" else None,
                        expected=0 if kind == "map" else 1,
                    )
                    for index, kind in enumerate(kinds)
                ),
            )
        ).batch_id

    def rule_text(self, rule: Validator | None) -> str | None:
        return None if rule is None else msgspec.json.encode(rule).decode()

    def rule_hash(self, rule: Validator | None) -> bytes | None:
        return None if rule is None else rule.digest(self.release_hash)

    # -- what volunteers do

    def enrol(self) -> bytes:
        self.hosts += 1
        device = self.hosts.to_bytes(32, "big")
        facts = MachineFacts("host", "{}", cores=4, memory_bytes=2**32, profiles=("p",))
        self.store.execute(
            EnrolHost(now=self.now, device=device, machine=facts, subnet=f"10.0.{self.hosts}")
        )
        return device

    def exchange(
        self, device: bytes, seq: int, *, reports: tuple[ReportIn, ...] = (), want: int = 100
    ) -> Any:
        return self.store.execute(
            Exchange(
                now=self.now,
                device=device,
                request_id=f"request-{seq:08}",
                seq=seq,
                body_hash=hashlib.sha256(str(seq).encode()).digest(),
                subnet=f"10.0.{int.from_bytes(device, 'big')}",
                distinct=("host",),
                reports=reports,
                want=Wanted(tasks=want),
            )
        )

    def compute(self, failing: frozenset[int] = frozenset()) -> int:
        """One host computes everything that is to be had, now; returns how many tasks that was."""
        device, seq, count = self.enrol(), 1, 0
        reply = self.exchange(device, seq)
        while reply.tasks:
            count += len(reply.tasks)
            reports = tuple(self.report(task, task.index in failing) for task in reply.tasks)
            seq += 1
            reply = self.exchange(device, seq, reports=reports)
            self.passes()
            seq += 1
            reply = self.exchange(device, seq)
        return count

    def report(self, task: Any, fails: bool) -> ReportIn:
        if fails:
            return ReportIn(task.task_id, "error", reason="trap", stderr="it trapped")
        return self.result(task, output_of(task.index))

    def result(self, task: Any, data: bytes, name: str = "out") -> ReportIn:
        """A success with one file."""
        digest = hashlib.sha256(data)
        manifest = manifest_bytes([ManifestEntry(name, digest.hexdigest(), len(data))])
        return ReportIn(
            task.task_id,
            "success",
            ops=1,
            elapsed_us=1,
            profile="p",
            manifest=manifest,
            manifest_hash=hashlib.sha256(manifest).digest(),
            files=(FileIn(digest.digest(), len(data), data),),
        )

    # -- what the server does

    def settle(self) -> None:
        """Passes and jobs, until neither has anything to do."""
        while self.passes().units or self.jobs():
            pass

    def passes(self) -> Passed:
        return run_passes(self.store, self.files, self.clock, tools=self.tools)

    def jobs(self) -> int:
        return work_jobs(self.tools)

    # -- what there is

    def batch(self, batch_id: int) -> BatchRow:
        with self.store.reading() as db:
            row = db.fetch_one(BATCH_BY_ID, batch_id=batch_id)
        assert row is not None
        return row

    def stages(self, batch_id: int) -> list[StageRow]:
        with self.store.reading() as db:
            return db.fetch_all(STAGES_OF_BATCH, batch_id=batch_id)

    def units(self, batch_id: int, stage: int = 0) -> list[UnitRow]:
        with self.store.reading() as db:
            return db.fetch_all(
                UNITS_OF_STAGE_AFTER,
                stage_id=self.stages(batch_id)[stage].id,
                after=-1,
                limit=10_000,
            )

    def answer(self, batch_id: int, revision: int = 1) -> AnswerRow:
        with self.store.reading() as db:
            row = db.fetch_one(ANSWER_OF_REVISION, batch_id=batch_id, revision=revision)
        assert row is not None, f"batch {batch_id} has no answer {revision}"
        return row

    def manifest(self, digest: bytes) -> Manifest:
        with self.store.reading() as db:
            body = db.fetch_one(MANIFEST_BY_HASH, hash=digest)
        assert body is not None
        return parse_manifest(body)

    def answer_files(self, batch_id: int) -> dict[str, bytes]:
        """The answer's files by name."""
        found = {}
        for entry in self.manifest(self.answer(batch_id).manifest):
            digest = bytes.fromhex(entry.sha256)
            with self.tools.open_file(digest) as file:
                data = file.read()
            assert hashlib.sha256(data).digest() == digest
            assert len(data) == entry.bytes
            found[entry.name] = data
        return found

    def known(self, digest: bytes) -> bool:
        with self.store.reading() as db:
            return db.fetch_one(FILE_BY_HASH, sha256=digest) is not None


def output_of(index: int) -> bytes:
    """What a volunteer's program writes for a unit."""
    return f"output of {index}".encode()


def table(count: int) -> bytes:
    """A table of ``count`` units whose argument is their index."""
    return b"".join(b'{"args":["%d"]}\n' % index for index in range(count))
