"""Continuing on another host what one left: who has a part in a replica, and what to continue.

A task that was given up may have left a checkpoint at the server. A later task of its unit may
continue from there. Then its result carries both hosts (and those before them), and is one
replica: it clashes with every replica that is in the hands of any of them, or a host could confirm
itself through another that goes on from its checkpoint.
"""

from collections.abc import Collection, Sequence

from .matching import LIVE, Distinct, clashes
from .model import Peer, TaskState, Value

#: A task that ended so has left its work; one that failed would only fail again.
LEFT = frozenset({"timed_out", "aborted", "lost"})
CHAIN_MAX = 1_000


class Replica(Value, frozen=True):
    """A task of a unit that has or had a host. ``resumed_from``: the task whose work it goes on."""

    id: int
    state: TaskState
    host_id: int | None
    account_id: int | None
    subnet: str
    resumed_from: int | None = None


class LeftBehind(Value, frozen=True):
    """A checkpoint at the server: of which task, and how far that says it came.

    ``proven``: the host that left it was trusted, or the project's own, and was not caught since.
    """

    task_id: int
    sha256: bytes
    bytes: int
    ops: int
    proven: bool = True


def chain(replica: Replica, by_id: dict[int, Replica]) -> tuple[Replica, ...]:
    """The replica, the one that it continues, and so on to the first."""
    found = [replica]
    while found[-1].resumed_from is not None and len(found) < CHAIN_MAX:
        before = by_id.get(found[-1].resumed_from)
        if before is None or before in found:
            break
        found.append(before)
    return tuple(found)


def peers_of(replicas: Sequence[Replica]) -> list[Peer]:
    """Everyone who has a part in some replica, each with the state of the replica that counts."""
    by_id = {replica.id: replica for replica in replicas}
    return [_hand(hand, replica.state) for replica in replicas for hand in chain(replica, by_id)]


def _hand(replica: Replica, state: TaskState) -> Peer:
    return Peer(state, replica.host_id, replica.account_id, replica.subnet)


def may_still_speak(
    task_id: int, replicas: Sequence[Replica], distinct: Collection[Distinct]
) -> bool:
    """Whether a task that was given up may yet report a success: no live replica of the unit is in
    hands that must not have two, be it that it continues this very task."""
    by_id = {replica.id: replica for replica in replicas}
    others = [peer for peer in peers_of(replicas) if peer.state in LIVE]
    return not any(
        clashes(_hand(hand, "unsent"), others, distinct) for hand in chain(by_id[task_id], by_id)
    )


def choose_checkpoint(
    replicas: Sequence[Replica],
    left: Collection[LeftBehind],
    distinct: Collection[Distinct],
) -> LeftBehind | None:
    """The checkpoint that the unit's next task shall continue from: of those it may, the furthest.

    ``replicas`` are the unit's tasks that have or had a host. Nobody else may be continuing it, and
    none of those who made it may have a part in another live replica. (Whether the next host has is
    not asked here: it would not have been given the unit.)
    """
    by_id = {replica.id: replica for replica in replicas}
    continued = {
        hand.id
        for replica in replicas
        if replica.state in LIVE
        for hand in chain(replica, by_id)[1:]
    }
    others = [peer for peer in peers_of(replicas) if peer.state in LIVE]
    best: LeftBehind | None = None
    for found in left:
        replica = by_id.get(found.task_id)
        if replica is None or replica.state not in LEFT or replica.id in continued:
            continue
        if not found.proven:
            continue  # a stranger's forgery would spoil the honest replica that continues it
        makers = [_hand(hand, "unsent") for hand in chain(replica, by_id)]
        if any(clashes(maker, others, distinct) for maker in makers):
            continue
        if best is None or (found.ops, found.task_id) > (best.ops, best.task_id):
            best = found
    return best
