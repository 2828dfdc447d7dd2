"""What is known of ops, speeds and lateness: decayed sums of logarithms (domain/estimate.py)."""

from idlegrid_server.store.query import Query

STAGE_OPS = Query(
    "stage_ops",
    "what canonical results of a stage took",
    """
    UPDATE stage SET ops_weight = ops_weight * :keep + :weight,
        ops_total = ops_total * :keep + :total, ops_square = ops_square * :keep + :square
    WHERE id = :stage_id
    """,
)
HOST_LATENESS = Query(
    "host_lateness",
    "how much later than expected results of a host came",
    """
    UPDATE host SET late_weight = late_weight * :keep + :weight,
        late_total = late_total * :keep + :total, late_square = late_square * :keep + :square
    WHERE id = :host_id
    """,
)
SPEED = Query(
    "speed",
    "the speed that valid results of a host show for a subject; host 0 = of all hosts",
    """
    INSERT INTO speed (subject, host_id, weight, total, square)
    VALUES (:subject, :host_id, :weight, :total, :square)
    ON CONFLICT (subject, host_id) DO UPDATE SET
        weight = speed.weight * :keep + excluded.weight,
        total = speed.total * :keep + excluded.total,
        square = speed.square * :keep + excluded.square
    """,
)
STAGE_OPS_BEFORE = Query(
    "stage_ops_before",
    "what units of the same program took in the newest batch that knows",
    """
    SELECT ops_weight, ops_total, ops_square FROM stage
    WHERE app_version_id = :app_version_id AND program = :program AND kind = 'map'
      AND ops_weight > 0
    ORDER BY id DESC LIMIT 1
    """,
    lambda row: (float(row[0]), float(row[1]), float(row[2])),
)
