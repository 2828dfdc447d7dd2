"""The server's signed word on what somebody has been credited; made when asked for."""

from idlegrid_server.domain.average import per_day
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.account import AccountRow
from idlegrid_server.store.sql.credit import (
    PENDING_OF_ACCOUNT,
    PENDING_OF_HOST,
    RESULTS_OF_ACCOUNT,
)
from idlegrid_server.store.sql.event import EVENT_NEWEST
from idlegrid_server.store.sql.host import HostRow
from idlegrid_shared.documents import CreditStatement
from idlegrid_shared.signing import Signed, sign_document

from .services import Services


def host_statement(with_: Services, db: Connection, host: HostRow) -> CreditStatement:
    """Of one host."""
    now = with_.clock()
    return CreditStatement(
        project=with_.keys.root_public,
        owner="host",
        name=host.device.hex(),
        credit_micro=host.credit_micro,
        pending_micro=db.fetch_one(PENDING_OF_HOST, host_id=host.id) or 0,
        recent_micro=per_day(host.recent_micro, host.recent_at, now),
        results=host.n_valid,
        serial=db.fetch_one(EVENT_NEWEST) or 0,
        at=now,
    )


def account_statement(with_: Services, db: Connection, account: AccountRow) -> CreditStatement:
    """Of an account: all that was computed for it, on whatever host."""
    now = with_.clock()
    return CreditStatement(
        project=with_.keys.root_public,
        owner="account",
        name=with_.ids.encode("account", account.id),
        credit_micro=account.credit_micro,
        pending_micro=db.fetch_one(PENDING_OF_ACCOUNT, account_id=account.id) or 0,
        recent_micro=per_day(account.recent_micro, account.recent_at, now),
        results=db.fetch_one(RESULTS_OF_ACCOUNT, account_id=account.id) or 0,
        serial=db.fetch_one(EVENT_NEWEST) or 0,
        at=now,
    )


def signed(with_: Services, statement: CreditStatement) -> Signed:
    """With the project's online key."""
    return sign_document("credit", statement, with_.keys.online)
