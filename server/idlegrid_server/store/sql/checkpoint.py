"""Checkpoints that hosts leave at the server."""

from typing import NamedTuple

from idlegrid_server.store.query import Query


class CheckpointRow(NamedTuple):
    """A checkpoint, and of which task."""

    task_id: int
    unit_id: int
    sha256: bytes
    size: int
    ops: int


class LeftRow(NamedTuple):
    """A checkpoint, and whether the host that left it still has its good name.

    It was proven when it left it; it may have left the project since, in honour or not.
    """

    task_id: int
    unit_id: int
    sha256: bytes
    size: int
    ops: int
    proven: int


_CHECKPOINT = "SELECT task_id, unit_id, sha256, bytes, ops FROM checkpoint"

CHECKPOINTS_OF_UNITS = Query(
    "checkpoints_of_units",
    "what those who had tasks of these units have left",
    """
    SELECT c.task_id, c.unit_id, c.sha256, c.bytes, c.ops,
           CASE WHEN h.state IN ('quarantined', 'banned') THEN 0 ELSE 1 END
    FROM checkpoint c JOIN task t ON t.id = c.task_id JOIN host h ON h.id = t.host_id
    WHERE c.unit_id {in:unit_ids} ORDER BY c.unit_id, c.task_id
    """,
    LeftRow._make,
)
CHECKPOINTS_OF_TASKS = Query(
    "checkpoints_of_tasks",
    "the checkpoints that tasks sent again continue from",
    _CHECKPOINT + " WHERE task_id {in:task_ids} ORDER BY task_id",
    CheckpointRow._make,
)
CHECKPOINT_OF_TASK = Query(
    "checkpoint_of_task",
    "the newest checkpoint of a task; a newer one takes its place",
    _CHECKPOINT + " WHERE task_id = :task_id {lock}",
    CheckpointRow._make,
)
CHECKPOINT_BY_HASH = Query(
    "checkpoint_by_hash",
    "a checkpoint that a host fetches",
    _CHECKPOINT + " WHERE sha256 = :sha256 ORDER BY task_id LIMIT 1",
    CheckpointRow._make,
)
CHECKPOINT_KEEP = Query(
    "checkpoint_keep",
    "a task has a newer checkpoint",
    """
    INSERT INTO checkpoint (task_id, unit_id, sha256, bytes, ops, at)
    VALUES (:task_id, :unit_id, :sha256, :bytes, :ops, :now)
    ON CONFLICT (task_id) DO UPDATE
    SET sha256 = :sha256, bytes = :bytes, ops = :ops, at = :now
    """,
)
CHECKPOINTS_IDLE = Query(
    "checkpoints_idle",
    "checkpoints of units that are decided: nobody continues them",
    """
    SELECT c.task_id, c.unit_id, c.sha256, c.bytes, c.ops
    FROM checkpoint c JOIN work_unit u ON u.id = c.unit_id
    WHERE u.state <> 'open' ORDER BY c.task_id LIMIT :limit
    """,
    CheckpointRow._make,
)
CHECKPOINTS_DELETE = Query(
    "checkpoints_delete",
    "forget checkpoints",
    "DELETE FROM checkpoint WHERE task_id {in:task_ids}",
)
CHECKPOINT_UPLOADS_OPEN = Query(
    "checkpoint_uploads_open",
    "hold a task to its number and bytes of checkpoints under way",
    """
    SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM upload
    WHERE task_id = :task_id AND checkpoint_ops IS NOT NULL AND done = 0
    """,
    lambda row: (int(row[0]), int(row[1])),
)
TASK_MIGRATES = Query(
    "task_migrates",
    "whether what the host of a task leaves may be continued: by its app, and by its own record",
    """
    SELECT s.migrates, CASE WHEN h.state = 'trusted' OR h.house = 1 THEN 1 ELSE 0 END
    FROM task t JOIN work_unit u ON u.id = t.unit_id JOIN stage s ON s.id = u.stage_id
    JOIN host h ON h.id = t.host_id WHERE t.id = :task_id
    """,
    lambda row: (bool(row[0]), bool(row[1])),
)
TASK_RESUMES = Query(
    "task_resumes",
    "a task continues from the checkpoint of another",
    """
    UPDATE task SET resumed_from = :resumed_from, resumed_ops = :resumed_ops WHERE id = :task_id
    """,
)
