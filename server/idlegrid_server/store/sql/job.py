"""Jobs and their leases."""

from typing import NamedTuple

from idlegrid_server.store.query import Query


class JobRow(NamedTuple):
    """Slow work of the server itself."""

    id: int
    kind: str
    object_id: int
    state: str
    attempts: int
    errors: int
    lease_until: int | None
    lease_by: str | None
    progress: str | None
    reason: str
    created_at: int
    finished_at: int | None


_JOB = "SELECT " + ", ".join(JobRow._fields) + " FROM job"

JOB_INSERT = Query(
    "job_insert",
    "put slow work in the queue; a live job for the same object is enough",
    """
    INSERT INTO job (kind, object_id, state, created_at) VALUES (:kind, :object_id, 'queued', :now)
    ON CONFLICT DO NOTHING
    """,
)
JOB_NEXT = Query(
    "job_next",
    "the oldest job that nobody works on",
    _JOB
    # Through a function, so that the index in the order of ids serves, and nothing is sorted.
    + """ WHERE COALESCE(kind, '') {in:kinds} AND state IN ('queued', 'running')
      AND (state = 'queued' OR (state = 'running' AND lease_until <= :now))
    ORDER BY id LIMIT 1 {lock_free}""",
    JobRow._make,
)
JOB_BY_ID_LOCKED = Query(
    "job_by_id_locked", "change a job", _JOB + " WHERE id = :job_id {lock}", JobRow._make
)
JOB_LIVE_OF_OBJECT = Query(
    "job_live_of_object",
    "the job that waits or works for an object",
    _JOB
    + """ WHERE kind = :kind AND object_id = :object_id AND state IN ('queued', 'running')
    {lock}""",
    JobRow._make,
)
JOBS_LIVE_OF_OBJECTS = Query(
    "jobs_live_of_objects",
    "the jobs that wait or work for several objects",
    _JOB
    + """ WHERE kind = :kind AND object_id {in:object_ids} AND state IN ('queued', 'running')
    ORDER BY id {lock}""",
    JobRow._make,
)
JOB_NEWEST_OF_OBJECT = Query(
    "job_newest_of_object",
    "how the slow work for an object stands",
    _JOB + " WHERE kind = :kind AND object_id = :object_id ORDER BY id DESC LIMIT 1",
    JobRow._make,
)
JOBS_UNDER_LEASE = Query(
    "jobs_under_lease",
    "the jobs that workers hold, to find those whose worker is dead",
    _JOB + " WHERE state = 'running' AND lease_by IS NOT NULL ORDER BY id",
    JobRow._make,
)
JOB_COUNTS = Query(
    "job_counts",
    "how many jobs wait and work",
    """
    SELECT kind, state, COUNT(*) FROM job WHERE state IN ('queued', 'running')
    GROUP BY kind, state ORDER BY kind, state
    """,
    lambda row: (str(row[0]), str(row[1]), int(row[2])),
)
JOB_CLAIM = Query(
    "job_claim",
    "take a job under a lease",
    """
    UPDATE job SET state = 'running', attempts = attempts + 1, lease_until = :lease_until,
                   lease_by = :worker
    WHERE id = :job_id
    """,
)
JOB_RENEW = Query(
    "job_renew",
    "keep a job",
    """
    UPDATE job SET lease_until = :lease_until, progress = COALESCE(:progress, progress)
    WHERE id = :job_id
    """,
)
JOB_END = Query(
    "job_end",
    "a job is done, failed, cancelled, or waits again",
    """
    UPDATE job SET state = :state, reason = :reason, errors = :errors, lease_until = NULL,
                   lease_by = NULL, finished_at = :finished_at
    WHERE id = :job_id
    """,
)
JOB_POSTPONE = Query(
    "job_postpone",
    "a job waits until a time: under a lease that nobody holds",
    """
    UPDATE job SET state = 'running', reason = :reason, errors = errors + 1, lease_by = NULL,
                   lease_until = :until
    WHERE id = :job_id
    """,
)
JOBS_HURRY = Query(
    "jobs_hurry",
    "validations of a step that wait since its validator failed: it has another one now",
    """
    UPDATE job SET state = 'queued', lease_until = NULL
    WHERE kind = 'validate' AND state = 'running' AND lease_by IS NULL
      AND object_id IN (SELECT id FROM work_unit WHERE stage_id = :stage_id)
    """,
)
JOB_FORGET = Query(
    "job_forget",
    "a job is done whose outcome stands elsewhere",
    "DELETE FROM job WHERE id = :job_id",
)
JOBS_RELEASE_EXPIRED = Query(
    "jobs_release_expired",
    "let jobs whose worker is gone wait again",
    """
    UPDATE job SET state = 'queued', lease_until = NULL, lease_by = NULL
    WHERE state = 'running' AND lease_until <= :now
    """,
)
