"""The state of every object, to hold against what the event log tells."""

from idlegrid_server.store.query import Query

from .audit import LIMIT

STATES_AFTER = {
    "unit": Query(
        "states_of_units",
        "the state of every unit, to hold against the log",
        """
        SELECT id, state, stage_id, idx, NULL FROM work_unit WHERE id > :after ORDER BY id
        """
        + LIMIT,
    ),
    "task": Query(
        "states_of_tasks",
        "the state of every task, to hold against the log",
        """
        SELECT t.id, t.state, u.stage_id, u.idx, t.n FROM task t
        JOIN work_unit u ON u.id = t.unit_id WHERE t.id > :after ORDER BY t.id
        """
        + LIMIT,
    ),
    "verdict": Query(
        "states_of_verdicts",
        "the verdict on every result, to hold against the log",
        "SELECT id, verdict, NULL, NULL, NULL FROM task WHERE id > :after AND verdict IS NOT NULL"
        " ORDER BY id" + LIMIT,
    ),
    "stage": Query(
        "states_of_stages",
        "the state of every stage, to hold against the log",
        "SELECT id, state, NULL, NULL, NULL FROM stage WHERE id > :after ORDER BY id" + LIMIT,
    ),
    "batch": Query(
        "states_of_batches",
        "the state of every batch, to hold against the log",
        "SELECT id, state, NULL, NULL, NULL FROM batch WHERE id > :after ORDER BY id" + LIMIT,
    ),
    "host": Query(
        "states_of_hosts",
        "the state of every host, to hold against the log",
        "SELECT id, state, NULL, NULL, NULL FROM host WHERE id > :after ORDER BY id" + LIMIT,
    ),
}
