"""Templates such as ``--from={start}``: text with columns of a table in braces."""

import re
from collections.abc import Mapping

# Doubled braces stand for themselves; a single one that is left over is a mistake.
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")


class TemplateError(ValueError):
    """A template that cannot be filled; the message says why."""


class Template:
    """One template, parsed once; raises :class:`TemplateError` for a brace without its partner."""

    def __init__(self, text: str) -> None:
        self.text = text
        #: (is it a column, its name or the literal text)
        self._pieces: list[tuple[bool, str]] = []
        for match in _PIECE.finditer(text):
            whole, column = match[0], match[1]
            if column is not None:
                self._pieces.append((True, column))
            elif whole in ("{", "}"):
                raise TemplateError(
                    f"{text!r} has a {whole} without its partner; write {whole * 2} for a plain one"
                )
            else:
                self._pieces.append((False, whole[0] if whole in ("{{", "}}") else whole))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it needs."""
        return tuple(text for is_column, text in self._pieces if is_column)

    def fill(self, row: Mapping[str, str]) -> str:
        """The text for one row; raises ``KeyError`` with the column that the row has not."""
        return "".join(row[text] if is_column else text for is_column, text in self._pieces)
