"""The settings of a project: ``DIR/idlegrid.toml``, one versioned structure.

Each setting states its meaning, unit and bounds here and nowhere else; ``docs/settings.md`` and the
comments in a new file are made from these statements. A file of an older version is brought up by
:data:`MIGRATIONS` when it is read; it is never rewritten behind the admin's back.
"""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

VERSION = 1
FILE_BYTES_MAX = 1024 * 1024

Distinct = Literal["host", "account", "subnet"]


class ConfigError(ValueError):
    """A settings file that cannot be used; the message names the file, the setting, the remedy."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the parts of the settings."""


class ProjectSettings(Section, frozen=True):
    """What the project is called and where the world finds it."""

    name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=80,
            pattern=r"^[^\x00-\x1f\x7f]+$",
            description="The project's name, as volunteers read it.",
        ),
    ] = "Idlegrid project"
    url: Annotated[
        str,
        Meta(
            max_length=300,
            pattern=r"^(https?://[^\s/?#]+)?$",
            description="The address that hosts and browsers use, without a path. "
            "Empty: http (or https) at the bound address and port. "
            "Beyond loopback clients insist on https.",
        ),
    ] = ""


class WebSettings(Section, frozen=True):
    """The web server."""

    bind: Annotated[
        str,
        Meta(max_length=200, description="IP address to listen on; 0.0.0.0 or :: for all."),
    ] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    ] = 8080
    processes: Annotated[
        int, Meta(ge=1, le=64, description="Web processes; about one for each core.")
    ] = 2
    threads: Annotated[
        int, Meta(ge=1, le=256, description="Threads in each web process: requests at a time.")
    ] = 8
    tls_cert: Annotated[
        str,
        Meta(max_length=1000, description="Certificate chain (PEM file). Empty: no TLS here."),
    ] = ""
    tls_key: Annotated[
        str, Meta(max_length=1000, description="Private key of the certificate (PEM file).")
    ] = ""
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="IP addresses or networks of reverse proxies whose X-Forwarded-For and "
            "X-Forwarded-Proto headers are believed. From anyone else they are ignored."
        ),
    ] = ()


class DatabaseSettings(Section, frozen=True):
    """Where the truth is kept."""

    url: Annotated[
        str,
        Meta(
            max_length=1000,
            pattern=r"^(postgres(ql)?://.+)?$",
            description="postgresql://… of a PostgreSQL 15 or newer. "
            "Empty: an SQLite database in the project's folder.",
        ),
    ] = ""


class ValkeySettings(Section, frozen=True):
    """The carrier of wake-ups; nothing is lost when it is."""

    url: Annotated[
        str,
        Meta(
            max_length=1000,
            pattern=r"^((redis|rediss|unix|valkey|valkeys)://.+)?$",
            description="redis://… of a Valkey or Redis. Empty: the server starts its own.",
        ),
    ] = ""


class DispatchSettings(Section, frozen=True):
    """How work is given out."""

    distinct: Annotated[
        tuple[Distinct, ...],
        Meta(
            description="What two copies of one work unit must never share. Without `account` and "
            "`subnet` one person with two machines can agree with himself."
        ),
    ] = ("host", "account", "subnet")
    next_contact_min_s: Annotated[
        float,
        Meta(ge=0.1, le=86_400, description="Seconds until a busy host should call again."),
    ] = 10.0
    next_contact_idle_s: Annotated[
        float,
        Meta(ge=0.1, le=86_400, description="Seconds until a host without work should call again."),
    ] = 60.0
    newcomers_share: Annotated[
        float,
        Meta(
            ge=0.01,
            le=1,
            description="Share of the results confirmed in two days that may come from hosts which "
            "are not proven yet; the first thousand are free. 1: as many as come.",
        ),
    ] = 0.5
    canary_from: Annotated[
        int,
        Meta(
            ge=2,
            le=10_000_000,
            description="Work units from which on a batch sends a few canaries first, and the rest "
            "when those came back well. Smaller batches go out at once.",
        ),
    ] = 50


