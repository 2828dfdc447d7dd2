"""Numbers: as text tells them, when two are near, and what a column of them must be."""

import math
import re

from .limits import NUMBER_CHARS_MAX, short
from .rule import FieldRule

Number = int | float

_NUMBER = re.compile(
    r"[+-]?(?:[0-9]+(?P<broken>\.[0-9]*)?|(?P<bare>\.[0-9]+))(?P<exponent>[eEdD][+-]?[0-9]+)?"
)
_SPECIAL = re.compile(r"([+-]?)(nan|inf|infinity)", re.IGNORECASE | re.ASCII)


def read_number(text: str) -> Number | None:
    """The number that ``text`` is, as C, Fortran and Python write it; None if it is none.

    Whole numbers stay exact. Nothing beyond 64 characters is a number.
    """
    if not text or len(text) > NUMBER_CHARS_MAX:
        return None
    match = _NUMBER.fullmatch(text)
    if match is not None:
        if match["broken"] is None and match["bare"] is None and match["exponent"] is None:
            return int(text)
        return float(text.replace("d", "e").replace("D", "e"))
    special = _SPECIAL.fullmatch(text)
    if special is None:
        return None
    value = math.nan if special[2].lower() == "nan" else math.inf
    return -value if special[1] == "-" else value


def near(x: Number, y: Number, rel: float, abs_: float) -> bool:
    """|x - y| <= max(abs, rel * max(|x|, |y|)); NaN is near NaN, an infinity near itself alone.

    Symmetric and reflexive, but not transitive.
    """
    if x == y:
        return True
    if x != x or y != y:
        return x != x and y != y
    if math.isinf(x) or math.isinf(y):
        return False
    return abs(x - y) <= max(abs_, rel * max(abs(x), abs(y)))


class Column:
    """Checks on the numbers of one field, fed one after the other; the first breach is kept."""

    def __init__(self, rule: FieldRule, name: str) -> None:
        self.rule = rule
        self.name = name
        self.breach = ""
        self._last: Number | None = None
        self._sum = 0.0
        self._lost = 0.0  # Neumaier's compensation

    def take(self, value: Number, where: str) -> None:
        """Look at one more number."""
        rule = self.rule
        if rule.finite and not math.isfinite(value):
            self._breach(f"{short(value)} at {where} is not finite")
        if rule.min is not None and not value >= rule.min:
            self._breach(f"{short(value)} at {where} is below {rule.min:g}")
        if rule.max is not None and not value <= rule.max:
            self._breach(f"{short(value)} at {where} is above {rule.max:g}")
        if rule.order:
            if self._last is not None and not _in_order(rule.order, self._last, value):
                words = rule.order.replace("_", " ")
                self._breach(f"{short(value)} at {where} comes after {self._last!r}: not {words}")
            self._last = value
        if rule.sum is not None:
            self._add(float(value))

    def refuse(self, what: str) -> None:
        """Something that is no number stands where one must."""
        self._breach(what)

    def end(self) -> str:
        """No more comes: the first breach, in words, or nothing."""
        rule = self.rule
        if rule.sum is not None and not self.breach:
            total = self._sum + self._lost if math.isfinite(self._sum) else self._sum
            if not abs(total - rule.sum) <= rule.sum_within:
                self._breach(f"the sum {total!r} is not {rule.sum:g} within {rule.sum_within:g}")
        return self.breach

    def _add(self, value: float) -> None:
        total = self._sum + value
        if abs(self._sum) >= abs(value):
            self._lost += (self._sum - total) + value
        else:
            self._lost += (value - total) + self._sum
        self._sum = total

    def _breach(self, text: str) -> None:
        self.breach = self.breach or (f"{self.name}: {text}" if self.name else text)


def _in_order(order: str, before: Number, after: Number) -> bool:
    if order == "rising":
        return before < after
    if order == "not_falling":
        return before <= after
    if order == "falling":
        return before > after
    return before >= after
