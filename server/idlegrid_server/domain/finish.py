"""The end of a stage: single results that nothing would make final any more (rule 9 of trust)."""

from collections.abc import Collection, Iterable

from .model import Value
from .trust import units_to_audit


class HeldUnit(Value, frozen=True):
    """A provisional unit that nobody checks yet."""

    unit_id: int
    host_id: int
    final_at: int
    checks: int  # that its host has passed


def audits_at_end(held: Iterable[HeldUnit], under_check: Collection[int]) -> list[int]:
    """The units to check now, of a stage that has nothing fresh to send any more.

    The newest of each host, so many that the others come nearer to being final. A host with units
    that are being checked already (``under_check``) is waited for: its checks may be enough.
    """
    by_host: dict[int, list[HeldUnit]] = {}
    for unit in held:
        if unit.host_id not in under_check:
            by_host.setdefault(unit.host_id, []).append(unit)
    chosen: list[int] = []
    for _, units in sorted(by_host.items()):
        units.sort(key=lambda unit: (unit.final_at, unit.unit_id))
        count = units_to_audit([unit.final_at for unit in units], units[0].checks)
        chosen += [unit.unit_id for unit in units[len(units) - count :]]
    return chosen
