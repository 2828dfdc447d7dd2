"""Axes: from numbers to places, and the round numbers that are written on them."""

import itertools
import math
from collections.abc import Iterable

import msgspec

from .spec import ScaleKind

#: Spans below this share of the numbers themselves are widened: no round number falls into them.
SPAN_SHARE_MIN = 1e-9
SPAN_MIN = 1e-140
#: How much longer an axis may become so that it ends at a round number.
ROUNDING_MAX = 0.04
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
#: Outside of these, powers of ten are easier to read than digits.
PLAIN_MIN, PLAIN_MAX = 1e-4, 1e7


class Scale(msgspec.Struct, frozen=True):
    """An axis from ``low`` to ``high``; a logarithmic one has ``low`` > 0."""

    kind: ScaleKind
    low: float
    high: float

    def place(self, value: float) -> float:
        """Where ``value`` stands: 0 at ``low``, 1 at ``high``."""
        if self.kind == "log":
            low = math.log(self.low)
            return (math.log(value) - low) / (math.log(self.high) - low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int) -> tuple[float, ...]:
        """Round numbers on the axis, growing, at most ``most`` (≥ 3) of them."""
        if self.kind == "log":
            ticks = _log_ticks(self.low, self.high, most)
            if len(ticks) >= 2:
                return ticks
        return _linear_ticks(self.low, self.high, most)


def make_scale(
    kind: ScaleKind, values: Iterable[float], *, margin: float = 0.0, from_zero: bool = False
) -> Scale:
    """The axis that shows all finite ``values``, with ``margin`` (share of the span) above.

    An end close to a round number is moved to it.

    ``from_zero`` lets a linear axis start at zero when the values come near it.
    """
    low, high = math.inf, -math.inf
    for value in values:
        low, high = min(low, value), max(high, value)
    if not low <= high:
        return Scale("linear", 0.0, 1.0) if kind == "linear" else Scale("log", 1.0, 10.0)
    if kind == "log":
        if high / low < 1 + SPAN_SHARE_MIN:
            return Scale("log", low / 2, high * 2)
        return _rounded_ends(Scale("log", low, high * (high / low) ** margin))
    if from_zero and 0 < low <= high / 2:
        low = 0.0
    least = max(SPAN_SHARE_MIN * max(abs(low), abs(high)), SPAN_MIN)
    if high - low < least:
        reach = max(abs(high) / 10, least) if high else 1.0
        low, high = low - reach, high + reach
    extra = margin * (high - low)
    return _rounded_ends(Scale("linear", low - (extra if low < 0 else 0.0), high + extra))


def _rounded_ends(scale: Scale) -> Scale:
    """``scale``, made a little longer where that brings a round number to its end."""
    ticks = scale.ticks(6)
    if len(ticks) < 2:
        return scale
    low, high = scale.low, scale.high
    if scale.kind == "linear":
        step = ticks[1] - ticks[0]
        candidates = (ticks[0] - step, ticks[-1] + step)
    else:
        whole = _log_ticks(low / 10, high * 10, 99)
        candidates = (
            max((tick for tick in whole if tick < low), default=low),
            min((tick for tick in whole if tick > high), default=high),
        )
    if -ROUNDING_MAX <= scale.place(candidates[0]) < 0:
        low = candidates[0]
    if 1 < scale.place(candidates[1]) <= 1 + ROUNDING_MAX:
        high = candidates[1]
    return Scale(scale.kind, low, high)


def _linear_ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for factor in (*_STEPS, 20.0, 25.0, 50.0, 100.0):
        step = power * factor
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            # A product, not a sum of steps: errors do not add up, and zero is zero.
            return tuple(_rounded(count * step, step) for count in range(first, last + 1))
    return (low, high)


def _rounded(value: float, step: float) -> float:
    digits = 2 - math.floor(math.log10(step))
    return (round(value, digits) if digits < 300 else value) + 0.0  # never −0


def _log_ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    first, last = math.floor(math.log10(low) - 1e-9), math.ceil(math.log10(high) + 1e-9)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        if (last - first) * len(factors) > 4 * most:
            continue
        ticks = [float(f"{factor}e{n}") for n in range(first, last + 1) for factor in factors]
        ticks = [t for t in ticks if low * (1 - 1e-9) <= t <= high * (1 + 1e-9)]
        if len(ticks) <= most:
            return tuple(ticks)
    every = 2
    while (last - first) // every + 1 > most:
        every += 1
    powers = [n for n in range(first, last + 1) if n % every == 0]
    ticks = [float(f"1e{n}") for n in powers]
    return tuple(t for t in ticks if low * (1 - 1e-9) <= t <= high * (1 + 1e-9))


def tick_labels(ticks: tuple[float, ...], kind: ScaleKind) -> tuple[str, ...]:
    """How ``ticks`` are written, all in one manner."""
    sizes = [abs(tick) for tick in ticks if tick]
    if not sizes:
        return tuple("0" for _ in ticks)
    if min(sizes) < PLAIN_MIN or max(sizes) >= PLAIN_MAX:
        for digits in range(2, 12):
            labels = tuple(_scientific(tick, digits) for tick in ticks)
            if len(set(labels)) == len(set(ticks)):
                break
        return labels
    if kind == "log":
        return tuple(plain_number(tick) for tick in ticks)
    gaps = [b - a for a, b in itertools.pairwise(ticks)] or sizes
    for digits in range(12):
        if all(abs(round(tick, digits) - tick) < 1e-6 * min(gaps) for tick in ticks):
            break
    return tuple(f"{tick:,.{digits}f}".replace("-", "−") if tick else "0" for tick in ticks)


def plain_number(value: float) -> str:
    """A number for people: four digits, thousands with a comma, powers of ten where it is long."""
    if value and not PLAIN_MIN <= abs(value) < PLAIN_MAX:
        return _scientific(value)
    whole = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return whole.replace("-", "−")


def _scientific(value: float, digits: int = 2) -> str:
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPT)
    if mantissa in ("1", "-1"):
        return mantissa[:-1].replace("-", "−") + power
    return f"{mantissa} · {power}".replace("-", "−")
