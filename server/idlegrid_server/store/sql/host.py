"""Hosts: who they are, how they do."""

from typing import NamedTuple

from idlegrid_server.store.query import Query


class HostRow(NamedTuple):
    """A volunteer's machine."""

    id: int
    device: bytes
    account_id: int | None
    name: str
    state: str
    reason: str
    house: int
    seq: int
    last_request: str | None
    last_body: bytes | None
    subnet: str
    machine: str
    cores: int
    memory_bytes: int
    profiles: str
    tasks_max: int
    n_in_progress: int
    n_unjudged: int
    n_success: int
    n_error: int
    n_timed_out: int
    n_valid: int
    n_invalid: int
    credit_micro: int
    recent_micro: int
    recent_at: int
    bench_micro: int
    bench_us: int
    shut_out_until: int | None
    n_shut_out: int
    recheck_from: int | None
    created_at: int
    last_seen_at: int


class CallerRow(NamedTuple):
    """What of a host an exchange asks for."""

    id: int
    account_id: int | None
    state: str
    reason: str
    seq: int
    last_request: str | None
    last_body: bytes | None
    cores: int
    memory_bytes: int
    profiles: str
    tasks_max: int
    kind: str
    house: int
    n_unjudged: int
    n_valid: int
    n_invalid: int
    features: str
    late_weight: float
    late_total: float
    late_square: float


class HostOwnerRow(NamedTuple):
    """Whose a host is, and when it was here."""

    id: int
    account_id: int | None
    last_seen_at: int


class StandingRow(NamedTuple):
    """What a host's cap and state follow from."""

    id: int
    state: str
    cores: int
    tasks_max: int
    n_valid: int
    n_invalid: int
    recent_micro: int
    recent_at: int
    bench_micro: int
    bench_us: int
    house: int
    n_shut_out: int


_HOST = "SELECT " + ", ".join(HostRow._fields) + " FROM host"

