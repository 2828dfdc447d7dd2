"""Whom the project believes: reputations in memory, changed by checks as the store changes them.

One app, one subject: trust and finality are counted together.
"""

from collections.abc import Iterable

from idlegrid_server.domain.finish import HeldUnit, audits_at_end
from idlegrid_server.domain.host import VALID_UNTIL_TRUSTED
from idlegrid_server.domain.model import Check, Fleet, HostState, Standing
from idlegrid_server.domain.reputation import Reputation, add_check, fade, standing
from idlegrid_server.domain.trust import is_proven, shut_out_until
from idlegrid_shared.documents import Policy

from .machine import Machine
from .rules import Rules

SUBJECT = "whatif"
CLEAN = Reputation(0, SUBJECT)


class Standings:
    """The reputations of all hosts that are there, and what rests on their word alone."""

    def __init__(self, policy: Policy, rules: Rules) -> None:
        self.policy = policy
        self.rules = rules
        self.active = 0
        self.proven: set[int] = set()
        self._known: dict[int, Reputation] = {}
        self._disputes: dict[int, int] = {}
        self._holds: dict[int, dict[int, int]] = {}  # host → unit → final_at

    def join(self, host: Machine) -> None:
        """A host more."""
        self.active += 1
        if host.traits.house:
            self.proven.add(host.id)

    def leave(self, host: Machine) -> None:
        """Gone; what it said alone still waits for checks that will not come."""
        self.active -= 1
        self.proven.discard(host.id)

    @property
    def fleet(self) -> Fleet:
        """Who is there."""
        return Fleet(self.active, len(self.proven))

    def of(self, host_id: int, host: Machine | None, now: int) -> Standing:
        """How a host stands at ``now`` (µs); one that has left stands as it did, served no more."""
        known = self._known.get(host_id)
        state: HostState = host.state if host is not None else "retired"
        house = host is not None and host.traits.house
        disputes = self._disputes.get(host_id, 0)
        return standing(host_id, state, house, known, known, now, disputes)

    # --- checks

    def add(self, check: Check, host: Machine | None, now: int) -> list[int]:
        """What a check does to a host; returns the units that must be looked at because of it."""
        before = fade(self._known.get(check.host_id) or CLEAN, now)
        after = add_check(before, check, now)
        self._known[check.host_id] = after
        if host is not None:
            self._follow(host, check, before, after, now)
        if not check.passed:
            return list(self._holds.get(check.host_id, ()))
        return self._ripe(check.host_id)

    def _ripe(self, host_id: int) -> list[int]:
        checks = (self._known.get(host_id) or CLEAN).checks
        holds = self._holds.get(host_id, {})
        return [unit for unit, final_at in holds.items() if final_at <= checks]

    def dispute(self, host_id: int, change: int) -> list[int]:
        """So many more of its results are contradicted; returns the units that may be final now."""
        self._disputes[host_id] = self._disputes.get(host_id, 0) + change
        return self._ripe(host_id) if change < 0 and not self._disputes[host_id] else []

    def _follow(
        self, host: Machine, check: Check, before: Reputation, after: Reputation, now: int
    ) -> None:
        if not check.passed:
            step = self.rules.next_standing(host.state, before.passed, after.failed)
            if step is not None:
                host.state = step[0]
                if step[0] == "quarantined":
                    host.out_until = shut_out_until(now, host.shut_out)
                    host.shut_out += 1
        if is_proven(self.of(host.id, host, now), self.policy):
            self.proven.add(host.id)
        else:
            self.proven.discard(host.id)

    def counts_by_quorum(self, host: Machine) -> bool:
        """Whether a few confirmed results are enough to be trusted: see ``domain/host.py``."""
        known = self._known.get(host.id) or CLEAN
        clean = known.caught_at is None or known.streak >= VALID_UNTIL_TRUSTED
        return self.policy.replication == "fixed" and clean

    # --- single results

    def hold(self, host_id: int, unit_id: int, final_at: int) -> None:
        """A unit waits for its host's checks."""
        self._holds.setdefault(host_id, {})[unit_id] = final_at

    def release(self, host_id: int, unit_id: int) -> None:
        """It does not any more."""
        self._holds.get(host_id, {}).pop(unit_id, None)

    def is_anything_held(self) -> bool:
        """Whether some unit waits."""
        return any(self._holds.values())

    def audits_at_end(self, checked: Iterable[int]) -> list[int]:
        """The units to check now that nothing fresh is left; ``checked`` are being checked."""
        under_check = set(checked)
        held, waiting = [], set()
        for host_id, units in self._holds.items():
            checks = (self._known.get(host_id) or CLEAN).checks
            if not under_check.isdisjoint(units):
                waiting.add(host_id)
            held += [HeldUnit(unit, host_id, final_at, checks) for unit, final_at in units.items()]
        return audits_at_end(held, waiting)
