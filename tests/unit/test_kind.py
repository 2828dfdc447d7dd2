"""Machines that are alike, and stages that run on several platforms."""

from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.domain.kind import (
    class_of,
    is_of_class,
    machine_kind,
    queue_key,
    queue_keys,
)
from idlegrid_server.domain.matching import LIVE, choose, is_foreign
from idlegrid_server.domain.model import Candidate, HostSnapshot, Peer, TaskState
from idlegrid_shared.documents import WALLED_BY_SYSTEM, WALLED_PLATFORMS, Homogeneous
from idlegrid_shared.wire import Machine

INTEL = machine_kind(Machine(os="Linux 6.1", arch="x86_64", cpu_kind="GenuineIntel 6"))
AMD = machine_kind(Machine(os="Linux 5.15", arch="x86_64", cpu_kind="AuthenticAMD 25"))
ARM = machine_kind(Machine(os="Linux 6.1", arch="aarch64", cpu_kind="0x41 0xd0c"))

kinds = st.builds(
    lambda system, arch, cpu: machine_kind(Machine(os=system, arch=arch, cpu_kind=cpu)),
    *(st.text("ab/ 6", max_size=4) for _ in range(3)),
)
rules = st.sampled_from(["", "system", "cpu"])
profiles = st.lists(
    st.sampled_from(
        [f"{r}-{p}" for r in sorted(WALLED_BY_SYSTEM) for p in WALLED_PLATFORMS] + ["wasm50"]
    ),
    max_size=5,
    unique=True,
)


def test_the_kind_of_a_machine() -> None:
    assert INTEL == "linux/x86_64/GenuineIntel 6"
    assert class_of(INTEL, "") == ""
    assert class_of(INTEL, "system") == class_of(AMD, "system") == "linux/x86_64"
    assert class_of(INTEL, "system") != class_of(ARM, "system")
    assert class_of(INTEL, "cpu") != class_of(AMD, "cpu")
    assert class_of("", "system") == class_of("", "cpu") == "unknown"
    assert is_of_class(INTEL, "linux/x86_64")
    assert not is_of_class(INTEL, "linux/x86_6")


@given(kinds, kinds, rules)
def test_alike_is_what_the_rule_says(one: str, other: str, rule: Homogeneous) -> None:
    assert is_of_class(one, class_of(one, rule))
    alike = class_of(one, rule) == class_of(other, rule)
    assert is_of_class(other, class_of(one, rule)) == alike
    assert rule == "" or class_of(one, rule) != ""
    if class_of(one, "cpu") == class_of(other, "cpu"):
        assert class_of(one, "system") == class_of(other, "system")


@given(profiles, profiles)
def test_a_stage_is_found_exactly_by_hosts_of_its_platforms(
    hosts: list[str], stage: list[str]
) -> None:
    """Stages are of one runtime; a host finds those that one of its profiles fits."""
    for runtime in (*sorted(WALLED_BY_SYSTEM), "wasm"):
        builds = [profile for profile in stage if profile.startswith(runtime)]
        if builds:
            assert (queue_key(builds) in queue_keys(hosts)) == bool(set(builds) & set(hosts))
    assert len(queue_keys(hosts)) == len(set(queue_keys(hosts)))


states: st.SearchStrategy[TaskState] = st.sampled_from(
    ["in_progress", "success", "error", "timed_out", "aborted", "lost", "unneeded"]
)


@given(
    st.sampled_from(["", "linux/x86_64", "linux/aarch64"]),
    st.lists(st.tuples(states, st.integers(2, 9)), max_size=4),
    st.sampled_from(["linux/x86_64", "linux/aarch64"]),
)
def test_a_bound_unit_goes_to_no_other_class_while_a_replica_lives(
    bound: str, tasks: list[tuple[TaskState, int]], host_class: str
) -> None:
    peers = tuple(Peer(state, host, None, f"net {host}") for state, host in tasks)
    host = HostSnapshot(id=1, state="trusted", subnet="home", tasks_max=10)
    candidate = Candidate(7, 1, peers, bound)
    alive = any(peer.state in LIVE for peer in peers)
    choice = choose(host, [candidate], 1, ("host",), host_class)
    assert is_foreign(candidate, host_class) == (bool(bound) and bound != host_class and alive)
    assert choice.units == (() if is_foreign(candidate, host_class) else (7,))
    codes = [refusal.code for refusal in choice.refusals]
    assert codes == (["kind"] if is_foreign(candidate, host_class) else [])


def test_the_refusal_counts_and_says_it() -> None:
    live = (Peer("in_progress", 2, None, "other"),)
    host = HostSnapshot(id=1, state="trusted", subnet="home", tasks_max=10)
    units = [Candidate(n, 1, live, "linux/aarch64") for n in range(3)]
    (refusal,) = choose(host, units, 1, ("host",), "linux/x86_64").refusals
    assert refusal.text.startswith("3 units wait for a computer of the same kind")
