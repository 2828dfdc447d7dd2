"""Which units a host gets: from a short list of candidates, nearest to completion first.

`distinct` is the project's policy, a subset of {host, account, subnet}: no two live replicas of a
unit may share what it names (TRUST.md J). Hosts of nobody in one subnet count as one account.
"""

from collections.abc import Collection, Sequence
from typing import Literal

from .host import allowance, is_proven
from .model import Candidate, HostSnapshot, Peer, Value
from .newcomer import is_on_probation
from .reason import REFUSAL

Distinct = Literal["host", "account", "subnet"]

#: Where a unit stands in its stage's queue. Higher ranks go first, to those who may have them.
Rank = Literal[0, 1, 2, 3]
FRESH: Rank = 0  # no task of it was ever sent
BEGUN: Rank = 1  # some task was sent: the next one brings it nearer to its end
RESERVED: Rank = 2  # a retry that only hosts get that have proven themselves
NAMED: Rank = 3  # for the hosts that it names alone

#: A replica in one of these states speaks, or may yet speak, for whoever has it.
LIVE = frozenset({"in_progress", "success"})
#: Beyond that, a host does not get a unit again that failed on it.
TRIED = LIVE | {"error"}
#: Host states that get work.
SERVED = frozenset({"new", "probation", "trusted"})


class RefusalCount(Value, frozen=True):
    """Why work was not given: code, how many units, what stands in the sentence."""

    code: str
    count: int
    detail: str = ""

    @property
    def text(self) -> str:
        """The plain sentence."""
        return REFUSAL[self.code].format(count=self.count, detail=self.detail)


class Choice(Value, frozen=True):
    """The units to send a task of, in order, and why there are not more."""

    units: tuple[int, ...]
    refusals: tuple[RefusalCount, ...] = ()


def room(
    host: HostSnapshot, wanted: int, newcomers: bool = True
) -> tuple[int, RefusalCount | None]:
    """How many tasks the host may get now (its cap in progress), and why not more.

    ``newcomers``: whether hosts on probation may have any (:mod:`.newcomer`).
    """
    if host.state not in SERVED:
        return 0, RefusalCount("quarantined", 0)
    if not newcomers and is_on_probation(host):
        return 0, RefusalCount("newcomers", 0)
    free, new = allowance(host)
    if wanted <= free:
        return wanted, None
    if new:
        return free, RefusalCount("unjudged", host.unjudged, f"{host.in_progress}")
    return free, RefusalCount("cap", 0, f"{host.in_progress} of the {host.tasks_max}")


def _owner(account_id: int | None, subnet: str) -> tuple[str, int | str]:
    return ("account", account_id) if account_id is not None else ("subnet", subnet)


def _shares(one: Peer, other: Peer, distinct: Collection[Distinct]) -> bool:
    """Whether two replicas are in hands that `distinct` keeps apart."""
    if other.host_id == one.host_id:
        return True
    owners = (_owner(one.account_id, one.subnet), _owner(other.account_id, other.subnet))
    if "account" in distinct and owners[0] == owners[1]:
        return True
    return "subnet" in distinct and bool(one.subnet) and other.subnet == one.subnet


def clashes(one: Peer, others: Collection[Peer], distinct: Collection[Distinct]) -> bool:
    """Whether a live replica among ``others`` is in hands that `distinct` keeps apart from ``one``.

    A replica that was given up may be reported late, when its unit has been given to the same
    hands again: one of the two must not count, or a host would confirm itself.
    """
    return any(other.state in LIVE and _shares(one, other, distinct) for other in others)


def is_barred(
    host: HostSnapshot,
    peers: Collection[Peer],
    distinct: Collection[Distinct],
    *,
    again: bool = False,
) -> bool:
    """Whether some peer of the unit keeps the host from getting a task of it.

    ``again``: that it failed there before is no reason, since few hosts or none besides may try.
    """
    if not again and any(peer.state in TRIED and peer.host_id == host.id for peer in peers):
        return True
    return clashes(Peer("unsent", host.id, host.account_id, host.subnet), peers, distinct)


def is_foreign(candidate: Candidate, host_class: str) -> bool:
    """Whether the unit is bound to hosts of another class than ``host_class``.

    A binding holds while a replica of that class speaks or may yet speak; after that, any class may
    begin anew.
    """
    if not candidate.bound_to or candidate.bound_to == host_class:
        return False
    return any(peer.state in LIVE for peer in candidate.peers)


def choose(
    host: HostSnapshot,
    candidates: Sequence[Candidate],
    wanted: int,
    distinct: Collection[Distinct],
    host_class: str = "",
    *,
    again: bool = False,
) -> Choice:
    """At most ``wanted`` units of ``candidates``, each once; ``wanted`` is what :func:`room` left.

    The order of the candidates is kept within a rank, and higher ranks go first: nearest to
    completion; of those that whose files the host has. What is reserved goes to nobody who is not
    proven. ``host_class`` is what of the host must be equal for all replicas of a unit; "" if
    nothing must. ``again``: see :func:`is_barred`.
    """
    chosen: list[int] = []
    barred = foreign = reserved = 0
    proven = is_proven(host)
    for candidate in sorted(candidates, key=lambda one: (-one.rank, one.absent)):
        if len(chosen) >= wanted:
            break
        if candidate.unit_id in chosen:
            continue
        if candidate.rank == RESERVED and not proven:
            reserved += 1
        elif is_foreign(candidate, host_class):
            foreign += 1
        elif is_barred(host, candidate.peers, distinct, again=again):
            barred += 1
        else:
            chosen.append(candidate.unit_id)
    if len(chosen) >= wanted:
        return Choice(tuple(chosen))
    counts = (("partner", barred), ("kind", foreign), ("reserved", reserved))
    return Choice(tuple(chosen), tuple(RefusalCount(code, n) for code, n in counts if n))
