"""Which project is used and with which token: from the environment, or from ``idlegrid login``."""

import os
from pathlib import Path

import msgspec

from idlegrid_shared.keyfile import write_private

from .api import check_url
from .fault import InputError
from .place import config_folder

FILE_NAME = "credentials.json"
URL_VARIABLE = "IDLEGRID_URL"
TOKEN_VARIABLE = "IDLEGRID_TOKEN"  # noqa: S105 (a name)


class Credentials(msgspec.Struct, frozen=True):
    """The projects that were signed in to; ``current`` is the last one."""

    current: str = ""
    tokens: dict[str, str] = {}


def credentials_path() -> Path:
    """The file, readable by its owner alone."""
    return config_folder() / FILE_NAME


def load_credentials() -> Credentials:
    """What is stored; nothing if there is no file. Raises :class:`InputError` if it is damaged."""
    path = credentials_path()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Credentials)
    except FileNotFoundError:
        return Credentials()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read: delete it and run `idlegrid login` again"
        ) from error


def save_credentials(url: str, token: str) -> Path:
    """Remember ``token`` for the project at ``url`` and make it the current one."""
    known = load_credentials()
    path = credentials_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    tokens = {**known.tokens, url: token}
    data = msgspec.json.encode(Credentials(current=url, tokens=tokens))
    write_private(path, data, replace=True)
    return path


def resolve(url: str | None = None, token: str | None = None) -> tuple[str, str]:
    """The address and token to use: given, else of the environment, else of the last login.

    Raises :class:`InputError` if one is missing.
    """
    known = load_credentials()
    chosen = url or os.environ.get(URL_VARIABLE) or known.current
    if not chosen:
        raise InputError(
            "which project? run `idlegrid login URL --token TOKEN`, "
            f"or set {URL_VARIABLE} and {TOKEN_VARIABLE}"
        )
    chosen = check_url(chosen)
    secret = token or os.environ.get(TOKEN_VARIABLE) or known.tokens.get(chosen)
    if not secret:
        raise InputError(f"not signed in to {chosen}: run `idlegrid login {chosen} --token TOKEN`")
    return chosen, secret
