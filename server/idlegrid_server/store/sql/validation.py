"""What validators found out about outputs."""

from typing import NamedTuple

from idlegrid_server.store.query import Query


class OutputCheckRow(NamedTuple):
    """One output of a unit by itself: good, failed or unreadable."""

    unit_id: int
    manifest: bytes
    outcome: str
    note: str


class ComparisonRow(NamedTuple):
    """Two outputs of a unit, the one of the lower hash first."""

    unit_id: int
    a: bytes
    b: bytes
    agrees: int
    note: str


class RevalidationRow(NamedTuple):
    """Another rule for a batch, and how far it has come."""

    id: int
    batch_id: int
    stage_id: int
    rule: str | None
    rule_hash: bytes | None
    state: str
    report: str
    reason: str
    created_at: int


_REVALIDATION = "SELECT " + ", ".join(RevalidationRow._fields) + " FROM revalidation"

REVALIDATION_BY_ID = Query(
    "revalidation_by_id",
    "another rule for a batch",
    _REVALIDATION + " WHERE id = :revalidation_id",
    RevalidationRow._make,
)
REVALIDATION_BY_ID_LOCKED = Query(
    "revalidation_by_id_locked",
    "bring another rule for a batch further",
    _REVALIDATION + " WHERE id = :revalidation_id {lock}",
    RevalidationRow._make,
)
REVALIDATIONS_OF_BATCH = Query(
    "revalidations_of_batch",
    "the rules that were tried on a batch, newest first",
    _REVALIDATION + " WHERE batch_id = :batch_id ORDER BY id DESC LIMIT :limit",
    RevalidationRow._make,
)
REVALIDATION_INSERT = Query(
    "revalidation_insert",
    "try another rule on a batch",
    """
    INSERT INTO revalidation (batch_id, stage_id, rule, rule_hash, state, created_at)
    VALUES (:batch_id, :stage_id, :rule, :rule_hash, 'looking', :now) RETURNING id
    """,
)
REVALIDATION_SET = Query(
    "revalidation_set",
    "how far another rule for a batch has come",
    """
    UPDATE revalidation SET state = :state, reason = :reason,
                            report = COALESCE(:report, report)
    WHERE id = :revalidation_id
    """,
)
OUTPUT_CHECKS = Query(
    "output_checks",
    "what their stage's validator, or the given one, found of the outputs of units",
    """
    SELECT t.unit_id, o.manifest, o.outcome, o.note
    FROM task t JOIN work_unit u ON u.id = t.unit_id JOIN stage s ON s.id = u.stage_id
    JOIN output_check o ON o.validator = COALESCE(:validator, s.validator_hash)
         AND o.manifest = t.manifest
    WHERE t.unit_id {in:unit_ids}
    """,
    OutputCheckRow._make,
)
COMPARISONS = Query(
    "comparisons",
    "which outputs of a unit their stage's validator, or the given one, found to agree",
    """
    SELECT t.unit_id, c.a, c.b, c.agrees, c.note
    FROM task t JOIN task p ON p.unit_id = t.unit_id AND p.manifest > t.manifest
    JOIN work_unit u ON u.id = t.unit_id JOIN stage s ON s.id = u.stage_id
    JOIN comparison c ON c.validator = COALESCE(:validator, s.validator_hash)
         AND c.a = t.manifest AND c.b = p.manifest
    WHERE t.unit_id {in:unit_ids}
    """,
    ComparisonRow._make,
)
OUTPUT_CHECK_INSERT = Query(
    "output_check_insert",
    "what a validator found of one output; the first word stands",
    """
    INSERT INTO output_check (validator, manifest, outcome, note, at)
    VALUES (:validator, :manifest, :outcome, :note, :now) ON CONFLICT DO NOTHING
    """,
)
COMPARISON_INSERT = Query(
    "comparison_insert",
    "what a validator found of two outputs; the first word stands",
    """
    INSERT INTO comparison (validator, a, b, agrees, note, at)
    VALUES (:validator, :a, :b, :agrees, :note, :now) ON CONFLICT DO NOTHING
    """,
)
PASSED_EVER = Query(
    "passed_ever",
    "whether a validator has ever got through an output: then it is not broken itself",
    "SELECT 1 FROM output_check WHERE validator = :validator AND outcome = 'good' LIMIT 1",
    lambda row: int(row[0]),
)
COMPARED_EVER = Query(
    "compared_ever",
    "whether a validator has ever got through two outputs",
    "SELECT 1 FROM comparison WHERE validator = :validator LIMIT 1",
    lambda row: int(row[0]),
)
STAGE_RULE = Query(
    "stage_rule",
    "the validator of a unit's stage, and the release that it belongs to",
    """
    SELECT s.validator, s.validator_hash, v.release, v.release_hash
    FROM work_unit u JOIN stage s ON s.id = u.stage_id
    JOIN app_version v ON v.id = s.app_version_id WHERE u.id = :unit_id
    """,
    lambda row: (row[0], row[1], bytes(row[2]), bytes(row[3])),
)
UNITS_UNVALIDATED = Query(
    "units_unvalidated",
    "how many units of a stage wait because its validator fails, and its newest words",
    """
    SELECT COUNT(*), MAX(j.reason) FROM job j JOIN work_unit u ON u.id = j.object_id
    WHERE j.kind = 'validate' AND j.state IN ('queued', 'running') AND j.errors > 0
      AND u.stage_id = :stage_id
    """,
    lambda row: (int(row[0]), str(row[1] or "")),
)
