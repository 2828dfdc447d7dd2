"""Text that comes out of a sandbox, made fit to be shown.

Names of functions and what a program prints are the program's own: they may hold control characters
that would move a terminal's cursor, or marks that turn the order of letters around.
"""

import re

MESSAGE_CHARACTERS_MAX = 400

_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SUBSTITUTE = "\N{REPLACEMENT CHARACTER}"


def one_line(text: str) -> str:
    """``text`` as one line of at most :data:`MESSAGE_CHARACTERS_MAX` characters."""
    line = _UNFIT.sub(_SUBSTITUTE, " ".join(text.split()))
    if len(line) > MESSAGE_CHARACTERS_MAX:
        return line[: MESSAGE_CHARACTERS_MAX - 1] + "…"
    return line


def lines(text: str) -> str:
    """``text`` with its lines and tabs, and nothing else that is no letter or sign."""
    return _UNFIT.sub(_SUBSTITUTE, text.replace("\r\n", "\n").replace("\r", "\n"))
