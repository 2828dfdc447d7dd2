"""The end of a stage: single results that nothing would make final any more (rule 9 of trust)."""

from collections.abc import Iterable, Mapping

from .model import Value
from .trust import units_to_audit


class HeldUnit(Value, frozen=True):
    """A provisional unit that nobody checks yet."""

    unit_id: int
    host_id: int
    final_at: int
    checks: int  # that its host has passed


def audits_at_end(held: Iterable[HeldUnit], under_check: Mapping[int, int]) -> list[int]:
    """The units to check now, of a stage that has nothing fresh to send any more.

    The newest of each host, as many as make the others final. ``under_check`` counts the units of
    each host that are being checked already: those checks are as good as passed here, since one
    that fails opens them all again.
    """
    by_host: dict[int, list[HeldUnit]] = {}
    for unit in held:
        by_host.setdefault(unit.host_id, []).append(unit)
    chosen: list[int] = []
    for host_id, units in sorted(by_host.items()):
        units.sort(key=lambda unit: (unit.final_at, unit.unit_id))
        checks = units[0].checks + under_check.get(host_id, 0)
        count = units_to_audit([unit.final_at for unit in units], checks)
        chosen += [unit.unit_id for unit in units[len(units) - count :]]
    return chosen
