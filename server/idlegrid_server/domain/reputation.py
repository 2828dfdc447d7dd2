"""What the checks of a host come to, subject by subject; :mod:`.trust` says what follows from it.

Trust is kept by what :mod:`.subject` says, as speed is; finality is counted by app.
"""

from collections.abc import Iterable, Mapping

import msgspec

from idlegrid_shared.documents import Policy

from .matching import SERVED
from .model import Check, Fleet, HostState, Standing, Value
from .trust import checks_to_start, faded

#: A check that failed takes this much trust.
FAILED_WEIGHT = 1.0


class Reputation(Value, frozen=True):
    """The checks of a host for one subject. Sums are as they stood at ``faded_at`` (µs)."""

    host_id: int
    subject: str
    passed: float = 0.0
    failed: float = 0.0
    faded_at: int = 0
    checks: int = 0  # passed, whatever they weigh
    n_failed: int = 0
    streak: int = 0
    caught_at: int | None = None


def app_subject(app_id: int) -> str:
    """What finality is counted for."""
    return f"a:{app_id}"


def fade(reputation: Reputation, now: int) -> Reputation:
    """The same at ``now`` (µs)."""
    since = reputation.faded_at
    return msgspec.structs.replace(
        reputation,
        passed=faded(reputation.passed, since, now),
        failed=faded(reputation.failed, since, now),
        faded_at=max(since, now),
    )


def add_check(reputation: Reputation, check: Check, now: int) -> Reputation:
    """One check more. One that failed takes all trust (rule 11 of trust)."""
    before = fade(reputation, now)
    if not check.passed:
        return msgspec.structs.replace(
            before,
            passed=0.0,
            failed=before.failed + FAILED_WEIGHT,
            n_failed=before.n_failed + 1,
            streak=0,
            caught_at=now,
        )
    return msgspec.structs.replace(
        before,
        passed=before.passed + (check.weight if check.earns else 0.0),
        checks=before.checks + 1,
        streak=before.streak + 1,
    )


def standing(
    host_id: int,
    state: HostState,
    house: bool,
    trust: Reputation | None,
    app: Reputation | None,
    now: int,
    disputes: int = 0,
) -> Standing:
    """How a host stands at ``now`` for one kind of work; ``disputes`` as in :class:`Standing`."""
    known = fade(trust, now) if trust is not None else Reputation(host_id, "")
    return Standing(
        host_id=host_id,
        state=state,
        house=house,
        passed=known.passed,
        failed=known.failed,
        checks=0 if app is None else app.checks,
        streak=known.streak,
        disputes=disputes,
        caught_at=known.caught_at,
    )


class Crowd(Value, frozen=True):
    """Hosts seen lately that are alike: what they offer, whether they are the project's own."""

    keys: frozenset[str]  # of the stages that they can serve: kind.queue_keys
    state: HostState
    house: bool
    count: int


def fleet(
    profile: str, policy: Policy, crowds: Iterable[Crowd], passed: Mapping[int, int]
) -> Fleet:
    """The hosts that may compute a stage's units.

    ``passed`` counts the volunteers' hosts by how many checks, whole ones, they passed for it.
    """
    fitting = [crowd for crowd in crowds if crowd.state in SERVED and profile in crowd.keys]
    start = checks_to_start(policy)
    volunteers = sum(count for checks, count in passed.items() if checks >= start)
    return Fleet(
        active=sum(crowd.count for crowd in fitting),
        proven=volunteers + sum(crowd.count for crowd in fitting if crowd.house),
    )
