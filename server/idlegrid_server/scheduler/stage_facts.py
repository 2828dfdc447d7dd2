"""What of a stage never changes, as descriptors and offers need it; kept in memory."""

import threading
from collections import OrderedDict
from collections.abc import Collection

import msgspec

from idlegrid_server.store.command import Store
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.app import BUILDS_OF_VERSION, VERSION_BY_HASH, AppVersionRow
from idlegrid_server.store.sql.batch import STAGE_FACTS
from idlegrid_shared.documents import WALLED_BY_SYSTEM, Program, Release, TaskInput
from idlegrid_shared.signing import Signed
from idlegrid_shared.wire import FileSource, ReleaseOffer

STAGES_MAX = 2_000  # in memory; the longest unused is forgotten


def read_runtime(db: Connection, sha256: str) -> tuple[Signed, Release]:
    """The runtime that python releases name by the hash of its signed body.

    It was verified when the admin added it. Raises ``LookupError``.
    """
    row = db.fetch_one(VERSION_BY_HASH, release_hash=bytes.fromhex(sha256))
    if row is None or row.runtime != "runtime":
        raise LookupError(f"there is no runtime {sha256}")
    signed = msgspec.json.decode(row.release, type=Signed)
    return signed, msgspec.json.decode(signed.body, type=Release)


def _offer(signed: Signed, release: Release) -> msgspec.Raw:
    offer = ReleaseOffer(
        release=signed,
        files=tuple(
            FileSource(sha256=sha256, bytes=size, url=f"/files/{sha256}")
            for sha256, size in release.needs().items()
        ),
    )
    return msgspec.Raw(msgspec.json.encode(offer))


class Build(msgspec.Struct, frozen=True):
    """The release of a stage's program for one platform."""

    profile: str  # what a host must offer to get it
    release: str  # SHA-256 of the signed body, hex
    offer: msgspec.Raw  # the ReleaseOffer, encoded


class StageFacts(msgspec.Struct, frozen=True):
    """A stage's program and what surrounds it."""

    index: int
    batch_name: str
    batch_seed: bytes
    app: str
    version: str
    builds: tuple[Build, ...]
    runtime: str  # SHA-256 of the signed body of its runtime's release; "" if it has none
    runtime_offer: msgspec.Raw
    program: Program
    inputs: tuple[TaskInput, ...]

    def build_for(self, profiles: Collection[str]) -> Build:
        """The build for a host that offers these profiles."""
        fitting = (build for build in self.builds if build.profile in profiles)
        return next(fitting, self.builds[0])


class StageCache:
    """Facts by the stage's id."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._facts: OrderedDict[int, StageFacts] = OrderedDict()

    def get(self, stage_id: int) -> StageFacts:
        """The facts of a stage; raises ``LookupError`` if there is none of that id."""
        with self._lock:
            facts = self._facts.get(stage_id)
            if facts is not None:
                self._facts.move_to_end(stage_id)
                return facts
        facts = self._read(stage_id)
        with self._lock:
            self._facts[stage_id] = facts
            if len(self._facts) > STAGES_MAX:
                self._facts.popitem(last=False)
        return facts

    def _read(self, stage_id: int) -> StageFacts:
        with self._store.reading() as db:
            row = db.fetch_one(STAGE_FACTS, stage_id=stage_id)
        if row is None:
            raise LookupError(f"there is no stage {stage_id}")
        signed = msgspec.json.decode(row.release, type=Signed)
        release = msgspec.json.decode(signed.body, type=Release)  # verified when it was published
        runtime_offer = msgspec.Raw(b"")
        if release.runtime_release:
            with self._store.reading() as db:
                runtime = read_runtime(db, release.runtime_release)
            runtime_offer = _offer(*runtime)
        return StageFacts(
            index=row.idx,
            batch_name=row.batch_name,
            batch_seed=row.batch_seed,
            app=row.app,
            version=row.version,
            builds=self._builds(row.program, row.release_hash, signed, release),
            runtime=release.runtime_release,
            runtime_offer=runtime_offer,
            program=release.program(row.program),
            inputs=msgspec.json.decode(row.inputs, type=tuple[TaskInput, ...]),
        )

    def _builds(
        self, program: str, release_hash: bytes, signed: Signed, release: Release
    ) -> tuple[Build, ...]:
        """The releases of the same version, of which each host gets the one for its platform."""

        def build(digest: bytes, signed: Signed, release: Release) -> Build:
            profile = release.profile_of(release.program(program))
            return Build(profile, digest.hex(), _offer(signed, release))

        if release.runtime not in WALLED_BY_SYSTEM:
            return (build(release_hash, signed, release),)
        with self._store.reading() as db:
            rows = db.fetch_all(BUILDS_OF_VERSION, app=release.app, version=release.version)
        documents = [(row.release_hash, *read_release(row)) for row in rows]
        return tuple(build(*document) for document in documents)


def read_release(row: AppVersionRow) -> tuple[Signed, Release]:
    """A stored release, which was verified when it was published."""
    signed = msgspec.json.decode(row.release, type=Signed)
    return signed, msgspec.json.decode(signed.body, type=Release)
