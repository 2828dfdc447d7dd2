"""Count everything again, and check what must hold between the tables (TRUST.md, invariants).

Slow and thorough: for tests, the simulator, the demo, and an admin who wants to be sure.
"""

import hashlib
from collections.abc import Collection

from idlegrid_server.domain.host import LIMIT_MAX, LIMIT_PER_CORE_MAX, first_limit
from idlegrid_shared.manifest import ManifestError, parse_manifest

from .apply.policy import policy
from .connection import Connection
from .recount_credit import recount_recent, recount_spread
from .replay import replay
from .sql import audit as sql
from .sql import file as file_sql

TOLD = 20  # violations of one rule that are told
PAGE = 500


def recount(db: Connection, distinct: Collection[str] = ()) -> list[str]:
    """Every broken rule in words; empty if all is well.

    ``distinct`` is the project's policy, as the exchanges followed it.
    """
    found = []
    rules = [*sql.RULES, *(sql.DISTINCT_RULES[name] for name in distinct)]
    for rule in rules:
        found += [rule.purpose.format(*row) for row in db.fetch_all(rule, limit=TOLD)]
    found += _votes(db)
    found += _caps(db)
    found += _files(db)
    found += recount_spread(db)
    found += recount_recent(db)
    found += replay(db)
    return found


def _votes(db: Connection) -> list[str]:
    """Accepted means: the quorum stands (invariant 1); where trust decides, somebody said so."""
    found: list[str] = []
    after = 0
    while page := db.fetch_all(sql.UNIT_VOTES, after=after, limit=PAGE):
        for unit_id, rules, votes in page:
            after = unit_id
            wanted = policy(rules).quorum if policy(rules).replication == "fixed" else 1
            if votes < wanted:
                found.append(f"unit {unit_id} was accepted with {votes} of {wanted} votes")
    return found[:TOLD]


def _caps(db: Connection) -> list[str]:
    """Tasks in progress stay below the highest cap that a host of that size can ever have had."""
    found: list[str] = []
    after = 0
    while page := db.fetch_all(sql.HOST_CAPS, after=after, limit=PAGE):
        for host_id, in_progress, tasks_max, cores in page:
            after = host_id
            top = max(tasks_max, first_limit(cores), min(LIMIT_MAX, LIMIT_PER_CORE_MAX * cores))
            if in_progress > top:
                found.append(f"host {host_id} has {in_progress} tasks in progress, over any cap")
    return found[:TOLD]


def _files(db: Connection) -> list[str]:
    """Every file that a stored manifest names is stored (invariant 7)."""
    found: list[str] = []
    after = b""
    while page := db.fetch_all(sql.MANIFESTS_AFTER, after=after, limit=PAGE):
        wanted: dict[bytes, str] = {}
        for digest, body in page:
            after = digest
            try:
                entries = parse_manifest(body)
            except ManifestError as error:
                found.append(f"manifest {digest.hex()}: {error}")
                continue
            if hashlib.sha256(body).digest() != digest:
                found.append(f"manifest {digest.hex()} does not have that hash")
            for entry in entries:
                wanted[bytes.fromhex(entry.sha256)] = f"{entry.name} of manifest {digest.hex()}"
        hashes = list(wanted)
        for start in range(0, len(hashes), PAGE):
            piece = hashes[start : start + PAGE]
            known = set(db.fetch_all(file_sql.FILES_KNOWN, hashes=piece))
            found += [f"the file {wanted[h]} is not stored" for h in piece if h not in known]
    return found[:TOLD]
