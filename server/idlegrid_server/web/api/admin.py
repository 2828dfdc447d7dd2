"""/hosts, /incidents, /health: what admins look at."""

from flask import Response

from idlegrid_server.health import worst
from idlegrid_server.store.sql.account import INCIDENTS_NEWEST
from idlegrid_server.store.sql.host import HOST_COUNTS, HOSTS_AFTER, HostRow
from idlegrid_server.store.sql.job import JOB_COUNTS
from idlegrid_server.store.sql.unit import UNITS_DUE_COUNT
from idlegrid_server.web.access import Account, services
from idlegrid_server.web.services import Services

from .page import id_cursor, moment, page_limit
from .reply import (
    ConditionReply,
    HealthReply,
    HostCount,
    HostList,
    HostReply,
    IncidentList,
    IncidentReply,
)
from .route import CURSOR, LIMIT, Routes, reply

DAY_US = 86_400 * 1_000_000
BEHIND_MAX = 100_000  # units due that are counted
routes = Routes("admin")


@routes.add(
    "GET",
    "/hosts",
    access="token:host:read",
    summary="The hosts, and how they do",
    reply=HostList,
    parameters=(CURSOR, LIMIT),
)
def list_hosts(account: Account) -> Response:
    """By pages, with the counts of all."""
    with_ = services()
    limit, after = page_limit(), id_cursor("host", 0)
    with with_.store.reading() as db:
        rows = db.fetch_all(HOSTS_AFTER, after=after, limit=limit)
        counts = db.fetch_all(HOST_COUNTS, since=with_.clock() - DAY_US)
    following = with_.ids.encode("host", rows[-1].id) if len(rows) == limit else None
    return reply(
        HostList(
            hosts=tuple(_host(with_, row) for row in rows),
            counts=tuple(HostCount(*count) for count in counts),
            next=following,
        )
    )


def _host(with_: Services, row: HostRow) -> HostReply:
    return HostReply(
        id=with_.ids.encode("host", row.id),
        name=row.name,
        device=row.device.hex(),
        state=row.state,
        reason=row.reason,
        house=bool(row.house),
        cores=row.cores,
        memory_bytes=row.memory_bytes,
        profiles=tuple(row.profiles.split()),
        tasks_max=row.tasks_max,
        in_progress=row.n_in_progress,
        unjudged=row.n_unjudged,
        success=row.n_success,
        error=row.n_error,
        timed_out=row.n_timed_out,
        valid=row.n_valid,
        invalid=row.n_invalid,
        credit_micro=row.credit_micro,
        shut_out_until=moment(row.shut_out_until),
        created_at=moment(row.created_at) or "",
        last_seen_at=moment(row.last_seen_at) or "",
    )


@routes.add(
    "GET",
    "/incidents",
    access="admin",
    summary="What was refused at the door, and what broke",
    reply=IncidentList,
    parameters=(LIMIT,),
)
def list_incidents(account: Account) -> Response:
    """The newest first."""
    limit = page_limit()
    with services().store.reading() as db:
        rows = db.fetch_all(INCIDENTS_NEWEST, limit=limit)
    return reply(
        IncidentList(
            tuple(
                IncidentReply(
                    code=row.code,
                    source=row.source,
                    text=row.text,
                    count=row.times,
                    first_at=moment(row.first_at) or "",
                    last_at=moment(row.last_at) or "",
                )
                for row in rows
            )
        )
    )


@routes.add("GET", "/health", access="admin", summary="How the project does", reply=HealthReply)
def show_health(account: Account) -> Response:
    """Each condition in words, with what to do."""
    with_ = services()
    now = with_.clock()
    with with_.store.reading() as db:
        due, oldest = db.fetch_one(UNITS_DUE_COUNT, now=now, limit=BEHIND_MAX) or (0, None)
        jobs = db.fetch_all(JOB_COUNTS)
    conditions = with_.conditions()
    return reply(
        HealthReply(
            level=worst(conditions),
            conditions=tuple(ConditionReply(c.level, c.code, c.text) for c in conditions),
            units_due=due,
            oldest_due_s=max(0, now - oldest) / 1e6 if oldest is not None else 0.0,
            jobs={f"{kind} {state}": count for kind, state, count in jobs},
            disk_free_bytes=with_.files.free_bytes(),
        )
    )
