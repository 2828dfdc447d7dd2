"""What accounts, apps and batches may have of the grid: set by admins, charged by exchanges."""

import math
from collections.abc import Mapping

from idlegrid_server.domain.share import Advance
from idlegrid_server.store import command as c
from idlegrid_server.store.apply.stage import known_batch
from idlegrid_server.store.connection import Connection, LostRace
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import account as account_sql
from idlegrid_server.store.sql import app as app_sql
from idlegrid_server.store.sql import share as sql


def set_share(db: Connection, command: c.SetShare) -> c.Done:
    """An account's weight and cap."""
    account = db.fetch_one(account_sql.ACCOUNT_BY_ID, account_id=command.account_id)
    if account is None:
        raise c.StoreRefused("unknown_account", f"there is no account {command.account_id}")
    if not (math.isfinite(command.weight) and command.weight > 0):
        raise c.StoreRefused("bad_weight", f"a weight is above 0, not {command.weight}")
    before = db.fetch_one(sql.SHARE_OF_ACCOUNT, account_id=command.account_id)
    if before is not None and (before.weight, before.tasks_max) == (
        command.weight,
        command.tasks_max,
    ):
        return c.Done(changed=False)
    db.execute(
        sql.SHARE_SET,
        account_id=command.account_id,
        weight=command.weight,
        tasks_max=command.tasks_max,
    )
    db.execute(sql.SHARES_RECOUNT)
    ledger = Ledger(db, command.now, command.actor)
    detail = {"weight": command.weight, "tasks_max": command.tasks_max}
    ledger.note("account", command.account_id, account.role, "share", detail)
    ledger.write()
    return c.Done()


def set_app_cap(db: Connection, command: c.SetAppCap) -> c.Done:
    """How many tasks of an app may be out."""
    app = db.fetch_one(app_sql.APP_BY_NAME, name=command.app)
    if app is None:
        raise c.StoreRefused("unknown_app", f"there is no app {command.app!r}")
    if command.tasks_max is None:
        changed = db.execute(sql.APP_CAP_DROP, app_id=app.id) > 0
    else:
        db.execute(sql.APP_CAP_SET, app_id=app.id, tasks_max=command.tasks_max)
        db.execute(sql.APPS_RECOUNT)
        changed = True
    if changed:
        ledger = Ledger(db, command.now, command.actor)
        ledger.note("app", app.id, "active", "cap", {"tasks_max": command.tasks_max})
        ledger.write()
    return c.Done(changed)


def set_urgency(db: Connection, command: c.SetUrgency) -> c.Done:
    """Let a batch go before others."""
    batch = known_batch(db, command.batch_id)
    if not db.execute(sql.BATCH_URGENCY, batch_id=batch.id, urgency=command.urgency):
        return c.Done(changed=False)
    ledger = Ledger(db, command.now, command.actor)
    ledger.note("batch", batch.id, batch.state, "urgency", {"urgency": command.urgency})
    ledger.write()
    return c.Done()


def recount_busy(db: Connection, command: c.RecountBusy) -> c.Done:
    """Count what is out under caps: what came back makes room."""
    del command
    shares, apps = db.execute(sql.SHARES_RECOUNT), db.execute(sql.APPS_RECOUNT)
    return c.Done(shares + apps > 0)


def advance(db: Connection, changes: tuple[Advance, ...]) -> None:
    """Move virtual times on: one statement, in the order of accounts."""
    db.execute_many(sql.SHARE_ADVANCE, [(a.account_id, a.place, a.more) for a in changes])


def take_room(db: Connection, accounts: Mapping[int, int], apps: Mapping[int, int]) -> None:
    """Count tasks that go out under caps, by account and by app; most exchanges have none.

    Raises :class:`LostRace` if another transaction took the room meanwhile.
    """
    for query, counts in ((sql.SHARE_BUSY, accounts), (sql.APP_BUSY, apps)):
        rows = [(count, key) for key, count in sorted(counts.items())]
        if rows and db.execute_many(query, rows) != len(rows):
            raise LostRace("a cap was filled by another exchange meanwhile")
