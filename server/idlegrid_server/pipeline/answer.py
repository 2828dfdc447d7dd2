"""The answer of a batch: a manifest of its files, and what they came from."""

import hashlib
import logging
from collections.abc import Iterator

import msgspec

from idlegrid_server.domain.model import BatchSnapshot, BatchState
from idlegrid_server.faults import reach
from idlegrid_server.store.command import AddAnswer, AddAnswerResult, FileIn
from idlegrid_server.store.sql.batch import (
    BATCH_BY_ID,
    STAGE_FACTS,
    STAGES_OF_BATCH,
    BatchRow,
    StageFactsRow,
    StageRow,
)
from idlegrid_server.store.sql.output import OUTPUTS_AFTER
from idlegrid_server.store.sql.unit import UNIT_INPUTS_AFTER
from idlegrid_shared.combine import answer_entries
from idlegrid_shared.manifest import (
    FILES_MAX,
    Manifest,
    ManifestEntry,
    make_manifest,
    manifest_bytes,
    parse_manifest,
)

from .drawing import draw_plot
from .spec import read_spec
from .tools import Tools

PAGE = 2_000
SKIPPED_TOLD = 1_000  # indexes of skipped units that the detail lists; their number is always told
INDEX_NAME = "outputs.jsonl"
log = logging.getLogger(__name__)


class StageCount(msgspec.Struct, frozen=True):
    """How a stage ended."""

    index: int
    kind: str
    program: str
    units: int
    assimilated: int
    failed: int
    cancelled: int


class Detail(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stands beside an answer's files: counts, what was skipped, provenance."""

    app: str
    version: str
    release: str  # SHA-256 of the signed release's body
    runtime_profile: str
    seed: str  # hex
    units: int
    skipped: int
    stages: tuple[StageCount, ...]
    skipped_units: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def make_answer(
    tools: Tools,
    seen: BatchSnapshot,
    revision: int,
    state: BatchState | None,
    reason: str = "",
) -> AddAnswerResult:
    """Make and store answer ``revision`` of a batch; with ``state``, end the batch by it.

    The batch must still be as it was ``seen`` when the answer is stored. Raises ``MissingFile`` if
    an output that the plot needs is gone, ``StoreError``, ``OSError``.
    """
    with tools.store.reading() as db:
        batch = db.fetch_one(BATCH_BY_ID, batch_id=seen.id)
        stages = db.fetch_all(STAGES_OF_BATCH, batch_id=seen.id)
        facts = db.fetch_one(STAGE_FACTS, stage_id=seen.stages[-1].id)
    if batch is None or facts is None:
        raise LookupError(f"batch {seen.id} does not exist any more")
    last = stages[-1]
    entries, files = _entries(tools, last)
    drawn, notes = draw_plot(tools, read_spec(batch.spec).plot, entries)
    for name, data in drawn.items():
        file = tools.keep_bytes(data)
        files[file.sha256] = file
        # A plot of our own takes the place of a program's output of the same name.
        others = tuple(entry for entry in entries if entry.name != name)
        entries = (*others, ManifestEntry(name, file.sha256.hex(), len(data)))
    reach("answer.rendered")
    body = manifest_bytes(entries)
    answer = tools.store.execute(
        AddAnswer(
            now=tools.clock(),
            batch_id=batch.id,
            version=seen.version,
            revision=revision,
            manifest=body,
            manifest_hash=hashlib.sha256(body).digest(),
            files=tuple(files.values()),
            detail=msgspec.json.encode(_detail(tools, batch, stages, facts, notes)).decode(),
            state=state,
            reason=reason,
        )
    )
    reach("answer.done.after")
    return answer


def _entries(tools: Tools, stage: StageRow) -> tuple[Manifest, dict[bytes, FileIn]]:
    """The answer's files: a combine's outputs, or those of all units under their folders.

    More than a manifest may list are listed in one file instead, :data:`INDEX_NAME`.
    """
    if stage.kind == "combine":
        for _, manifest in _outputs(tools, stage):
            return manifest, {}
        return (), {}
    entries: list[ManifestEntry] = []
    for entry in answer_entries(_outputs(tools, stage)):
        entries.append(entry)
        if len(entries) > FILES_MAX - 2:  # room for the plot
            break
    else:
        return make_manifest(entries), {}
    lines = bytearray()
    for entry in answer_entries(_outputs(tools, stage)):
        lines += msgspec.json.encode(entry) + b"\n"
    file = tools.keep_bytes(bytes(lines))
    return (ManifestEntry(INDEX_NAME, file.sha256.hex(), len(lines)),), {file.sha256: file}


def _outputs(tools: Tools, stage: StageRow) -> Iterator[tuple[int, Manifest]]:
    after = -1
    while True:
        with tools.store.reading() as db:
            page = db.fetch_all(OUTPUTS_AFTER, stage_id=stage.id, after=after, limit=PAGE)
        for row in page:
            after = row.idx
            yield row.idx, parse_manifest(row.body)
        if len(page) < PAGE:
            return


def _detail(
    tools: Tools,
    batch: BatchRow,
    stages: list[StageRow],
    facts: StageFactsRow,
    notes: tuple[str, ...],
) -> Detail:
    first = stages[0]
    return Detail(
        app=facts.app,
        version=facts.version,
        release=facts.release_hash.hex(),
        runtime_profile=first.profile,
        seed=batch.seed.hex(),
        units=first.expected,
        skipped=first.failed + first.cancelled,
        skipped_units=_skipped(tools, first),
        stages=tuple(
            StageCount(s.idx, s.kind, s.program, s.expected, s.assimilated, s.failed, s.cancelled)
            for s in stages
        ),
        notes=notes,
    )


def _skipped(tools: Tools, stage: StageRow) -> tuple[int, ...]:
    """The indexes of units without an output, as far as they are told."""
    if not stage.failed + stage.cancelled:
        return ()
    found: list[int] = []
    after = -1
    while len(found) < SKIPPED_TOLD:
        with tools.store.reading() as db:
            page = db.fetch_all(UNIT_INPUTS_AFTER, stage_id=stage.id, after=after, limit=PAGE)
        for index, _, _, state in page:
            after = index
            if state in ("failed", "cancelled"):
                found.append(index)
        if len(page) < PAGE:
            break
    return tuple(found[:SKIPPED_TOLD])
