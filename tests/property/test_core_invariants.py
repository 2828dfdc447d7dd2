"""The safety invariants of the grid hold on any sequence of events, and faults that end are healed.

Hypothesis drives the pure core through submissions, dispatches, honest and wrong results, errors,
silence, duplicates, late reports, lost tasks, hosts that leave, cancellation, and passes that may
come late or see an old snapshot. Each rule's message says what was broken, in words.
"""

import itertools

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from idlegrid_server.domain.matching import LIVE
from idlegrid_server.domain.model import HostSnapshot, UnitPlan
from idlegrid_server.domain.tail import TailSnapshot, decide_tail
from idlegrid_server.domain.unit import decide_unit
from idlegrid_shared.documents import Policy

from .grid_model import SECOND, Grid

HOSTS = 6
ENDED = {"assimilated", "failed", "cancelled"}


class GridMachine(RuleBasedStateMachine):
    """Random events against one grid."""

    @initialize(
        quorum=st.integers(1, 3),
        extra=st.integers(0, 1),
        errors=st.integers(0, 3),
        tasks=st.integers(4, 9),
        grace=st.sampled_from([0, 5]),
        distinct=st.sampled_from([("host",), ("host", "account"), ("host", "account", "subnet")]),
    )
    def start(
        self, quorum: int, extra: int, errors: int, tasks: int, grace: int, distinct: tuple
    ) -> None:
        policy = Policy(
            quorum=quorum,
            replicas=quorum + extra,
            max_errors=errors,
            max_tasks=tasks,
            max_successes=5,
            deadline_s=60,
            grace_s=grace,
        )
        policy.check()
        hosts = {
            n: HostSnapshot(
                id=n,
                state="trusted",
                account_id=None if n < 2 else 50 + n // 2,
                subnet=f"10.0.{n // 3}.0/24",
                tasks_max=3,
            )
            for n in range(1, HOSTS + 1)
        }
        self.grid = Grid(policy, hosts, distinct)
        self.old_plans: list[UnitPlan] = []
        self.canonical: dict[int, bytes] = {}
        self.grid.submit(2)

    # -- what happens -------------------------------------------------------------------------

    @rule(count=st.integers(1, 3))
    def submit(self, count: int) -> None:
        if len(self.grid.units) < 8 and self.grid.batch_state == "running":
            self.grid.submit(count)

    @rule(host=st.integers(1, HOSTS), wanted=st.integers(1, 4))
    def ask_for_work(self, host: int, wanted: int) -> None:
        self.grid.dispatch(host, wanted)

    @rule(data=st.data(), word=st.sampled_from(["right"] * 5 + ["wrong", "worse"]))
    def return_result(self, data: st.DataObject, word: str) -> None:
        awaited = [t for t in self.grid.tasks() if t.state in ("in_progress", "timed_out")]
        if awaited:
            task = data.draw(st.sampled_from(awaited))
            assert task.host_id is not None
            self.grid.report(task.id, task.host_id, "success", word)

    @rule(
        data=st.data(),
        outcome=st.sampled_from(["error", "aborted"]),
        reason=st.sampled_from(["trap", "volunteer", "disk_full", "nonsense"]),
    )
    def return_failure(self, data: st.DataObject, outcome: str, reason: str) -> None:
        out = [t for t in self.grid.tasks() if t.state == "in_progress"]
        if out:
            task = data.draw(st.sampled_from(out))
            assert task.host_id is not None
            self.grid.report(task.id, task.host_id, outcome, reason=reason)  # type: ignore[arg-type]

    @rule(data=st.data(), host=st.integers(1, HOSTS))
    def report_out_of_turn(self, data: st.DataObject, host: int) -> None:
        """Duplicates, others' tasks, tasks that never were."""
        task_id = data.draw(st.integers(1, self.grid.next_task + 1))
        _, task = self.grid.find(task_id)
        decision = self.grid.report(task_id, host, "success", "right")
        if task is None or task.host_id != host:
            assert decision.fate == "refused", "a report of another host's task was taken"

    @rule(seconds=st.sampled_from([1, 30, 61, 70]))
    def time_passes(self, seconds: int) -> None:
        self.grid.now += seconds * SECOND

    @rule(limit=st.integers(1, 10))
    def run_pass(self, limit: int) -> None:
        self.grid.run_pass(limit)

    @rule()
    def decide_and_be_slow(self) -> None:
        """A pass takes its snapshot now, and tries to apply what it decided much later."""
        self.old_plans = [decide_unit(unit, self.grid.now) for unit in self.grid.units.values()]

    @rule()
    def apply_old_plans(self) -> None:
        for plan in self.old_plans:
            self.grid.apply(plan)

    @rule(idle=st.integers(1, 3))
    def insure_the_end(self, idle: int) -> None:
        """The tail's pass makes more copies of open units, whatever else is under way."""
        live = tuple(unit for unit in self.grid.units.values() if unit.state == "open")
        usual = (*(10 * SECOND for _ in range(9)), 60 * SECOND)
        for plan in decide_tail(TailSnapshot(live, usual, idle), self.grid.now):
            due_at = self.grid.due.get(plan.unit_id)
            self.grid.apply(msgspec.structs.replace(plan, due_at=due_at))

    @rule(host=st.integers(1, HOSTS), keep=st.integers(0, 2))
    def lose_tasks(self, host: int, keep: int) -> None:
        held = {task.id for task in self.grid.in_progress(host)[:keep]}
        self.grid.resend(host, held)

    @rule(host=st.integers(1, HOSTS))
    def host_leaves(self, host: int) -> None:
        self.grid.leave(host)

    @rule(state=st.sampled_from(["cancelled", "failed"]), really=st.integers(0, 9))
    def batch_ends(self, state: str, really: int) -> None:
        if really == 0 and self.grid.batch_state == "running":
            self.grid.end_batch(state)  # type: ignore[arg-type]

    # -- safety -------------------------------------------------------------------------------

    @invariant()
    def accepted_means_that_the_quorum_was_satisfied(self) -> None:
        for unit in self.grid.units.values():
            if unit.state in ("valid", "assimilated"):
                agreeing = [
                    t
                    for t in unit.tasks
                    if t.verdict == "valid" and t.manifest == unit.canonical_manifest
                ]
                assert len(agreeing) >= unit.policy.quorum, (
                    f"unit {unit.id} is {unit.state} with {len(agreeing)} agreeing results"
                )

    @invariant()
    def a_result_is_credited_at_most_once_and_only_if_valid(self) -> None:
        assert not self.grid.broken, self.grid.broken
        valid = {task.id for task in self.grid.tasks() if task.verdict == "valid"}
        assert set(self.grid.credit) == valid, "credit and valid results differ"
        by_unit = [
            {self.grid.credit[t.id] for t in unit.tasks if t.id in self.grid.credit}
            for unit in self.grid.units.values()
        ]
        assert all(len(amounts) <= 1 for amounts in by_unit), "equal work, unequal credit"

    @invariant()
    def the_canonical_result_never_changes(self) -> None:
        for unit in self.grid.units.values():
            if unit.canonical_manifest is not None:
                first = self.canonical.setdefault(unit.id, unit.canonical_manifest)
                assert first == unit.canonical_manifest, f"unit {unit.id} changed its answer"

    @invariant()
    def no_two_live_replicas_share_what_distinct_names(self) -> None:
        for unit in self.grid.units.values():
            live = [task for task in unit.tasks if task.state in LIVE]
            for one, other in itertools.combinations(live, 2):
                assert one.host_id != other.host_id, "a host has two replicas of a unit"
                if "account" in self.grid.distinct and one.account_id is not None:
                    assert one.account_id != other.account_id, "an account has two replicas"
                if "subnet" in self.grid.distinct:
                    assert one.subnet != other.subnet, "a subnet has two replicas"

    @invariant()
    def no_host_has_more_in_progress_than_its_cap(self) -> None:
        for host in self.grid.hosts.values():
            assert len(self.grid.in_progress(host.id)) <= host.tasks_max, "a cap was broken"

    @invariant()
    def every_task_out_is_watched_until_its_deadline(self) -> None:
        grace = self.grid.policy.grace_s * SECOND
        for unit in self.grid.units.values():
            for task in unit.tasks:
                if task.state == "in_progress":
                    assert task.deadline_at is not None
                    assert self.grid.due[unit.id] <= task.deadline_at + grace, (
                        f"nobody looks at task {task.id} when its deadline passes"
                    )

    @invariant()
    def no_unit_makes_more_tasks_than_its_limit(self) -> None:
        for unit in self.grid.units.values():
            assert len(unit.tasks) <= unit.policy.max_tasks, f"unit {unit.id} has too many tasks"

    @invariant()
    def a_decided_unit_has_nothing_to_send(self) -> None:
        for unit in self.grid.units.values():
            if unit.state != "open":
                assert not [t for t in unit.tasks if t.state == "unsent"], "useless work is offered"

    @invariant()
    def replaying_the_events_gives_the_same_states(self) -> None:
        states: dict[tuple[str, int], str] = {}
        for event in self.grid.events:
            key = (event.kind, event.object_id)
            assert states.get(key, "") == event.before, "an event does not follow the one before"
            states[key] = event.after
        for unit in self.grid.units.values():
            assert states["unit", unit.id] == unit.state, "the log tells another story of a unit"
            for task in unit.tasks:
                assert states["task", task.id] == task.state, "the log tells another story"

    @invariant()
    def deciding_twice_is_deciding_once(self) -> None:
        for unit in self.grid.units.values():
            first = decide_unit(unit, self.grid.now)
            assert first == decide_unit(unit, self.grid.now), "a decision is not a function"

    # -- liveness -----------------------------------------------------------------------------

    def teardown(self) -> None:
        """Faults stop; honest fresh hosts come: every unit must end."""
        if not hasattr(self, "grid"):
            return
        grid = self.grid
        for n in range(20):
            grid.hosts[100 + n] = HostSnapshot(
                id=100 + n, state="trusted", account_id=1000 + n, subnet=f"s{n}", tasks_max=9
            )
        for _ in range(40):
            grid.now += 70 * SECOND
            while grid.run_pass():
                pass
            for host in range(100, 120):
                for task in grid.dispatch(host, 9):
                    grid.report(task, host, "success", "right")
            while grid.run_pass():
                pass
        left = {u.id: u.state for u in grid.units.values() if u.state not in ENDED}
        assert not left, f"units that never end although honest hosts ask for work: {left}"
        assert not grid.due, f"ended units that are looked at again and again: {grid.due}"


GridMachine.TestCase.settings = settings(
    max_examples=250,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestGrid = GridMachine.TestCase
