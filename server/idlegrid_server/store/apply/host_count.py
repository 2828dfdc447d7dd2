"""What reports and verdicts do to a host's counters, its cap and its standing."""

from collections.abc import Iterable
from dataclasses import dataclass

from idlegrid_server.domain.average import added
from idlegrid_server.domain.benchmark import gone_on
from idlegrid_server.domain.host import next_limit
from idlegrid_server.store.apply.check import Checks, steps_of
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import host as sql


@dataclass
class HostCount:
    """Differences to one host's counters."""

    in_progress: int = 0
    unjudged: int = 0
    success: int = 0
    error: int = 0
    timed_out: int = 0
    valid: int = 0
    invalid: int = 0
    credit_micro: int = 0
    bench_micro: int = 0
    bench_us: int = 0

    @property
    def bad(self) -> int:
        """How many times the host let the project down."""
        return max(0, self.error + self.timed_out + self.invalid)


class HostCounts:
    """Differences to the counters of several hosts, written at the end."""

    def __init__(self) -> None:
        self.hosts: dict[int, HostCount] = {}
        self.standing: dict[int, sql.StandingRow] = {}

    def lock(self, db: Connection, host_ids: Iterable[int]) -> None:
        """Take the locks of all hosts that may be counted. Hosts are locked before units."""
        wanted = sorted(set(host_ids))
        if wanted:
            rows = db.fetch_all(sql.HOSTS_STANDING, host_ids=wanted)
            self.standing = {row.id: row for row in rows}

    def of(self, host_id: int) -> HostCount:
        """The differences of one host, to be added to."""
        return self.hosts.setdefault(host_id, HostCount())

    def write(self, db: Connection, ledger: Ledger, checks: Checks) -> None:
        """Update the counters, the caps and the states that follow from them."""
        counts, states, caught = [], [], []
        for host_id in sorted({*self.hosts, *checks.failures}):
            host, count = self.standing[host_id], self.of(host_id)
            limit = next_limit(
                host.tasks_max,
                host.cores,
                max(0, count.valid),
                count.bad,
                before=host.n_valid + host.n_invalid,
                invalid=max(0, count.invalid),
            )
            counts.append(
                (
                    *(
                        count.in_progress,
                        count.unjudged,
                        count.success,
                        count.error,
                        count.timed_out,
                    ),
                    *(count.valid, count.invalid, count.credit_micro),
                    added(host.recent_micro, host.recent_at, ledger.now, count.credit_micro),
                    max(host.recent_at, ledger.now),
                    *gone_on(host.bench_micro, host.bench_us, count.bench_micro, count.bench_us),
                    *(limit, host_id),
                )
            )
            steps, until, shut_out = checks.states(host, host.n_valid + count.valid)
            steps_of(ledger, host, steps)
            if steps:
                states.append((*steps[-1], until, host_id))
            if host_id in checks.failures:
                caught.append((int(shut_out), host_id))
        db.execute_many(sql.HOST_COUNT, counts)
        db.execute_many(sql.HOST_SET_STATE, states)
        db.execute_many(sql.HOST_CAUGHT, caught)
