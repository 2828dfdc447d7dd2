"""The project's page and the page for joining."""

import msgspec
from flask import Blueprint, Response

from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.batch import BATCHES_BEFORE, STAGES_OF_BATCHES, StageRow
from idlegrid_server.store.sql.host import HOST_COUNTS
from idlegrid_server.web.access import access, services
from idlegrid_server.web.api.batches import is_public
from idlegrid_server.web.api.page import NEWEST
from idlegrid_server.web.services import Services

from .page import page
from .picture import NIGHT_STEP, night_map
from .word import state_word

DAY_US = 86_400 * 1_000_000
BATCHES_LOOKED_AT = 500
BATCHES_SHOWN = 12


class Listed(msgspec.Struct, frozen=True):
    """A public batch in the list."""

    id: str
    name: str
    word: str
    glyph: str
    valid: int
    expected: int

    @property
    def percent(self) -> str:
        """Share of valid units, for the bar."""
        return f"{100 * self.valid / max(1, self.expected):.1f}%"


class Overview(msgspec.Struct, frozen=True):
    """The numbers on the project's page."""

    hosts_seen: int
    in_progress: int
    agreed: int
    batches: int
    more: bool  # there are more batches than were looked at
    listed: tuple[Listed, ...]


def overview(with_: Services, db: Connection) -> Overview:
    """What goes on in the project, from its newest batches and the counters of its hosts."""
    hosts = db.fetch_all(HOST_COUNTS, since=with_.clock() - DAY_US)
    batches = db.fetch_all(BATCHES_BEFORE, before=NEWEST, limit=BATCHES_LOOKED_AT)
    stages: dict[int, list[StageRow]] = {batch.id: [] for batch in batches}
    for stage in db.fetch_all(STAGES_OF_BATCHES, batch_ids=list(stages)):
        stages[stage.batch_id].append(stage)
    listed: list[Listed] = []
    for batch in batches:
        if len(listed) == BATCHES_SHOWN:
            break
        if not is_public(batch):
            continue
        first = stages[batch.id][0]
        word, glyph = state_word(batch.state)
        listed.append(
            Listed(
                with_.ids.encode("batch", batch.id),
                batch.name,
                word,
                glyph,
                first.assimilated,
                first.expected,
            )
        )
    return Overview(
        hosts_seen=sum(seen for _, _, seen, _ in hosts),
        in_progress=sum(busy for _, _, _, busy in hosts),
        agreed=sum(s.assimilated for each in stages.values() for s in each if s.kind == "map"),
        batches=len(batches),
        more=len(batches) == BATCHES_LOOKED_AT,
        listed=tuple(listed),
    )


@access("public")
def home() -> Response:
    """What the project is, how it does now, how to join."""
    with_ = services()

    def look() -> Overview:
        with with_.store.reading() as db:
            return overview(with_, db)

    numbers = with_.recent.get("overview", look)
    return page(
        "home.html",
        numbers=numbers,
        cells=night_map(numbers.in_progress),
        step=NIGHT_STEP,
        join_link=with_.join_link,
        live=True,
    )


@access("public")
def join() -> Response:
    """The link, the fingerprint, the command."""
    with_ = services()
    fingerprint = with_.fingerprint
    groups = [fingerprint[i : i + 4] for i in range(0, len(fingerprint), 4)]
    return page("join.html", join_link=with_.join_link, groups=groups)


def register(blueprint: Blueprint) -> None:
    """Add the routes."""
    blueprint.get("/")(home)
    blueprint.get("/join")(join)
