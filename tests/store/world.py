"""A small project to tell stories in: one scientist, one app, hosts that answer as told."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from idlegrid_server.domain.batch import decide_batch
from idlegrid_server.domain.host import NEWCOMER_MAX
from idlegrid_server.domain.model import UnitSnapshot
from idlegrid_server.domain.unit import decide_unit
from idlegrid_server.pipeline.passes import release_pass, settle_pass, transition_pass
from idlegrid_server.pipeline.snapshot import due_batches, due_units
from idlegrid_server.pipeline.tail import tail_pass
from idlegrid_server.store import command as c
from idlegrid_server.store.query import Query
from idlegrid_server.store.recount import recount
from idlegrid_server.store.sql import batch as batch_sql
from idlegrid_server.store.sql import event as event_sql
from idlegrid_server.store.sql import host as host_sql
from idlegrid_server.store.sql import unit as unit_sql
from idlegrid_shared.documents import Checkpoint, Policy, Release, Runtime
from idlegrid_shared.manifest import ManifestEntry, manifest_bytes
from idlegrid_shared.sandbox.profile import RuntimeProfile
from idlegrid_shared.signing import Signed

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
PROFILE = "engine1"
ALL = ("host", "account", "subnet")
GIB = 1024**3

UNIT = Query(
    "test_unit",
    "a unit by its id, as tests look at it",
    "SELECT " + ", ".join(unit_sql.UnitRow._fields) + " FROM work_unit WHERE id = :unit_id",
    unit_sql.UnitRow._make,
)


def digest(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def answer(data: bytes) -> bytes:
    """The manifest of a result with one small output file."""
    return manifest_bytes([ManifestEntry("out", digest(data).hex(), len(data))])


def result(task_id: int, data: bytes, **more: object) -> c.ReportIn:
    """A successful report with one small output file."""
    body = answer(data)
    values: dict[str, object] = {
        "ops": 432_000_000_000,
        "profile": PROFILE,
        "files": (c.FileIn(digest(data), len(data), data),),
        **more,
    }
    return c.ReportIn(
        task_id=task_id,
        outcome="success",
        manifest=body,
        manifest_hash=digest(body),
        **values,  # type: ignore[arg-type]
    )


def failure(task_id: int, reason: str = "trap", stderr: str = "") -> c.ReportIn:
    """A report that the program failed."""
    return c.ReportIn(task_id=task_id, outcome="error", reason=reason, stderr=stderr)


@dataclass
class Host:
    """A volunteer's machine as the server sees it."""

    world: "World"
    device: bytes
    id: int
    subnet: str
    seq: int = 0
    last: c.Exchange | None = None

    def exchange(
        self,
        *reports: c.ReportIn,
        want: int = 0,
        held: Sequence[int] = (),
        memory: int = 0,
        **more: object,
    ) -> c.ExchangeResult:
        """One exchange with a new request id."""
        self.seq += 1
        values: dict[str, object] = {
            "request_id": f"request-{self.id}-{self.seq}",
            "body_hash": digest(repr((self.seq, reports, want, held)).encode()),
            **more,
        }
        self.last = c.Exchange(
            now=self.world.now,
            device=self.device,
            seq=self.seq,
            subnet=self.subnet,
            distinct=self.world.distinct,
            reports=reports,
            held=tuple(held),
            want=c.Wanted(want, memory) if want else None,
            **values,  # type: ignore[arg-type]
        )
        return self.world.store.execute(self.last)

    def repeat(self) -> c.ExchangeResult:
        """Send the last request again, as after a lost reply."""
        assert self.last is not None
        return self.world.store.execute(self.last)

    def take(self, count: int = 1, held: Sequence[int] = ()) -> list[c.Assignment]:
        """Ask for tasks while holding ``held``."""
        return list(self.exchange(want=count, held=held).tasks)

    def row(self) -> host_sql.HostRow:
        """As stored."""
        with self.world.store.reading() as db:
            found = db.fetch_one(host_sql.HOST_BY_ID, host_id=self.id)
        assert found is not None
        return found


