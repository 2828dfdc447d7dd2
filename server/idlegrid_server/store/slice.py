"""Bulk commands in slices that are short enough to share the writer with exchanges."""

from collections.abc import Iterator
from typing import Any

import msgspec

from .command import ApplyUnitPlans, ApplyUnitPlansResult, Command, InsertUnits, Result

SLICE_S = 0.020
ROWS_FIRST = 200  # until the speed of this machine is known
ROWS_MIN = 20


class Pace:
    """How many rows of a kind of command fit into a slice, learned as they are written."""

    def __init__(self) -> None:
        self._rows: dict[type, float] = {}

    def rows(self, command: Command[Any]) -> int:
        """Rows for the next slice of such a command."""
        return int(self._rows.get(type(command), ROWS_FIRST))

    def learn(self, command: Command[Any], rows: int, seconds: float) -> None:
        """A slice of ``rows`` rows took ``seconds``."""
        if rows >= ROWS_MIN:
            fits = max(ROWS_MIN, rows * SLICE_S / max(seconds, 1e-6))
            old = self._rows.get(type(command), fits)
            self._rows[type(command)] = min(0.7 * old + 0.3 * fits, 2 * old)


class Bulk:
    """A bulk command under way: its next slice, and the answer to the whole at the end."""

    def __init__(self, command: Command[Any]) -> None:
        self.command = command
        self.done = 0
        self._answers: list[Result] = []

    @property
    def finished(self) -> bool:
        """Whether nothing of it is left."""
        return bool(self._answers) and (self.done >= self._total() or self._cut_short())

    def _total(self) -> int:
        if isinstance(self.command, InsertUnits):
            return len(self.command.units)
        if isinstance(self.command, ApplyUnitPlans):
            return len(self.command.plans)
        return 1

    def _cut_short(self) -> bool:
        last = self._answers[-1]
        return isinstance(self.command, InsertUnits) and getattr(last, "status", "ok") != "ok"

    def next(self, rows: int) -> tuple[Command[Any], int]:
        """The next slice as a command of its own, and how many rows it has."""
        command, end = self.command, min(self._total(), self.done + rows)
        if isinstance(command, InsertUnits):
            part = msgspec.structs.replace(
                command,
                offset=command.offset + self.done,
                units=command.units[self.done : end],
            )
            return part, end - self.done
        if isinstance(command, ApplyUnitPlans):
            plans = command.plans[self.done : end]
            return msgspec.structs.replace(command, plans=plans), end - self.done
        return command, 1

    def took(self, rows: int, answer: Result) -> None:
        """A slice is done."""
        self.done += rows
        self._answers.append(answer)

    def answer(self) -> Result:
        """The answer to the whole command."""
        if isinstance(self.command, ApplyUnitPlans):
            return _merged(self._plan_answers())
        return self._answers[-1]

    def _plan_answers(self) -> Iterator[ApplyUnitPlansResult]:
        for answer in self._answers:
            if isinstance(answer, ApplyUnitPlansResult):
                yield answer


def _merged(answers: Iterator[ApplyUnitPlansResult]) -> ApplyUnitPlansResult:
    void: list[int] = []
    applied, made_due, dispatchable = 0, False, False
    for answer in answers:
        applied += answer.applied
        void += answer.void
        made_due |= answer.made_due
        dispatchable |= answer.dispatchable
    return ApplyUnitPlansResult(applied, tuple(void), made_due, dispatchable)
