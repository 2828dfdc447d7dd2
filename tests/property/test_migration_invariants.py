"""However tasks come, go and are continued: one pair of hands, one live voice."""

from hypothesis import given, settings
from hypothesis import strategies as st

from idlegrid_server.domain.matching import LIVE, clashes
from idlegrid_server.domain.migration import (
    LeftBehind,
    Replica,
    chain,
    choose_checkpoint,
    may_still_speak,
    peers_of,
)
from idlegrid_server.domain.model import Peer

ALL = ("host", "account", "subnet")
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["give", "time_out", "abort", "succeed", "fail", "checkpoint"]),
        st.integers(0, 5),
    ),
    max_size=40,
)


class Unit:
    """One unit on six hosts; two and two share an account."""

    def __init__(self) -> None:
        self.replicas: dict[int, Replica] = {}
        self.left: dict[int, LeftBehind] = {}
        self.ops = 0

    def hand(self, host: int) -> Peer:
        return Peer("unsent", host, host // 2, f"s{host}")

    def give(self, host: int) -> None:
        """As dispatch does: matching first, then the checkpoint."""
        known = list(self.replicas.values())
        if clashes(self.hand(host), peers_of(known), ALL):
            return
        best = choose_checkpoint(known, self.left.values(), ALL)
        task = len(self.replicas) + 1
        source = best.task_id if best else None
        self.replicas[task] = Replica(task, "in_progress", host, host // 2, f"s{host}", source)

    def mine(self, host: int, *states: str) -> Replica | None:
        found = [r for r in self.replicas.values() if r.host_id == host and r.state in states]
        return found[-1] if found else None

    def move(self, what: str, host: int) -> None:
        if what == "give":
            self.give(host)
            return
        task = self.mine(host, "in_progress")
        if what == "succeed" and task is None:
            late = self.mine(host, "timed_out")
            if late and may_still_speak(late.id, list(self.replicas.values()), ALL):
                task = late
        if task is None:
            return
        if what == "checkpoint":
            self.ops += 1
            self.left[task.id] = LeftBehind(task.id, bytes(32), 1, self.ops)
            return
        state = {"time_out": "timed_out", "abort": "aborted", "succeed": "success", "fail": "error"}
        self.replicas[task.id] = Replica(
            task.id,
            state[what],  # type: ignore[arg-type]
            task.host_id,
            task.account_id,
            task.subnet,
            task.resumed_from,
        )


@settings(max_examples=300, deadline=None)
@given(MOVES)
def test_no_two_live_replicas_share_hands(moves: list[tuple[str, int]]) -> None:
    unit = Unit()
    for what, host in moves:
        unit.move(what, host)
        live = [r for r in unit.replicas.values() if r.state in LIVE]
        owners: dict[object, int] = {}
        continued: dict[int, int] = {}
        for replica in live:
            for hand in chain(replica, unit.replicas):
                for name in (("host", hand.host_id), ("account", hand.account_id)):
                    assert owners.setdefault(name, replica.id) == replica.id, (
                        f"{name} has a part in the live replicas {owners[name]} and {replica.id}"
                    )
            for hand in chain(replica, unit.replicas)[1:]:
                assert continued.setdefault(hand.id, replica.id) == replica.id, (
                    f"two live replicas continue task {hand.id}"
                )
