"""/credit and /statistics: what was credited, to whom, day by day."""

from datetime import UTC, datetime, timedelta

from flask import Response, request

from idlegrid_server.domain.average import per_day
from idlegrid_server.domain.credit import OPS_PER_MICRO
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.account import ACCOUNT_BY_ID
from idlegrid_server.store.sql.credit import (
    DAYS_OF_ACCOUNT,
    DAYS_OF_HOST,
    DAYS_OF_PROJECT,
    PENDING_OF_HOST,
    DayRow,
)
from idlegrid_server.store.sql.host import HOST_BY_ID, HOSTS_OF_ACCOUNT, HostRow
from idlegrid_server.web.access import Account, services
from idlegrid_server.web.problem import malformed, not_found
from idlegrid_server.web.services import Services
from idlegrid_server.web.statement import account_statement, signed

from .page import decode_id, number
from .reply import CreditReply, DayReply, HostCredit, StatisticsReply
from .route import Parameter, Routes, reply

DAY_US = 86_400 * 1_000_000
DAYS, DAYS_MAX = 30, 3_660
ROWS_MAX = 10_000
HOSTS_SHOWN = 500
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OF = Parameter("of", "`account` (your own, unless said), `project`, or the id of a host.")
SINCE = Parameter("days", f"How many days back, {DAYS} unless said, at most {DAYS_MAX}.", int)
routes = Routes("credit")


@routes.add(
    "GET",
    "/credit",
    access="token:any",
    summary="What your account has been credited, with a signed statement",
    reply=CreditReply,
    problems=(404,),
)
def show_credit(account: Account) -> Response:
    """Your own; each of your hosts beside it."""
    with_ = services()
    with with_.store.reading() as db:
        row = db.fetch_one(ACCOUNT_BY_ID, account_id=account.id)
        if row is None:
            raise not_found("account")
        statement = account_statement(with_, db, row)
        hosts = db.fetch_all(HOSTS_OF_ACCOUNT, account_id=account.id, limit=HOSTS_SHOWN)
        shown = tuple(_host(with_, db, host) for host in hosts)
    return reply(
        CreditReply(
            account=statement.name,
            credit_micro=statement.credit_micro,
            pending_micro=statement.pending_micro,
            recent_micro=statement.recent_micro,
            results=statement.results,
            hosts=shown,
            statement=signed(with_, statement),
        )
    )


def _host(with_: Services, db: Connection, host: HostRow) -> HostCredit:
    return HostCredit(
        id=with_.ids.encode("host", host.id),
        name=host.name,
        state=host.state,
        credit_micro=host.credit_micro,
        pending_micro=db.fetch_one(PENDING_OF_HOST, host_id=host.id) or 0,
        recent_micro=per_day(host.recent_micro, host.recent_at, with_.clock()),
    )


@routes.add(
    "GET",
    "/statistics",
    access="token:any",
    summary="What was credited day by day: to you, to one of your hosts, or to all",
    reply=StatisticsReply,
    parameters=(OF, SINCE),
    problems=(404,),
)
def show_statistics(account: Account) -> Response:
    """A host is shown to its owner, and to those who may see all hosts."""
    with_ = services()
    of = request.args.get("of", "") or "account"
    days = number("days", DAYS)
    if not 1 <= days <= DAYS_MAX:
        raise malformed(f"days must be a number from 1 to {DAYS_MAX}.")
    since = with_.clock() // DAY_US - days + 1
    with with_.store.reading() as db:
        if of == "account":
            rows = db.fetch_all(DAYS_OF_ACCOUNT, account_id=account.id, since=since, limit=ROWS_MAX)
        elif of == "project":
            rows = db.fetch_all(DAYS_OF_PROJECT, since=since, limit=ROWS_MAX)
        else:
            host = db.fetch_one(HOST_BY_ID, host_id=decode_id("host", of, "host"))
            if host is None or not may_see_host(account, host):
                raise not_found("host")
            rows = db.fetch_all(DAYS_OF_HOST, host_id=host.id, since=since, limit=ROWS_MAX)
    return reply(StatisticsReply(of, tuple(_day(row) for row in rows)))


def may_see_host(account: Account, host: HostRow) -> bool:
    """Its owner, and who may see all hosts."""
    return host.account_id == account.id or "host:read" in account.scopes or account.is_admin


def _day(row: DayRow) -> DayReply:
    return DayReply(
        day=(EPOCH + timedelta(days=row.day)).date().isoformat(),
        app=row.app,
        results=row.results,
        ops=row.base_micro * OPS_PER_MICRO,
        credit_micro=row.micro,
    )
