"""Text on a plot: cleaned, cut to length, and labels filled in from an answer's members.

An answer is written by strangers' programs, so a label is no format string: it knows ``{name}``,
``{name:.2f}``, ``{name:.3g}`` and ``{name:.1e}``, and looks up nothing but members of one entry.
"""

import math
import re
import unicodedata
from collections.abc import Mapping

from .fault import PlotError
from .limits import TEXT_CHARS_MAX, VALUE_CHARS_MAX

MARKS_IN_ROW_MAX = 2  # combining marks on one letter; more run over their neighbours
FIXED_MAX = 1e15  # above it, digits after the point mean nothing and the number fills the plot

_FIELD = re.compile(r"\{([^{}]*)\}")
_INNER = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,63})(?::(\.[0-9]{1,2}[fge]))?")
_DROPPED = {"Cc", "Cf", "Cs", "Co", "Cn"}
_SPACES = {"Zs", "Zl", "Zp"}


def clean(text: str, chars_max: int = TEXT_CHARS_MAX) -> str:
    """``text`` as one line without control, direction and unassigned characters, cut to length."""
    kept: list[str] = []
    marks = 0
    # Cut early: a long text is not worth normalising. Normal forms shrink it at most threefold.
    for char in unicodedata.normalize("NFC", text[: chars_max * 4]):
        kind = unicodedata.category(char)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if kind in _SPACES or char in "\t\n\r":
            kept.append(" ")
        elif kind not in _DROPPED and marks <= MARKS_IN_ROW_MAX:
            kept.append(char)
    line = " ".join("".join(kept).split())
    return line if len(line) <= chars_max else line[: chars_max - 1].rstrip() + "…"


def check_template(template: str) -> None:
    """Raise :class:`PlotError` unless ``template`` is a label that :func:`fill` understands."""
    rest = _FIELD.sub("", template)
    if "{" in rest or "}" in rest:
        raise PlotError(f"the label {template!r} has a brace without its partner")
    for field in _FIELD.findall(template):
        if _INNER.fullmatch(field) is None:
            raise PlotError(
                f"the label {template!r} cannot show {{{field}}}; possible are "
                "{name}, {name:.2f}, {name:.3g} and {name:.1e}"
            )


def fill(template: str, entry: Mapping[str, object]) -> str:
    """The label of one entry of an answer; raises :class:`PlotError` for what cannot be shown."""
    check_template(template)

    def value(field: re.Match[str]) -> str:
        inner = _INNER.fullmatch(field[1])
        if inner is None:  # checked above
            raise PlotError(f"the label {template!r} cannot show {field[0]}")
        name, form = inner[1], inner[2]
        if name not in entry:
            raise PlotError(f"there is no {name!r} for the label {template!r}")
        return _show(name, entry[name], form)

    return clean(_FIELD.sub(value, template))


def _show(name: str, value: object, form: str | None) -> str:
    if isinstance(value, str) and form is None:
        return clean(value, VALUE_CHARS_MAX)
    number = finite_number(value)
    if number is None:
        wanted = "a number" if form else "a number or a text"
        raise PlotError(f"{name!r} is not {wanted} that a label can show")
    if form is None:
        return str(value) if isinstance(value, int) and abs(number) < FIXED_MAX else f"{number:.6g}"
    if form.endswith("f") and abs(number) >= FIXED_MAX:
        form = ".6g"
    return format(number, form).replace("-", "−")


def finite_number(value: object) -> float | None:
    """``value`` as a float if it is a finite number; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
