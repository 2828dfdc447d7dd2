"""Commands about what accounts, apps and batches may have of the grid."""

from typing import ClassVar

from .base import Command, Done, Result


class SetShare(Command[Done], frozen=True):
    """An account's weight, and how many tasks of its batches may be out (None: any number)."""

    answers: ClassVar[type[Result]] = Done
    account_id: int
    weight: float
    tasks_max: int | None
    actor: str


class SetAppCap(Command[Done], frozen=True):
    """How many tasks of an app may be out (None: any)."""

    answers: ClassVar[type[Result]] = Done
    app: str
    tasks_max: int | None
    actor: str


class SetUrgency(Command[Done], frozen=True):
    """Batches of a higher urgency go before all others, whoever's they are. 0 = like any other."""

    answers: ClassVar[type[Result]] = Done
    batch_id: int
    urgency: int
    actor: str


class RecountBusy(Command[Done], frozen=True):
    """Count anew what is out under caps. Between two counts only what goes out is added."""

    answers: ClassVar[type[Result]] = Done
