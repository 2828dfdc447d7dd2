"""A project as its programs see it: folder, settings, keys, and where its server is."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
from nacl.signing import SigningKey

from idlegrid_shared.keyfile import KeyFileError, load_key
from idlegrid_shared.signing import SignatureError, Signed, decode_key, fingerprint

from .config import Config, load_config
from .layout import Layout
from .running import Running, read_running

SECRET_BYTES = 32


class ProjectError(Exception):
    """A project folder that cannot be used as one; the message says what is missing and why."""


@dataclass(frozen=True)
class Project:
    """An existing project. Keys are read when first needed."""

    layout: Layout
    config: Config

    @cached_property
    def online_key(self) -> SigningKey:
        """Signs tasks, receipts and timestamps; raises :class:`ProjectError`."""
        try:
            return load_key(self.layout.online_key)
        except KeyFileError as error:
            raise ProjectError(f"the online key cannot be used: {error}") from error

    @cached_property
    def ids_key(self) -> bytes:
        """The secret of public ids (32 bytes)."""
        return _secret(self.layout.ids_key)

    @cached_property
    def token_key(self) -> bytes:
        """The secret of short-lived file addresses (32 bytes)."""
        return _secret(self.layout.token_key)

    @cached_property
    def root_public(self) -> str:
        """The root key's public half, hex: the identity of the project."""
        path = self.layout.root_public
        try:
            text = path.read_text("ascii").strip()
            decode_key(text)
        except (OSError, ValueError, SignatureError) as error:
            raise ProjectError(f"the public root key {path} cannot be used: {error}") from error
        return text

    @property
    def fingerprint(self) -> str:
        """The root key's fingerprint, as in joining links."""
        return fingerprint(self.root_public)

    def delegations(self) -> Signed:
        """The signed delegations as filed; the database's setting is the truth while serving."""
        path = self.layout.delegations
        try:
            return msgspec.json.decode(path.read_bytes(), type=Signed)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProjectError(f"the delegations {path} cannot be used: {error}") from error

    def running(self) -> Running | None:
        """What the project's server says of itself; None if none was started."""
        return read_running(self.layout)

    @property
    def url(self) -> str:
        """The project's address: as set, else where its server listens, else where it would."""
        if self.config.project.url:
            return self.config.project.url
        running = self.running()
        return running.url if running else local_url(self.config)

    @property
    def queue_prefix(self) -> str:
        """Before the names of RQ's queues, so that projects may share one Valkey."""
        return f"idlegrid-{self.fingerprint[:16]}"


def local_url(config: Config, port: int | None = None, *, tls: bool | None = None) -> str:
    """The address of the bound socket, for people on this machine; as set unless told otherwise."""
    scheme = "https" if (bool(config.web.tls_cert) if tls is None else tls) else "http"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(config.web.bind, config.web.bind)  # noqa: S104 - a name, not a bind
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"{scheme}://{host}:{config.web.port if port is None else port}"


def open_project(folder: Path) -> Project:
    """The project in ``folder``; raises :class:`ProjectError` or ``ConfigError``."""
    layout = Layout(folder.absolute())
    if not layout.settings.is_file():
        raise ProjectError(
            f"{folder} holds no Idlegrid project: make one with `idlegrid-server init {folder}`"
        )
    return Project(layout, load_config(layout.settings))


def _secret(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProjectError(f"the secret {path} cannot be read: {error.strerror}") from error
    if len(data) != SECRET_BYTES:
        raise ProjectError(f"the secret {path} has {len(data)} bytes instead of {SECRET_BYTES}")
    return data


__all__ = ["Project", "ProjectError", "local_url", "open_project"]