HOST_BY_DEVICE = Query(
    "host_by_device",
    "who a device key is",
    _HOST + " WHERE device = :device",
    HostRow._make,
)
HOST_BY_DEVICE_LOCKED = Query(
    "host_by_device_locked",
    "one exchange of a host at a time",
    _HOST + " WHERE device = :device {lock}",
    HostRow._make,
)
CALLER = Query(
    "caller",
    "who makes this exchange; one exchange of a host at a time",
    "SELECT " + ", ".join(CallerRow._fields) + " FROM host WHERE device = :device {lock}",
    CallerRow._make,
)
HOST_BY_ID = Query("host_by_id", "a host", _HOST + " WHERE id = :host_id", HostRow._make)
HOST_BY_ID_LOCKED = Query(
    "host_by_id_locked", "change a host", _HOST + " WHERE id = :host_id {lock}", HostRow._make
)
HOSTS_STANDING = Query(
    "hosts_standing",
    "how hosts stand that a pass judges; locks in the order of ids, so that no two passes can wait "
    "on each other",
    """
    SELECT """
    + ", ".join(StandingRow._fields)
    + """ FROM host
    WHERE id {in:host_ids} ORDER BY id {lock}
    """,
    StandingRow._make,
)
HOSTS_FOR = Query(
    "hosts_for",
    "the hosts that a batch is for: those named, those of an account, or the project's own",
    """
    SELECT id, account_id, last_seen_at FROM host
    WHERE (id {in:host_ids} OR account_id = :account_id OR (:house = 1 AND house = 1))
      AND state {in:states} ORDER BY id LIMIT :limit
    """,
    HostOwnerRow._make,
)
HOSTS_AFTER = Query(
    "hosts_after",
    "list hosts by pages",
    _HOST + " WHERE id > :after ORDER BY id LIMIT :limit",
    HostRow._make,
)
HOSTS_OF_ACCOUNT = Query(
    "hosts_of_account",
    "a person's hosts, newest first",
    _HOST + " WHERE account_id = :account_id ORDER BY id DESC LIMIT :limit",
    HostRow._make,
)
HOST_COUNTS = Query(
    "host_counts",
    "how many hosts are in each state, and how many were seen since a moment",
    """
    SELECT state, COUNT(*), COALESCE(SUM(CASE WHEN last_seen_at >= :since THEN 1 ELSE 0 END), 0),
           COALESCE(SUM(n_in_progress), 0)
    FROM host GROUP BY state ORDER BY state
    """,
    lambda row: (str(row[0]), int(row[1]), int(row[2]), int(row[3])),
)
HOST_PROVEN_SEEN = Query(
    "host_proven_seen",
    "whether a host that is the project's own or proven was here lately",
    """
    SELECT 1 FROM host WHERE (house = 1 OR state = 'trusted') AND state {in:states}
      AND last_seen_at >= :since LIMIT 1
    """,
    lambda row: int(row[0]),
)
HOST_INSERT = Query(
    "host_insert",
    "make a device known; one that is known stays as it is",
    """
    INSERT INTO host (device, account_id, name, state, house, subnet, machine, cores, memory_bytes,
                      profiles, kind, features, tasks_max, created_at, last_seen_at)
    VALUES (:device, :account_id, :name, 'new', :house, :subnet, :machine, :cores, :memory_bytes,
            :profiles, :kind, :features, :tasks_max, :now, :now)
    ON CONFLICT (device) DO NOTHING RETURNING id
    """,
    lambda row: int(row[0]),
)
HOST_SET_MACHINE = Query(
    "host_set_machine",
    "what a host says of itself now",
    """
    UPDATE host SET name = :name, machine = :machine, cores = :cores,
                    memory_bytes = :memory_bytes, profiles = :profiles, kind = :kind,
                    features = :features
    WHERE id = :host_id
    """,
)
HOST_SET_STATE = Query(
    "host_set_state",
    "bring a host to another state",
    """
    UPDATE host SET state = :state, reason = :reason, shut_out_until = :shut_out_until
    WHERE id = :host_id
    """,
)
HOST_CAUGHT = Query(
    "host_caught",
    "a result of a host was wrong: what it says alone is to be judged anew",
    "UPDATE host SET n_shut_out = n_shut_out + :shut_out, recheck_from = 0 WHERE id = :host_id",
)
HOSTS_STATE = Query(
    "hosts_state",
    "the state of hosts whose results a pass judges",
    "SELECT id, state, house FROM host WHERE id {in:host_ids}",
    lambda row: (int(row[0]), str(row[1]), bool(row[2])),
)
HOSTS_TO_RELEASE = Query(
    "hosts_to_release",
    "hosts whose time out is over",
    """
    SELECT id, state FROM host
    WHERE shut_out_until IS NOT NULL AND shut_out_until <= :now AND state = 'quarantined'
    ORDER BY id LIMIT :limit {lock}
    """,
    lambda row: (int(row[0]), str(row[1])),
)
HOST_SET_LIMIT = Query(
    "host_set_limit",
    "how many tasks a host may hold",
    "UPDATE host SET tasks_max = :tasks_max WHERE id = :host_id AND tasks_max <> :tasks_max",
)
HOST_SET_OWNER = Query(
    "host_set_owner",
    "whose a host is",
    "UPDATE host SET account_id = :account_id, house = :house WHERE id = :host_id",
)
HOST_SEEN = Query(
    "host_seen",
    "remember a host's newest request and what it did to the counters",
    """
    UPDATE host SET seq = :seq, last_request = :last_request, last_body = :last_body,
        subnet = :subnet, last_seen_at = :now,
        n_in_progress = n_in_progress + :in_progress, n_success = n_success + :success,
        n_unjudged = n_unjudged + :success, n_error = n_error + :error, tasks_max = :tasks_max
    WHERE id = :host_id
    """,
)
HOST_COUNT = Query(
    "host_count",
    "what a pass did to the counters of a host",
    """
    UPDATE host SET
        n_in_progress = n_in_progress + :in_progress, n_unjudged = n_unjudged + :unjudged,
        n_success = n_success + :success,
        n_error = n_error + :error, n_timed_out = n_timed_out + :timed_out,
        n_valid = n_valid + :valid, n_invalid = n_invalid + :invalid,
        credit_micro = credit_micro + :credit_micro,
        recent_micro = :recent_micro, recent_at = :recent_at,
        bench_micro = :bench_micro, bench_us = :bench_us, tasks_max = :tasks_max
    WHERE id = :host_id
    """,
)


class LikenessRow(NamedTuple):
    """What a host has shown of itself: sums over its results."""

    id: int
    cores: int
    n_success: int
    n_error: int
    n_results: int
    ops: int
    elapsed_us: int
    stayed_us: int  # between sending and receiving


HOST_LIKENESSES = Query(
    "host_likenesses",
    "how fast and how steady the hosts seen lately are, to make up others like them",
    """
    SELECT h.id, h.cores, h.n_success, h.n_error, COUNT(*), SUM(t.ops), SUM(t.elapsed_us),
           SUM(t.received_at - t.sent_at)
    FROM host h JOIN task t ON t.host_id = h.id
    WHERE h.last_seen_at >= :since AND t.state = 'success' AND t.received_at >= :since
      AND t.ops > 0 AND t.elapsed_us > 0
    GROUP BY h.id, h.cores, h.n_success, h.n_error ORDER BY h.id LIMIT :limit
    """,
    lambda row: LikenessRow(*(int(value) for value in row)),
)
