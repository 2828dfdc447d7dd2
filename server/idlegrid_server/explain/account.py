"""What an account has, and what it was credited for."""

from idlegrid_server.domain.average import per_day
from idlegrid_server.domain.credit import MICRO
from idlegrid_server.domain.story import state_words
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.account import AccountRow
from idlegrid_server.store.sql.credit import (
    DAYS_OF_ACCOUNT,
    PENDING_OF_ACCOUNT,
    RESULTS_OF_ACCOUNT,
)
from idlegrid_server.store.sql.host import HOSTS_OF_ACCOUNT

from .moment import moment_words
from .story import Explained, Names, steps_of

HOSTS_TOLD = 50
DAY_US = 86_400 * 1_000_000
DAYS = 7


def explain_account(db: Connection, names: Names, account: AccountRow, now: int) -> Explained:
    """A person: role, credit, hosts."""
    steps, truncated = steps_of(db, names, [("account", [account.id])])
    hosts = db.fetch_all(HOSTS_OF_ACCOUNT, account_id=account.id, limit=HOSTS_TOLD)
    pending = db.fetch_one(PENDING_OF_ACCOUNT, account_id=account.id) or 0
    days = db.fetch_all(
        DAYS_OF_ACCOUNT, account_id=account.id, since=now // DAY_US - DAYS + 1, limit=1_000
    )
    found = []
    if account.disabled:
        found.append("An admin has shut it out: it cannot sign in, and its tokens do nothing.")
    found += [
        f"{names.of('host', host.id)} ({host.name}): {state_words('host', host.state).lower()}, "
        f"{host.n_in_progress} tasks now, {host.credit_micro / MICRO:,.2f} credits."
        for host in hosts
    ]
    if pending:
        found.append(
            f"{pending / MICRO:,.2f} credits wait until results that nobody else computed are "
            "final."
        )
    for app in sorted({day.app for day in days}):
        results = sum(day.results for day in days if day.app == app)
        micro = sum(day.micro for day in days if day.app == app)
        found.append(
            f"In the last {DAYS} days {app} credited {micro / MICRO:,.2f} for {results:,} results."
        )
    return Explained(
        kind="account",
        id=names.of("account", account.id),
        headline="Shut out." if account.disabled else f"A {account.role}'s account.",
        now=tuple(found),
        facts={
            "name": account.name,
            "role": account.role,
            "since": moment_words(account.created_at),
            "hosts": len(hosts),
            "results right": db.fetch_one(RESULTS_OF_ACCOUNT, account_id=account.id) or 0,
            "credit": account.credit_micro / MICRO,
            "credit that waits": pending / MICRO,
            "credit a day, recently": per_day(account.recent_micro, account.recent_at, now) / MICRO,
        },
        steps=steps,
        truncated=truncated,
    )
