"""Commands about hosts."""

from typing import ClassVar, Literal

from idlegrid_server.domain.model import HostState

from .base import Command, Done, Result
from .exchange import MachineFacts

ENROL_SCOPE = "host:enrol"  # a token with it binds the host to the token's account
HOUSE_SCOPE = "host:house"  # a token with it makes a house host


class EnrolResult(Result, frozen=True):
    """ok (a repeat answers the same), forbidden (banned), bad_token (unknown, used, expired)."""

    status: Literal["ok", "forbidden", "bad_token"]
    host_id: int = 0
    name: str = ""
    house: bool = False
    created: bool = False
    reason: str = ""


class EnrolHost(Command[EnrolResult], frozen=True):
    """Make a device known. ``token`` is the SHA-256 of an API token, if one was given."""

    answers: ClassVar[type[Result]] = EnrolResult
    device: bytes
    machine: MachineFacts
    subnet: str
    token: bytes | None = None


class SetHostState(Command[Done], frozen=True):
    """Bring a host to another state, for a reason that its owner may read."""

    answers: ClassVar[type[Result]] = Done
    host_id: int
    state: HostState
    reason: str
    actor: str


class ReleaseHostsResult(Result, frozen=True):
    """Hosts that get another chance."""

    released: tuple[int, ...] = ()


class ReleaseHosts(Command[ReleaseHostsResult], frozen=True):
    """End the time out of the next ``limit`` hosts whose it is over."""

    answers: ClassVar[type[Result]] = ReleaseHostsResult
    limit: int = 1_000


class RecheckHostResult(Result, frozen=True):
    """``marked`` units wait for a pass; ``more``: call again."""

    marked: int
    more: bool = False


class RecheckHost(Command[RecheckHostResult], frozen=True):
    """Mark the next ``limit`` single results of a host that was caught, to be judged anew."""

    answers: ClassVar[type[Result]] = RecheckHostResult
    bulk: ClassVar[bool] = True
    host_id: int
    limit: int = 1_000


class SetHostLimit(Command[Done], frozen=True):
    """How many tasks a host may have in progress at a time."""

    answers: ClassVar[type[Result]] = Done
    host_id: int
    tasks_max: int


class SetHostHouse(Command[Done], frozen=True):
    """Make a host one of the project's own, or not any more."""

    answers: ClassVar[type[Result]] = Done
    host_id: int
    house: bool
    actor: str


class AssignHostAccount(Command[Done], frozen=True):
    """Say whose host it is (None = nobody's). Tasks already sent keep the account they went to."""

    answers: ClassVar[type[Result]] = Done
    host_id: int
    account_id: int | None
    actor: str
