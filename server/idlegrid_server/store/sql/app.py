"""Apps and their versions."""

from typing import NamedTuple

from idlegrid_server.store.query import Query


class AppRow(NamedTuple):
    """A program family."""

    id: int
    name: str
    summary: str
    account_id: int
    paused: int
    created_at: int


class AppVersionRow(NamedTuple):
    """One signed, immutable build."""

    id: int
    app_id: int
    app: str
    version: str
    platform: str
    runtime: str
    profile: str
    release: bytes
    release_hash: bytes
    deprecated: int
    created_at: int


_APP = "SELECT id, name, summary, account_id, paused, created_at FROM app"
_VERSION = """
    SELECT v.id, v.app_id, a.name AS app, v.version, v.platform, v.runtime, v.profile, v.release,
           v.release_hash, v.deprecated, v.created_at
    FROM app_version v JOIN app a ON a.id = v.app_id
"""

APP_BY_NAME = Query("app_by_name", "an app by its name", _APP + " WHERE name = :name", AppRow._make)
APPS_AFTER = Query(
    "apps_after",
    "list apps by pages",
    _APP + " WHERE id > :after ORDER BY id LIMIT :limit",
    AppRow._make,
)
APP_INSERT = Query(
    "app_insert",
    "make an app with its first version",
    """
    INSERT INTO app (name, summary, account_id, created_at)
    VALUES (:name, :summary, :account_id, :now) ON CONFLICT (name) DO NOTHING RETURNING id
    """,
    lambda row: int(row[0]),
)
APP_SET_SUMMARY = Query(
    "app_set_summary",
    "the newest version's words about the app",
    "UPDATE app SET summary = :summary WHERE id = :app_id AND summary <> :summary",
)
VERSIONS_OF_APP = Query(
    "versions_of_app",
    "an app's versions, newest first",
    _VERSION + " WHERE v.app_id = :app_id ORDER BY v.id DESC LIMIT :limit",
    AppVersionRow._make,
)
VERSION_OF_APP = Query(
    "version_of_app",
    "one build of an app",
    _VERSION + " WHERE a.name = :app AND v.version = :version AND v.platform = :platform",
    AppVersionRow._make,
)
BUILDS_OF_VERSION = Query(
    "builds_of_version",
    "all builds of one version of an app: one for each platform",
    _VERSION + " WHERE a.name = :app AND v.version = :version ORDER BY v.platform",
    AppVersionRow._make,
)
VERSION_BY_ID = Query(
    "version_by_id", "a build", _VERSION + " WHERE v.id = :app_version_id", AppVersionRow._make
)
VERSION_BY_HASH = Query(
    "version_by_hash",
    "the build with that signed release: the runtime of a python one",
    _VERSION + " WHERE v.release_hash = :release_hash",
    AppVersionRow._make,
)
RUNTIMES = Query(
    "runtimes",
    "the runtimes that python apps may name",
    _VERSION + " WHERE v.runtime = 'runtime' ORDER BY v.id",
    AppVersionRow._make,
)
VERSION_INSERT = Query(
    "version_insert",
    "store a build; one of that version stays as it is",
    """
    INSERT INTO app_version
        (app_id, version, platform, runtime, profile, release, release_hash, created_at)
    VALUES (:app_id, :version, :platform, :runtime, :profile, :release, :release_hash, :now)
    ON CONFLICT DO NOTHING RETURNING id
    """,
    lambda row: int(row[0]),
)
VERSION_SET_DEPRECATED = Query(
    "version_set_deprecated",
    "take no new batches for a version, or take them again",
    """
    UPDATE app_version SET deprecated = :deprecated
    WHERE id = :app_version_id AND deprecated <> :deprecated
    """,
)
