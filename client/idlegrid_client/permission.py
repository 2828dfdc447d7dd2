"""What the volunteer allows beyond WebAssembly: nothing, until they say so.

Programs of these kinds are walled in by the system and not by our own sandbox. The setting is one
file of this client, for all its projects; a running client notices a change within a minute.
"""

from typing import Literal, get_args

import msgspec

from idlegrid_shared.box.container.trial import container_offer
from idlegrid_shared.box.native.probe import native_offer

from .durable import DamagedError, read_state, write_state
from .layout import DataFolder

Kind = Literal["native", "container"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NAMES: dict[Kind, str] = {"native": "Native programs", "container": "Containers"}


class Permission(msgspec.Struct, frozen=True):
    """The kinds of programs that may be run here besides WebAssembly."""

    native: bool = False
    container: bool = False

    def allows(self, kind: Kind) -> bool:
        """Whether that kind is allowed."""
        return bool(getattr(self, kind))


def load_permission(folder: DataFolder) -> Permission:
    """What is allowed; nothing if the file is damaged, which is the safe side."""
    try:
        return read_state(folder.permission, Permission) or Permission()
    except (DamagedError, OSError):
        return Permission()


def save_permission(folder: DataFolder, kind: Kind, allowed: bool) -> None:
    """Allow a kind or forbid it, durably; raises ``OSError``."""
    folder.make()
    changed = msgspec.structs.replace(load_permission(folder), **{kind: allowed})
    write_state(folder.permission, changed, "permission")


def hindrance(kind: Kind) -> str:
    """Why programs of that kind cannot be run safely on this machine; "" if they can.

    The first call in a process tries it out and takes about a second.
    """
    return native_offer().reason if kind == "native" else container_offer().reason


def offered_profiles(permission: Permission) -> tuple[str, ...]:
    """What this machine offers to servers besides the sandbox's own profiles."""
    found = []
    if permission.native and not hindrance("native"):
        found.append(native_offer().profile)
    if permission.container and not hindrance("container"):
        found.append(container_offer().profile)
    return tuple(found)


def describe_permission(permission: Permission) -> list[str]:
    """A line for each kind, for the terminal."""
    lines = []
    for kind in KINDS:
        if not permission.allows(kind):
            text = f"not allowed (idlegrid-client allow {kind})"
        else:
            why = hindrance(kind)
            text = f"allowed, but not possible here: {why}" if why else "allowed"
        lines.append(f"{NAMES[kind]}: {text}")
    return lines


def allowed_kinds(permission: Permission) -> list[str]:
    """The kinds that are allowed, whether or not this machine can run them."""
    return [kind for kind in KINDS if permission.allows(kind)]
