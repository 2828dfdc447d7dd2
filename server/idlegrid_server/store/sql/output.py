"""The outputs that stand in a stage's index."""

from typing import NamedTuple

from idlegrid_server.store.query import Query


class OutputRow(NamedTuple):
    """One unit's output as it stands in the index."""

    idx: int
    unit_id: int
    manifest: bytes
    body: bytes


_OUTPUT = """
    SELECT o.idx, o.unit_id, o.manifest, m.body
    FROM output o JOIN manifest m ON m.hash = o.manifest
"""

OUTPUT_INSERT = Query(
    "output_insert",
    "a canonical output enters the index, but for one that was known before",
    """
    INSERT INTO output (stage_id, idx, since, unit_id, manifest)
    SELECT u.stage_id, u.idx, b.revision + 1, u.id, u.canonical_manifest
    FROM work_unit u JOIN batch b ON b.id = u.batch_id
    WHERE u.id = :unit_id AND u.known IS NULL
    """,
)
OUTPUT_FORGET = Query(
    "output_forget",
    "an output that no answer has used leaves the index",
    """
    DELETE FROM output WHERE unit_id = :unit_id AND until IS NULL AND since = (
        SELECT b.revision + 1 FROM work_unit u JOIN batch b ON b.id = u.batch_id
        WHERE u.id = :unit_id
    )
    """,
)
OUTPUT_RETRACT = Query(
    "output_retract",
    "an output leaves the index; answers made with it keep it",
    """
    UPDATE output SET until = (
        SELECT b.revision + 1 FROM work_unit u JOIN batch b ON b.id = u.batch_id
        WHERE u.id = :unit_id
    )
    WHERE unit_id = :unit_id AND until IS NULL
    """,
)
OUTPUTS_AFTER = Query(
    "outputs_after",
    "a stage's outputs by pages, in the order of indexes",
    _OUTPUT
    + """ WHERE o.stage_id = :stage_id AND o.idx > :after AND o.until IS NULL
    ORDER BY o.idx LIMIT :limit""",
    OutputRow._make,
)
OUTPUT_AT = Query(
    "output_at",
    "the output at an index of a stage",
    _OUTPUT + " WHERE o.stage_id = :stage_id AND o.idx = :idx AND o.until IS NULL",
    OutputRow._make,
)
