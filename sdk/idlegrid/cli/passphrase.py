"""Asking for passphrases: only of a person at a terminal, and never on the command line."""

import os
import sys
from pathlib import Path

import click
from nacl.signing import SigningKey

from idlegrid.fault import SigningKeyError
from idlegrid.keys import PASSPHRASE_VARIABLE, needs_passphrase, open_key


def unlock(path: Path) -> SigningKey:
    """Open the key at ``path``; asks for its passphrase if it has one."""
    if not needs_passphrase(path):
        return open_key(path)
    _check_terminal(f"the key {path} is protected")
    return open_key(path, click.prompt(f"Passphrase of {path.name}", hide_input=True, err=True))


def new_passphrase(*, none: bool) -> str | None:
    """The passphrase for a new key: of the environment, asked for twice, or ``none``."""
    if none:
        return None
    given = os.environ.get(PASSPHRASE_VARIABLE)
    if given:
        return given
    _check_terminal("a new key wants a passphrase")
    asked: str = click.prompt(
        "Passphrase for the new key", hide_input=True, confirmation_prompt=True, err=True
    )
    return asked


def _check_terminal(what: str) -> None:
    if not sys.stdin.isatty():
        raise SigningKeyError(
            f"{what}, and nobody can be asked here: set {PASSPHRASE_VARIABLE} "
            "(or make the key with --no-passphrase)"
        )
