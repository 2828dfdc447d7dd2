"""Fair share between scientists, by virtual time.

Each account has a virtual time, which what is given out of its work advances: by the ops of it,
divided by the account's weight. Of those that wait at a host the one whose time is lowest goes
first, so that accounts that always have work come to ops in proportion to their weights.

Nothing is charged while nobody else waits, and who was away does not catch up: an account that
comes anew begins at the lowest time of those it meets, and none is ever further behind the others
than one hand-out, which is as far as an account that is always there can fall. (After start-time
fair queueing: Goyal, Vin, Cheng 1996.)
"""

from collections.abc import Collection, Mapping

from .model import Value

UNKNOWN_OPS = 1e12  # charged for a task of which nothing is known: minutes of one core


class Claim(Value, frozen=True):
    """An account whose work waits at the host that asks."""

    account_id: int
    time: float | None = None  # virtual, in ops; None = it has never met another
    step: float = 0.0  # what its newest hand-out advanced it by
    weight: float = 1.0


def places(claims: Collection[Claim]) -> dict[int, float]:
    """The virtual time of each account, after those that fell too far behind were brought up."""
    known = sorted(claim.time for claim in claims if claim.time is not None)
    if not known:
        return {claim.account_id: 0.0 for claim in claims}
    behind = max(claim.step for claim in claims)
    found = {}
    for claim in claims:
        if claim.time is None:
            found[claim.account_id] = known[0]
        else:
            others = known[1:2] if claim.time == known[0] else known[:1]
            lowest = others[0] if others else claim.time
            found[claim.account_id] = max(claim.time, lowest - behind)
    return found


def charge(ops: float | None, tasks: int, weight: float) -> float:
    """By how much virtual time ``tasks`` tasks of ``ops`` each (None = unknown) advance."""
    return tasks * (UNKNOWN_OPS if ops is None else ops) / weight


class Advance(Value, frozen=True):
    """An account's time becomes ``place``, if it is lower, and then ``more`` is added."""

    account_id: int
    place: float
    more: float


def advances(claims: Collection[Claim], charges: Mapping[int, float]) -> tuple[Advance, ...]:
    """What an exchange does to virtual times, which gave out work for ``charges`` by account.

    In the order of accounts. Whoever meets others for the first time gets its place among them.
    """
    if len(claims) < 2:
        return ()
    place = places(claims)
    return tuple(
        Advance(claim.account_id, place[claim.account_id], charges.get(claim.account_id, 0.0))
        for claim in sorted(claims, key=lambda claim: claim.account_id)
        if claim.account_id in charges or claim.time is None
    )