@dataclass
class World:
    """The project; ``now`` moves only when told."""

    store: c.Store
    now: int = START
    distinct: tuple[c.Distinct, ...] = ALL
    account_id: int = 0
    app_version_id: int = 0
    checkpoint: Checkpoint = "none"
    runtime: Runtime = "wasm"
    app: str = "period"
    hosts: list[Host] = field(default_factory=list)

    def __post_init__(self) -> None:
        made = self.store.execute(
            c.CreateAccount(now=self.now, email="Ada@Example.org", name="Ada", role="scientist")
        )
        self.account_id = made.account_id
        module = self.add_file(b"module")
        release = Release(
            app=self.app,
            version="1",
            summary="searches",
            platform="wasm32-wasip1",
            runtime=self.runtime,
            profile=RuntimeProfile(),
            programs=(),
            policy=Policy(),
            checkpoint=self.checkpoint,
        )
        version = self.store.execute(
            c.AddAppVersion(
                now=self.now,
                account_id=self.account_id,
                app=self.app,
                version="1",
                summary="searches",
                platform="wasm32-wasip1",
                runtime=self.runtime,
                profile=PROFILE,
                release=msgspec.json.encode(Signed(msgspec.json.encode(release), "", b"")),
                release_hash=digest(b"release" if self.app == "period" else self.app.encode()),
                modules=(c.ModuleIn(module, 6),),
            )
        )
        assert version.status in ("created", "existing")
        self.app_version_id = version.app_version_id

    def later(self, seconds: float) -> None:
        """Move the clock."""
        self.now += int(seconds * SECOND)

    def add_file(self, data: bytes) -> bytes:
        """A small file of the scientist's."""
        self.store.execute(
            c.AddFile(
                now=self.now,
                sha256=digest(data),
                size=len(data),
                data=data,
                account_id=self.account_id,
            )
        )
        return digest(data)

    def stage(self, index: int = 0, **more: object) -> c.NewStage:
        """A map stage (the first), or a combine on the server (any other)."""
        policy = more.pop("policy", Policy(deadline_s=1000, grace_s=10))
        values: dict[str, object] = {
            "kind": "map" if index == 0 else "combine",
            "placement": "grid" if index == 0 else "server",
            "memory_bytes": GIB,
            "profile": PROFILE,
            "expected": 0 if index == 0 else 1,
            **more,
        }
        return c.NewStage(
            index=index,
            app_version_id=self.app_version_id,
            program="search",
            inputs="[]",
            policy=msgspec.json.encode(policy).decode(),
            **values,  # type: ignore[arg-type]
        )

    def create(self, *stages: c.NewStage, **more: object) -> c.CreateBatchResult:
        """Submit a batch."""
        values: dict[str, object] = {
            "name": "batch",
            "idempotency_key": None,
            "spec": "{}",
            "seed": bytes(32),
            "priority": 0,
            "on_failure": "{}",
            **more,
        }
        return self.store.execute(
            c.CreateBatch(
                now=self.now,
                account_id=self.account_id,
                app_version_id=self.app_version_id,
                stages=stages or (self.stage(),),
                **values,  # type: ignore[arg-type]
            )
        )

    def insert(
        self, stage_id: int, offset: int, count: int, known: Mapping[int, bytes] | None = None
    ) -> c.InsertUnitsResult:
        """Add units to a stage; ``known`` are answers of some, by index, as one output file."""
        answers = {index: digest(answer(data)) for index, data in (known or {}).items()}
        units = tuple(
            c.NewUnit(f'["{offset + i}"]', known=answers.get(offset + i)) for i in range(count)
        )
        return self.store.execute(
            c.InsertUnits(now=self.now, stage_id=stage_id, offset=offset, units=units)
        )

    def batch(
        self,
        units: int,
        *stages: c.NewStage,
        known: Mapping[int, bytes] | None = None,
        **more: object,
    ) -> int:
        """A running batch with all its units; returns its id."""
        canaries = more.pop("canaries", 0)
        batch_id = self.create(*stages, **more).batch_id
        job = self.claim_surely("submit")
        assert job.object_id == batch_id
        self.store.execute(
            c.StartBatch(
                now=self.now,
                batch_id=batch_id,
                expected=units,
                canaries=canaries,  # type: ignore[arg-type]
            )
        )
        for start in range(0, units, 1000):
            self.insert(self.stages(batch_id)[0].id, start, min(1000, units - start), known)
        self.store.execute(c.FinishJob(now=self.now, job_id=job.id, worker="worker"))
        return batch_id

    def claim(self, kind: c.JobKind, worker: str = "worker", lease_s: int = 60) -> c.Job | None:
        """Take a job."""
        return self.store.execute(
            c.ClaimJob(
                now=self.now,
                kinds=(kind,),
                worker=worker,
                lease_until=self.now + lease_s * SECOND,
            )
        ).job

    def claim_surely(self, kind: c.JobKind) -> c.Job:
        """Take a job; if the answer to the claim was lost, once the lease has run out."""
        job = self.claim(kind)
        if job is None:
            self.later(61)
            job = self.claim(kind)
        assert job is not None
        return job

    def host(self, account_id: int | None = None, subnet: str = "", **machine: object) -> Host:
        """Enrol a host; each has a subnet of its own unless told.

        An admin vouches for large ones, so that they are no newcomers.
        """
        number = len(self.hosts) + 1
        values: dict[str, object] = {
            "cores": 4,
            "memory_bytes": 8 * GIB,
            "profiles": (PROFILE,),
            **machine,
        }
        device = digest(f"device {number}".encode())
        subnet = subnet or f"10.0.{number}.0/24"
        made = self.store.execute(
            c.EnrolHost(
                now=self.now,
                device=device,
                machine=c.MachineFacts(f"host {number}", "{}", **values),  # type: ignore[arg-type]
                subnet=subnet,
            )
        )
        if account_id is not None:
            self.store.execute(
                c.AssignHostAccount(
                    now=self.now, host_id=made.host_id, account_id=account_id, actor="test"
                )
            )
        if int(str(values["cores"])) > NEWCOMER_MAX // 2:
            limit = 2 * int(str(values["cores"]))
            self.store.execute(
                c.SetHostLimit(now=self.now, host_id=made.host_id, tasks_max=min(512, limit))
            )
        host = Host(self, device, made.host_id, subnet)
        self.hosts.append(host)
        return host

    def house(self, **machine: object) -> Host:
        """Enrol a host of the project's own."""
        host = self.host(**machine)
        token = digest(b"house %d" % host.id)
        self.store.execute(
            c.CreateToken(
                now=self.now,
                account_id=self.account_id,
                hash=token,
                label="house",
                scopes=(c.HOUSE_SCOPE, c.ENROL_SCOPE),
                single_use=True,
            )
        )
        self.store.execute(
            c.EnrolHost(
                now=self.now,
                device=host.device,
                machine=c.MachineFacts(f"house {host.id}", "{}", cores=4, profiles=(PROFILE,)),
                subnet=host.subnet,
                token=token,
            )
        )
        return host

    def prove(self, host: Host) -> Host:
        """Its results have been confirmed often enough."""
        for state in ("probation", "trusted"):
            self.store.execute(
                c.SetHostState(
                    now=self.now,
                    host_id=host.id,
                    state=state,  # type: ignore[arg-type]
                    reason="proven",
                    actor="test",
                )
            )
        return host

    def unit_pass(self) -> c.ApplyUnitPlansResult:
        """One transition pass."""
        with self.store.reading() as db:
            units = due_units(db, self.now, 300)
        return self.apply(units)

    def run_passes(self, rounds: int = 50) -> None:
        """The passes of production, until nothing is due; answers are not made here."""
        for _ in range(rounds):
            busy = transition_pass(self.store, lambda: self.now)
            busy += settle_pass(self.store, lambda: self.now)
            busy += release_pass(self.store, lambda: self.now)
            if not busy + len(self.batch_pass(self.now)):
                return
        raise AssertionError(f"something is still due after {rounds} rounds")

    def apply(self, units: Sequence[UnitSnapshot]) -> c.ApplyUnitPlansResult:
        """Decide on snapshots and apply the plans."""
        plans = tuple(decide_unit(unit, self.now) for unit in units)
        return self.store.execute(c.ApplyUnitPlans(now=self.now, plans=plans))

    def batch_pass(self, tail_at: int | None = None) -> list[str]:
        """One batch pass; answers are not made here, and the end of batches is let be unless
        ``tail_at`` says when it is."""
        with self.store.reading() as db:
            batches = due_batches(db, self.now, 10)
        statuses = []
        for snapshot in batches:
            plan = decide_batch(snapshot, self.now)
            if plan.answer is not None and not plan.stages and not plan.steps:
                continue
            if tail_at is not None and plan.due_at is None and not plan.steps:
                again = tail_pass(self.store, snapshot, tail_at)
                plan = msgspec.structs.replace(plan, due_at=again)
            done = self.store.execute(c.ApplyBatchPlan(now=self.now, plan=plan))
            statuses.append(done.status)
        return statuses

    def batch_row(self, batch_id: int) -> batch_sql.BatchRow:
        """A batch as stored."""
        with self.store.reading() as db:
            row = db.fetch_one(batch_sql.BATCH_BY_ID, batch_id=batch_id)
        assert row is not None
        return row

    def stages(self, batch_id: int) -> list[batch_sql.StageRow]:
        """A batch's stages as stored."""
        with self.store.reading() as db:
            return db.fetch_all(batch_sql.STAGES_OF_BATCH, batch_id=batch_id)

    def unit(self, unit_id: int) -> unit_sql.UnitRow:
        """A unit as stored."""
        with self.store.reading() as db:
            return db.fetch_all(UNIT, unit_id=unit_id)[0]

    def tasks(self, unit_id: int) -> list[unit_sql.TaskRow]:
        """A unit's tasks as stored."""
        with self.store.reading() as db:
            return db.fetch_all(unit_sql.TASKS_OF_UNITS, unit_ids=[unit_id])

    def story(self, kind: str, object_id: int) -> list[str]:
        """The states an object went through, by its log."""
        with self.store.reading() as db:
            rows = db.fetch_all(
                event_sql.EVENTS_OF_OBJECT, kind=kind, object_id=object_id, after=0, limit=100
            )
        return [row.to_state for row in rows]

    def check(self) -> None:
        """Every invariant holds."""
        with self.store.reading() as db:
            broken = recount(db, self.distinct)
        assert broken == [], broken
