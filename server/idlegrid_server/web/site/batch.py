"""A public batch: state in words, progress, every unit, the answer."""

import msgspec
from flask import Blueprint, Response

from idlegrid_server.domain.forecast import forecast
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.app import VERSION_BY_ID
from idlegrid_server.store.sql.batch import BATCH_BY_ID, STAGES_OF_BATCH, BatchRow, StageRow
from idlegrid_server.store.sql.unit import TASKS_OF_UNITS, UNITS_OF_STAGE_AFTER
from idlegrid_server.web.access import access, services
from idlegrid_server.web.api.answers import find_answer, find_entry
from idlegrid_server.web.api.batches import computers, is_public
from idlegrid_server.web.api.page import decode_id, moment
from idlegrid_server.web.api.why import why_sentence
from idlegrid_server.web.file import find_file, send_content
from idlegrid_server.web.forecast import forecast_snapshot
from idlegrid_server.web.problem import not_found
from idlegrid_shared.manifest import Manifest

from .outlook import Outlook, draw_outlook
from .page import page
from .picture import COLUMNS_NARROW, COLUMNS_WIDE, unit_map
from .progress import STATES, Shown, bar_segments, count_states, shown_states
from .word import LIVE, size_word, state_word

MAP_UNITS_MAX = 2_000  # more cells than this no eye tells apart
FILES_SHOWN = 50
PLOT = "plot.svg"
CACHE = "no-cache"
SVG_CSP = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def find_public(db: Connection, batch: str) -> BatchRow:
    """A batch that its scientist lets everybody see; raises a 404 refusal."""
    row = db.fetch_one(BATCH_BY_ID, batch_id=decode_id("batch", batch, "batch"))
    if row is None or not is_public(row):
        raise not_found("batch")
    return row


class AnswerView(msgspec.Struct, frozen=True):
    """What the page shows of an answer."""

    revision: int
    made_at: str
    plot: bool
    files: tuple[tuple[str, str], ...]  # name, size in words
    more: int
    notes: tuple[str, ...]


class _Notes(msgspec.Struct):
    notes: tuple[str, ...] = ()


def _answer(db: Connection, batch: BatchRow) -> AnswerView | None:
    if not batch.revision:
        return None
    answer, manifest = find_answer(db, batch, batch.revision)
    return AnswerView(
        revision=answer.revision,
        made_at=moment(answer.created_at) or "",
        plot=any(entry.name == PLOT for entry in manifest),
        files=tuple((entry.name, size_word(entry.bytes)) for entry in manifest[:FILES_SHOWN]),
        more=max(0, len(manifest) - FILES_SHOWN),
        notes=msgspec.json.decode(answer.detail, type=_Notes).notes,
    )


def _states(db: Connection, stage: StageRow) -> list[Shown]:
    """Every unit's state, if they are few enough to be drawn."""
    if not 0 < stage.expected <= MAP_UNITS_MAX:
        return []
    units = db.fetch_all(UNITS_OF_STAGE_AFTER, stage_id=stage.id, after=-1, limit=MAP_UNITS_MAX)
    tasks = db.fetch_all(TASKS_OF_UNITS, unit_ids=[unit.id for unit in units])
    waiting: list[Shown] = ["wait"] * (stage.expected - len(units))
    return shown_states(units, tasks) + waiting


def _outlook(db: Connection, batch: BatchRow, stage: StageRow, now: int) -> Outlook | None:
    """When it will be done, as far as anybody can tell."""
    seen = forecast_snapshot(db, batch, stage, now) if batch.state == "running" else None
    found = forecast(seen) if seen is not None and stage.state == "running" else None
    if seen is None or found is None:
        return None
    return draw_outlook(found, seen.pulses, seen.since, now, seen.expected)


def _counts(stage: StageRow, states: list[Shown]) -> dict[Shown, int]:
    if states:
        return count_states(states)
    left = stage.expected - stage.assimilated - stage.failed - stage.cancelled
    counts: dict[Shown, int] = {
        "valid": stage.assimilated,
        "check": stage.provisional,
        "fail": stage.failed,
        "stop": stage.cancelled,
        "wait": left - stage.provisional,
    }
    return {state: count for state, count in counts.items() if count}


@access("public")
def show_batch(batch: str) -> Response:
    """The page of a public batch."""
    with_ = services()
    with with_.store.reading() as db:
        row = find_public(db, batch)
        stages = db.fetch_all(STAGES_OF_BATCH, batch_id=row.id)
        version = db.fetch_one(VERSION_BY_ID, app_version_id=row.app_version_id)
        why = why_sentence(db, row, stages, computers(with_, db))
        states = with_.recent.get(("states", row.id), lambda: _states(db, stages[0]))
        now = with_.clock()
        outlook = with_.recent.get(("outlook", row.id), lambda: _outlook(db, row, stages[0], now))
        answer = _answer(db, row)
    counts = _counts(stages[0], states)
    valid, expected = counts.get("valid", 0), stages[0].expected
    word, glyph = state_word(row.state)
    return page(
        "batch.html",
        batch=row,
        public_id=batch,
        app=f"{version.app} {version.version}" if version is not None else "",
        word=word,
        glyph=glyph,
        why=why,
        percent=100 * valid // max(1, expected),
        valid=valid,
        expected=expected,
        legend=[(state, STATES[state][0], count) for state, count in counts.items()],
        segments=bar_segments(counts, expected),
        maps=[
            (name, unit_map(states, columns))
            for name, columns in (("wide", COLUMNS_WIDE), ("narrow", COLUMNS_NARROW))
        ]
        if states
        else [],
        answer=answer,
        outlook=outlook,
        submitted_at=moment(row.created_at),
        finished_at=moment(row.finished_at),
        live=row.state in LIVE,
    )


def _public_manifest(batch: str) -> Manifest:
    with services().store.reading() as db:
        return find_answer(db, find_public(db, batch), 0)[1]


@access("public")
def show_file(batch: str, name: str) -> Response:
    """One file of a public batch's newest answer."""
    with_ = services()
    entry = find_entry(_public_manifest(batch), name)
    row = find_file(with_, bytes.fromhex(entry.sha256))
    return send_content(with_, row, name=name.rpartition("/")[2], cache=CACHE)


@access("public")
def show_plot(batch: str) -> Response:
    """The answer's plot, drawn by our own code, as a picture."""
    with_ = services()
    entry = find_entry(_public_manifest(batch), PLOT)
    row = find_file(with_, bytes.fromhex(entry.sha256))
    response = send_content(
        with_, row, name=PLOT, cache=CACHE, mimetype="image/svg+xml", attachment=False
    )
    response.headers["Content-Security-Policy"] = SVG_CSP
    return response


def register(blueprint: Blueprint) -> None:
    """Add the routes."""
    blueprint.get("/b/<batch>")(show_batch)
    blueprint.get("/b/<batch>/plot.svg")(show_plot)
    blueprint.get("/b/<batch>/files/<path:name>")(show_file)
