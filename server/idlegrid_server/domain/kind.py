"""Kinds of machines: which hosts offer what a stage needs, and which are alike.

Native programs and containers have one release for each platform, and may round otherwise from one
processor to another. So an app may ask that all replicas of a unit go to hosts that are alike; then
the first host that gets the unit binds it to its class.
"""

from collections.abc import Iterable
from itertools import combinations

from idlegrid_shared.documents import WALLED_BY_SYSTEM, WALLED_PLATFORMS, Homogeneous
from idlegrid_shared.wire import Machine

_SET = "+"  # joins the profiles of a stage that runs on several platforms
_UNKNOWN = "unknown"  # a host that has not told since the server asks for it
_LEVELS: dict[Homogeneous, int] = {"": 0, "system": 2, "cpu": 3}


def queue_key(profiles: Iterable[str]) -> str:
    """What a stage is looked up by that runs for hosts with any one of these profiles."""
    return _SET.join(sorted(set(profiles)))


def queue_keys(profiles: Iterable[str]) -> list[str]:
    """The keys of all stages that a host with these profiles can serve.

    Platforms are few, so all sets of them that hold the host's own can be named.
    """
    keys = list(dict.fromkeys(profiles))
    for runtime in sorted(WALLED_BY_SYSTEM):
        known = [f"{runtime}-{platform}" for platform in WALLED_PLATFORMS]
        for own in (profile for profile in known if profile in keys):
            others = [profile for profile in known if profile != own]
            sets = (more for n in range(1, len(others) + 1) for more in combinations(others, n))
            for more in sets:
                key = queue_key((own, *more))
                if key not in keys:
                    keys.append(key)
    return keys


def machine_kind(machine: Machine) -> str:
    """System, processor type, and vendor and family of the processor: ``linux/x86_64/Intel 6``.

    A part that the machine does not tell is empty.
    """
    system = machine.os.split(" ")[0].lower()
    parts = (system, machine.arch.lower(), machine.cpu_kind)
    return "/".join(part.replace("/", " ") for part in parts)


def class_of(kind: str, rule: Homogeneous) -> str:
    """What of a machine's kind must be equal under the app's rule; "" if nothing must."""
    return "/".join((kind or _UNKNOWN).split("/")[: _LEVELS[rule]])


def is_of_class(kind: str, wanted: str) -> bool:
    """Whether a machine of this kind is of a class that :func:`class_of` told."""
    return not wanted or f"{kind or _UNKNOWN}/".startswith(f"{wanted}/")
