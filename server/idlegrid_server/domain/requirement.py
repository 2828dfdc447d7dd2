"""Whether a host is one that a stage's tasks may go to, and if not, why."""

from collections.abc import Collection

from .model import Value

EVERYBODY = ""  # audiences: whose hosts a stage's tasks are for
HOUSE = "house"
NAMED_HOSTS = "hosts"  # those that stand in a list of the stage's own


class Requirement(Value, frozen=True):
    """What a stage asks for."""

    profile: str  # kind.queue_key
    memory_bytes: int
    cores: int = 1
    disk_bytes: int = 0
    features: tuple[str, ...] = ()
    audience: str = EVERYBODY


class Offer(Value, frozen=True):
    """What a host offers, and which audiences it belongs to."""

    profiles: tuple[str, ...]  # kind.queue_keys
    memory_bytes: int
    cores: int
    disk_bytes: int
    features: frozenset[str]
    audiences: tuple[str, ...]


def own_audience(account_id: int) -> str:
    """The audience of the hosts of one account."""
    return f"account:{account_id}"


def audiences_of(account_id: int | None, house: bool) -> tuple[str, ...]:
    """The audiences that a host belongs to, besides lists that name it."""
    found = [EVERYBODY]
    if house:
        found.append(HOUSE)
    if account_id is not None:
        found.append(own_audience(account_id))
    return tuple(found)


def unmet(requirement: Requirement, offer: Offer) -> str | None:
    """The code of the first thing that the host lacks; None if it lacks nothing."""
    if requirement.audience not in offer.audiences:
        return "named"
    if requirement.profile not in offer.profiles:
        return "profile"
    if requirement.memory_bytes > offer.memory_bytes:
        return "memory"
    if requirement.cores > offer.cores:
        return "cores"
    if requirement.disk_bytes > offer.disk_bytes:
        return "disk"
    if lacking(requirement.features, offer.features):
        return "feature"
    return None


def lacking(wanted: Collection[str], there: Collection[str]) -> tuple[str, ...]:
    """The features that are wanted and not there."""
    return tuple(sorted(set(wanted) - set(there)))
