"""A project that paid credit before it was shared, averaged and told by the day keeps all of it."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from idlegrid_server.store import migrate
from idlegrid_server.store.migrations import config, engine, sqlite_url

from .cluster import Cluster

DAY = 86_400 * 1_000_000
START = 20_000 * DAY
BEFORE = """
INSERT INTO account (id, email, name, role, credit_micro, created_at)
    VALUES (1, 'a@example.org', 'Ada', 'admin', 5000000, 0);
INSERT INTO host (id, device, account_id, name, state, credit_micro, created_at, last_seen_at)
    VALUES (1, {key1}, 1, 'one', 'trusted', 5000000, 0, 0),
           (2, {key2}, NULL, 'two', 'new', 1, 0, 0);
INSERT INTO app (id, name, account_id, created_at) VALUES (1, 'sky', 1, 0);
INSERT INTO app_version (id, app_id, version, platform, runtime, profile, release, release_hash,
    created_at) VALUES (1, 1, '1', 'wasm32-wasip1', 'wasm', 'p', {key1}, {key1}, 0);
INSERT INTO batch (id, account_id, app_version_id, name, state, spec, seed, on_failure, created_at)
    VALUES (1, 1, 1, 'b', 'running', '', {key1}, '', 0);
INSERT INTO stage (id, batch_id, idx, kind, state, placement, app_version_id, program, inputs,
    policy, memory_bytes, profile)
    VALUES (1, 1, 0, 'map', 'running', 'grid', 1, 'm', '[]', '', 1, 'p');
INSERT INTO work_unit (id, stage_id, batch_id, idx, state, target, args)
    VALUES (1, 1, 1, 0, 'open', 2, ''), (2, 1, 1, 1, 'open', 2, '');
INSERT INTO task (id, unit_id, n, state, verdict, host_id, manifest, credit_micro)
    VALUES (1, 1, 0, 'success', 'valid', 1, {key1}, 2000000),
           (2, 2, 0, 'success', 'valid', 1, {key1}, 3000000),
           (3, 2, 1, 'success', 'valid', 2, {key1}, 1);
INSERT INTO credit (task_id, host_id, account_id, micro, at)
    VALUES (1, 1, 1, 2000000, {first}), (2, 1, 1, 3000000, {second}), (3, 2, NULL, 1, {second});
"""


def rows(connection: sa.Connection, query: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(sa.text(query))]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_credit_that_was_paid_before_is_kept(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    cluster: Cluster | None = None
    url = sqlite_url(tmp_path / "project.db")
    if kind == "postgresql":
        cluster = request.getfixturevalue("cluster")
        url = cluster.empty_database()
    made = engine(url)
    mark = "decode('{}', 'hex')" if cluster else "x'{}'"
    keys = {f"key{n}": mark.format(f"{n:02x}" * 32) for n in (1, 2)}
    text = BEFORE.format(**keys, first=START, second=START + 7 * DAY)
    with made.connect() as connection:
        command.upgrade(config(connection), "0005")
        for statement in text.split(";")[:-1]:
            connection.exec_driver_sql(statement)
        connection.commit()
    migrate(url)
    with made.connect() as connection:
        assert rows(
            connection,
            "SELECT task_id, of_task, host_id, account_id, state, base_micro, micro FROM credit"
            " ORDER BY task_id",
        ) == [
            (1, 1, 1, 1, "paid", 2_000_000, 2_000_000),
            (2, 2, 1, 1, "paid", 3_000_000, 3_000_000),
            (3, 3, 2, None, "paid", 1, 1),
        ]
        assert rows(
            connection,
            "SELECT day, account_id, host_id, app_id, results, micro FROM statistic"
            " ORDER BY day, host_id",
        ) == [
            (20_000, 1, 1, 1, 1, 2_000_000),
            (20_007, 1, 1, 1, 1, 3_000_000),
            (20_007, 0, 2, 1, 1, 1),
        ]
        recent = [(4_000_000, START + 7 * DAY)]  # a week halves the first
        for table in ("host", "account"):
            query = f"SELECT recent_micro, recent_at FROM {table} WHERE id = 1"
            assert rows(connection, query) == recent
    made.dispose()
    if cluster is not None:
        cluster.drop(url)
