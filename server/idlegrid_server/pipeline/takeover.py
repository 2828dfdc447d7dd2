"""What a dead worker held: its successor takes it over at once, and need not wait for the lease.

A lease is in the name of its worker, which tells machine, pid and birth. A name of this machine
whose process is gone can keep nothing any more. Other machines' leases are left to run out.
"""

import logging
import os
import platform
import re

from idlegrid_server.birth import birth_of, lives
from idlegrid_server.store.command import RenewJob
from idlegrid_server.store.sql.job import JOBS_UNDER_LEASE

from .tools import Tools

_NAME = re.compile(
    r"(?P<role>[a-z]+)-(?P<pid>\d+)-(?P<birth>\d+\.\d{2})@(?P<machine>.*)", re.DOTALL
)
log = logging.getLogger(__name__)


def worker_name(role: str) -> str:
    """The name under which this process takes leases."""
    pid = os.getpid()
    return f"{role}-{pid}-{birth_of(pid):.2f}@{platform.node()}"


def is_dead(worker: str) -> bool:
    """Whether ``worker`` was a process of this machine and is gone. False for what is not known."""
    match = _NAME.fullmatch(worker)
    if match is None or match["machine"] != platform.node():
        return False
    return not lives(int(match["pid"]), float(match["birth"]))


def take_over(tools: Tools) -> int:
    """Give back, in their name, the leases of dead workers of this machine; returns how many.

    Raises ``StoreError``.
    """
    with tools.store.reading() as db:
        held = db.fetch_all(JOBS_UNDER_LEASE)
    count = 0
    for job in held:
        if job.lease_by is None or not is_dead(job.lease_by):
            continue
        now = tools.clock()
        # Only the holder may end a lease: if it has changed hands since, nothing happens.
        tools.store.execute(RenewJob(now=now, job_id=job.id, worker=job.lease_by, lease_until=now))
        log.info("A dead worker's job goes on.", extra={"job": job.id, "kind": job.kind})
        count += 1
    return count
