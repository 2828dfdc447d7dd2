"""Liveness 3: an honest host gets work within T where there is work that it may have.

Asked once the faults have stopped, with a query of our own.
"""

from .host import SimHost
from .invariant import demand, rows
from .mix import LYING
from .server import SimServer
from .world import US

WITHIN_S = 900.0  # several contacts of an idle host; the rest is for those who back off
BACKING_OFF_S = 3_700.0

#: A task that waits for anybody, of a unit that the host never had, and that no live copy bars: of
#: a unit in nobody's hands yet, or in those of hosts with other owners.
FREE = (
    "SELECT u.id FROM work_unit u JOIN stage s ON s.id = u.stage_id"
    " JOIN batch b ON b.id = s.batch_id"
    " WHERE u.n_unsent > 0 AND u.rank < 2 AND s.dispatchable = 1 AND s.state = 'running'"
    " AND b.state IN ('running', 'canary') AND u.bound_to IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM task t WHERE t.unit_id = u.id AND t.host_id IS NOT NULL)"
    " LIMIT 1"
)


class Work:
    """Who has been without work since when, although some was there."""

    def __init__(self, server: SimServer) -> None:
        self.server = server
        self.since: dict[int, int] = {}

    def look(self, hosts: list[SimHost]) -> None:
        """To be called every minute or so."""
        now = self.server.world.now
        with self.server.reading() as db:
            free = bool(rows(db, FREE)) and self.server.up
            served = {
                device
                for (device,) in rows(
                    db,
                    "SELECT device FROM host WHERE state IN ('new', 'probation', 'trusted')"
                    " AND n_in_progress = 0",
                )
            }
        for host in hosts:
            number = host.behaviour.number
            waits = (
                free
                and host.counts
                and host.device in served
                and host.behaviour.kind not in LYING
                and host.agent is not None
                and not host.agent.state.tasks
            )
            if not waits:
                self.since.pop(number, None)
                continue
            since = self.since.setdefault(number, now)
            limit_s = WITHIN_S if self._calls(host) else BACKING_OFF_S
            demand(
                [host.name] if now - since > limit_s * US else [],
                "an honest host got no work although there was some for it",
            )

    @staticmethod
    def _calls(host: SimHost) -> bool:
        """Whether its last contacts went well, so that it does not back off."""
        assert host.agent is not None
        return all(project.failures == 0 for project in host.agent.state.projects.values())