class LimitSettings(Section, frozen=True):
    """How much of anything is accepted."""

    body_bytes: Annotated[
        int,
        Meta(ge=65_536, le=2**30, description="Bytes in the body of one request, unpacked."),
    ] = 16 * 1024 * 1024
    upload_bytes: Annotated[
        int, Meta(ge=65_536, le=2**44, description="Bytes in one uploaded file.")
    ] = 4 * 1024**3
    checkpoint_bytes: Annotated[
        int,
        Meta(
            ge=65_536,
            le=2**36,
            description="Bytes in the checkpoint that a host leaves of an unfinished task.",
        ),
    ] = 256 * 1024**2
    batch_units: Annotated[
        int, Meta(ge=1, le=5_000_000, description="Work units in one batch.")
    ] = 5_000_000
    upload_life_s: Annotated[
        int,
        Meta(ge=60, le=366 * 86_400, description="Seconds until an unfinished upload is dropped."),
    ] = 7 * 86_400
    disk_low_water_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=2**50,
            description="Free bytes on the disk below which no new work is given out; "
            "results are still accepted.",
        ),
    ] = 1024**3


class PassSettings(Section, frozen=True):
    """The work behind the scenes."""

    sweep_s: Annotated[
        float,
        Meta(
            ge=0.05,
            le=3600,
            description="Seconds between two sweeps, which find deadlines, lost wake-ups and "
            "expired leases.",
        ),
    ] = 2.0
    lease_s: Annotated[
        float,
        Meta(
            ge=1,
            le=86_400,
            description="Seconds after which a server job whose worker fell silent is given anew.",
        ),
    ] = 60.0


class Config(Section, frozen=True):
    """All settings of a project."""

    version: Annotated[
        int, Meta(ge=1, description="Version of this file's structure; leave it as it is.")
    ] = VERSION
    project: ProjectSettings = ProjectSettings()
    web: WebSettings = WebSettings()
    database: DatabaseSettings = DatabaseSettings()
    valkey: ValkeySettings = ValkeySettings()
    dispatch: DispatchSettings = DispatchSettings()
    limits: LimitSettings = LimitSettings()
    passes: PassSettings = PassSettings()


# version → what brings a structure of that version to the next one
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


def migrate(
    data: dict[str, Any],
    migrations: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] | None = None,
    newest: int = VERSION,
) -> dict[str, Any]:
    """Bring ``data`` up to the ``newest`` version, step by step; raises :class:`ConfigError`."""
    steps = MIGRATIONS if migrations is None else migrations
    version = data.get("version", newest)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ConfigError(f"version = {version!r} is not a version number")
    if version > newest:
        raise ConfigError(
            f"the file has version {version}, this server knows up to {newest}: "
            "update the server, or take the settings file that belongs to it"
        )
    while version < newest:
        data = {**steps[version](dict(data)), "version": version + 1}
        version += 1
    return data


def load_config(path: Path) -> Config:
    """Read and check ``path``; raises :class:`ConfigError` in plain words."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {path}: {error.strerror}") from error
    if len(raw) > FILE_BYTES_MAX:
        raise ConfigError(f"{path} is too long to be a settings file")
    try:
        return parse_config(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def parse_config(text: str) -> Config:
    """Check settings given as TOML; raises :class:`ConfigError`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not valid TOML: {error}") from error
    data = migrate(data)
    _refuse_unknown(data)
    try:
        config = msgspec.convert(data, Config)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$.")
        raise ConfigError(f"{where.rstrip('`') or 'settings'}: {reason}") from error
    if bool(config.web.tls_cert) != bool(config.web.tls_key):
        raise ConfigError("web.tls_cert and web.tls_key belong together: give both or neither")
    if "host" not in config.dispatch.distinct:
        raise ConfigError("dispatch.distinct must contain 'host': a host cannot check itself")
    return config


def _refuse_unknown(data: dict[str, Any]) -> None:
    sections = {f.name: f.type for f in msgspec.structs.fields(Config) if f.name != "version"}
    for name, value in data.items():
        if name == "version":
            continue
        if name not in sections:
            raise ConfigError(f"unknown setting {name!r}; known are: {', '.join(sections)}")
        if not isinstance(value, dict):
            raise ConfigError(f"{name} is a section: write [{name}] and its settings below it")
        known = [f.name for f in msgspec.structs.fields(sections[name])]
        for key in value:
            if key not in known:
                raise ConfigError(f"unknown setting {name}.{key}; known are: {', '.join(known)}")
