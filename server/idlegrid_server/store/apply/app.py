"""Apps and their versions."""

from idlegrid_server.store import command as c
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import app as sql
from idlegrid_server.store.sql import file as file_sql


def add_version(db: Connection, command: c.AddAppVersion) -> c.AddAppVersionResult:
    """Store a release, and the app with its first one."""
    app = db.fetch_one(sql.APP_BY_NAME, name=command.app)
    if app is not None and app.account_id != command.account_id and not command.any_owner:
        return c.AddAppVersionResult("not_yours", app.id)
    if app is not None:
        known = db.fetch_one(
            sql.VERSION_OF_APP,
            app=command.app,
            version=command.version,
            platform=command.platform,
        )
        if known is not None:
            same = known.release_hash == command.release_hash
            return c.AddAppVersionResult("existing" if same else "conflict", app.id, known.id)
    hashes = [module.sha256 for module in command.modules]
    usable = set(db.fetch_all(file_sql.FILES_USABLE, account_id=command.account_id, hashes=hashes))
    missing = tuple(digest for digest in hashes if digest not in usable)
    if missing:
        return c.AddAppVersionResult("missing_files", missing=missing)
    ledger = Ledger(db, command.now, f"account:{command.account_id}")
    app_id = app.id if app is not None else _insert_app(db, command, ledger)
    version_id = db.fetch_one(
        sql.VERSION_INSERT,
        app_id=app_id,
        version=command.version,
        platform=command.platform,
        runtime=command.runtime,
        profile=command.profile,
        release=command.release,
        release_hash=command.release_hash,
        now=command.now,
    )
    if version_id is None:
        raise c.StoreUnavailable("another request stored this release at the same moment")
    db.execute(sql.APP_SET_SUMMARY, app_id=app_id, summary=command.summary)
    db.execute(file_sql.FILE_PUBLISH, hashes=hashes)
    ledger.note("app", app_id, "active", f"version {command.version} published")
    ledger.write()
    return c.AddAppVersionResult("created", app_id, version_id)


def _insert_app(db: Connection, command: c.AddAppVersion, ledger: Ledger) -> int:
    app_id = db.fetch_one(
        sql.APP_INSERT,
        name=command.app,
        summary=command.summary,
        account_id=command.account_id,
        now=command.now,
    )
    if app_id is None:
        raise c.StoreUnavailable("another request made this app at the same moment")
    ledger.note("app", app_id, "active", "created")
    return app_id


def deprecate_version(db: Connection, command: c.DeprecateAppVersion) -> c.Done:
    """Take no new batches for it, or take them again."""
    version = db.fetch_one(sql.VERSION_BY_ID, app_version_id=command.app_version_id)
    if version is None:
        raise c.StoreRefused("unknown_version", f"there is no app version {command.app_version_id}")
    changed = db.execute(
        sql.VERSION_SET_DEPRECATED,
        app_version_id=command.app_version_id,
        deprecated=int(command.deprecated),
    )
    if changed:
        word = "deprecated" if command.deprecated else "in use again"
        ledger = Ledger(db, command.now, command.actor)
        ledger.note("app", version.app_id, "active", f"version {version.version} {word}")
        ledger.write()
    return c.Done(bool(changed))
