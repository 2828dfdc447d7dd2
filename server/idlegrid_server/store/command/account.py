"""Commands about accounts and their tokens, and the project's settings."""

from typing import ClassVar, Literal

from .base import Command, Done, Result

Role = Literal["volunteer", "scientist", "moderator", "operator", "admin"]


class CreateAccountResult(Result, frozen=True):
    """created, or exists: the address was taken (``account_id`` says by whom)."""

    status: Literal["created", "exists"]
    account_id: int


class CreateAccount(Command[CreateAccountResult], frozen=True):
    """A person. The address is compared in lower case."""

    answers: ClassVar[type[Result]] = CreateAccountResult
    email: str
    name: str
    role: Role
    password_hash: str | None = None
    actor: str = ""


class SetPassword(Command[Done], frozen=True):
    """Replace an account's password hash."""

    answers: ClassVar[type[Result]] = Done
    account_id: int
    password_hash: str


class SetAccountDisabled(Command[Done], frozen=True):
    """Shut an account out, or let it in again."""

    answers: ClassVar[type[Result]] = Done
    account_id: int
    disabled: bool
    actor: str


class CreateTokenResult(Result, frozen=True):
    """The token's row."""

    token_id: int


class CreateToken(Command[CreateTokenResult], frozen=True):
    """Store the SHA-256 of a token; the token itself is known to its owner alone."""

    answers: ClassVar[type[Result]] = CreateTokenResult
    account_id: int
    hash: bytes
    label: str
    scopes: tuple[str, ...]
    expires_at: int | None = None
    single_use: bool = False


class RevokeToken(Command[Done], frozen=True):
    """End a token of an account now."""

    answers: ClassVar[type[Result]] = Done
    account_id: int
    token_id: int


class UseTokenResult(Result, frozen=True):
    """Whose token it is and what it allows; anything but ok means: not accepted."""

    status: Literal["ok", "unknown", "expired", "revoked", "used", "disabled"]
    account_id: int = 0
    scopes: tuple[str, ...] = ()


class UseToken(Command[UseTokenResult], frozen=True):
    """Spend a single-use token: the second use is refused. (Other tokens are only read.)"""

    answers: ClassVar[type[Result]] = UseTokenResult
    hash: bytes


class SetSetting(Command[Done], frozen=True):
    """Store a project-wide value; ``value`` is JSON."""

    answers: ClassVar[type[Result]] = Done
    name: str
    value: str
