"""Commands about apps and their versions."""

from typing import ClassVar, Literal

from .base import Command, Done, Part, Result


class ModuleIn(Part, frozen=True):
    """A module file of a release."""

    sha256: bytes
    size: int


class AddAppVersionResult(Result, frozen=True):
    """created; existing (the very same release); conflict (another release of that version);
    not_yours (the app belongs to another account); missing_files (see ``missing``)."""

    status: Literal["created", "existing", "conflict", "not_yours", "missing_files"]
    app_id: int = 0
    app_version_id: int = 0
    missing: tuple[bytes, ...] = ()


class AddAppVersion(Command[AddAppVersionResult], frozen=True):
    """Store a verified release; the app is made with its first version and is its maker's.

    The module files must be stored; they become public.
    """

    answers: ClassVar[type[Result]] = AddAppVersionResult
    account_id: int
    app: str
    version: str
    summary: str
    platform: str
    runtime: str
    profile: str
    release: bytes  # JSON of signing.Signed
    release_hash: bytes  # SHA-256 of the signed body
    modules: tuple[ModuleIn, ...]
    any_owner: bool = False  # an admin may add to anybody's app


class DeprecateAppVersion(Command[Done], frozen=True):
    """Take no new batches for a version, or take them again."""

    answers: ClassVar[type[Result]] = Done
    app_version_id: int
    deprecated: bool
    actor: str
