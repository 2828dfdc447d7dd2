"""How wide text is, as far as it matters for room on a drawing; and lines of limited width.

The reader's font is not known, so this is an estimate on the wide side, the same on every machine.
"""

import unicodedata

_NARROW = frozenset("iljI.,:;'|!`·")
_SLIM = frozenset('ft()r-[]/ "*°')
_BROAD = frozenset("mwMW%@—…")
BOLD_FACTOR = 1.06


def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of ``text`` at font size ``size``, in the same unit."""
    return sum(map(_advance, text)) * size * (BOLD_FACTOR if bold else 1.0)


def _advance(char: str) -> float:
    if char in _NARROW:
        return 0.28
    if char in _SLIM:
        return 0.36
    if char in _BROAD:
        return 0.88
    if unicodedata.combining(char):
        return 0.0
    if unicodedata.east_asian_width(char) in "WF":
        return 1.0
    if char.isdigit():
        return 0.6
    return 0.68 if char.isupper() else 0.56


def shorten(text: str, size: float, width: float, bold: bool = False) -> str:
    """``text``, cut with an ellipsis if it is wider than ``width``."""
    if text_width(text, size, bold) <= width:
        return text
    while text and text_width(text + "…", size, bold) > width:
        text = text[:-1].rstrip()
    return text + "…" if text else ""


def wrap(text: str, size: float, width: float, lines: int, bold: bool = False) -> list[str]:
    """``text`` in at most ``lines`` lines of ``width``; the last is cut if it must be."""
    found: list[str] = []
    words = text.split()
    while words:
        if len(found) == lines - 1:
            found.append(shorten(" ".join(words), size, width, bold))
            break
        count = 1
        while count < len(words) and text_width(" ".join(words[: count + 1]), size, bold) <= width:
            count += 1
        found.append(shorten(" ".join(words[:count]), size, width, bold))
        words = words[count:]
    return found
