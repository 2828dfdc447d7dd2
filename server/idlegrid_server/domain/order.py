"""Which stages an exchange looks into, in which order.

An admin's urgent batches come before all; then the account whose virtual time is lowest; then, of
its stages, the one of the highest priority; then that whose files the host has; then that whose
work suits its speed; then the oldest. Only so many are looked into; the last of them are others
from exchange to exchange, so that a host finds work behind stages whose tasks it may not have.
"""

import math
from collections.abc import Mapping, Sequence

from .estimate import Spread
from .model import Value

TRIED = 4  # stages that an exchange looks into
SIZES_APART = 4.0  # ops of two stages that differ by less are of one size
SPEED_APART = 1.25  # a host that differs from the fleet by less is neither fast nor slow


class Stage(Value, frozen=True):
    """A stage that has tasks to send to the host that asks."""

    stage_id: int
    account_id: int
    urgency: int = 0  # set by an admin
    priority: int = 0  # set by its scientist, among their own
    ops: Spread | None = None
    absent: int = 0  # large files of it that the host would have to fetch


def pace(own: Spread | None, fleet: Spread | None) -> int:
    """1 for a host that is faster than most, -1 for a slower one, 0 for one like the others."""
    if own is None or fleet is None:
        return 0
    apart = own.mean - fleet.mean
    if abs(apart) < math.log(SPEED_APART):
        return 0
    return 1 if apart > 0 else -1


def _size(ops: Spread | None) -> int:
    return 0 if ops is None else round(ops.mean / math.log(SIZES_APART))


def order(
    stages: Sequence[Stage],
    places: Mapping[int, float],
    paces: Mapping[int, int],
    draw: int,
) -> list[int]:
    """The ids of the stages to look into.

    ``places`` are virtual times by account, ``paces`` the host's by stage (:func:`pace`). ``draw``
    differs from exchange to exchange.
    """

    def key(stage: Stage) -> tuple[float, ...]:
        size = _size(stage.ops) * paces.get(stage.stage_id, 0)  # long ones to fast hosts
        place = places.get(stage.account_id, 0.0)
        return (
            *(-stage.urgency, place, stage.account_id),
            *(-stage.priority, stage.absent, -size, stage.stage_id),
        )

    ids = [stage.stage_id for stage in sorted(stages, key=key)]
    if len(ids) <= TRIED:
        return ids
    first, rest = ids[: TRIED // 2], ids[TRIED // 2 :]
    start = draw % len(rest)
    return [*first, *(rest[start:] + rest[:start])[: TRIED - len(first)]]
