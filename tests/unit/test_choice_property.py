"""What must hold of every choice of units, whatever the candidates."""

from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.domain.host import is_proven
from idlegrid_server.domain.matching import RESERVED, choose, is_barred, is_foreign
from idlegrid_server.domain.model import Candidate, HostSnapshot, Peer

ALL = ("host", "account", "subnet")
ids = st.integers(1, 4)
peers = st.builds(
    Peer,
    st.sampled_from(["in_progress", "success", "error", "timed_out", "aborted", "lost"]),
    ids,
    st.none() | ids,
    st.sampled_from(["a", "b", "c"]),
)
hosts = st.builds(
    HostSnapshot,
    id=ids,
    state=st.sampled_from(["new", "probation", "trusted"]),
    account_id=st.none() | ids,
    subnet=st.sampled_from(["a", "b", "c"]),
    tasks_max=st.just(50),
    house=st.booleans(),
)
candidates = st.lists(
    st.builds(
        Candidate,
        st.integers(1, 1000),
        st.integers(0, 3),
        st.lists(peers, max_size=3).map(tuple),
        st.sampled_from(["", "linux/x86_64", "linux/aarch64"]),
        st.integers(0, 3),
    ),
    max_size=15,
    unique_by=lambda candidate: candidate.unit_id,
)
CLASS = "linux/x86_64"


@given(hosts, candidates, st.integers(1, 20))
def test_a_host_gets_only_what_it_may_have_and_all_of_that(
    host: HostSnapshot, units: list[Candidate], wanted: int
) -> None:
    choice = choose(host, units, wanted, ALL, CLASS)
    may = {
        unit.unit_id
        for unit in units
        if not is_barred(host, unit.peers, ALL)
        and not is_foreign(unit, CLASS)
        and (unit.rank != RESERVED or is_proven(host))
    }
    assert set(choice.units) <= may
    assert len(choice.units) == len(set(choice.units)) == min(wanted, len(may))


@given(hosts, candidates, st.integers(1, 20))
def test_nothing_is_passed_over_for_something_of_a_lower_rank_or_further_away(
    host: HostSnapshot, units: list[Candidate], wanted: int
) -> None:
    by_id = {unit.unit_id: unit for unit in units}
    keys = [
        (-by_id[unit].rank, by_id[unit].absent)
        for unit in choose(host, units, wanted, ALL, CLASS).units
    ]
    assert keys == sorted(keys)
    every = choose(host, units, len(units), ALL, CLASS).units
    assert list(every[: len(keys)]) == list(choose(host, units, wanted, ALL, CLASS).units)


@given(hosts, candidates, st.integers(1, 20), st.randoms())
def test_the_order_of_the_rows_matters_only_among_equals(
    host: HostSnapshot, units: list[Candidate], wanted: int, random: object
) -> None:
    shuffled = list(units)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    by_id = {unit.unit_id: unit for unit in units}

    def kinds(chosen: tuple[int, ...]) -> list[tuple[int, int]]:
        return [(by_id[unit].rank, by_id[unit].absent) for unit in chosen]

    first = choose(host, units, wanted, ALL, CLASS)
    again = choose(host, shuffled, wanted, ALL, CLASS)
    assert kinds(first.units) == kinds(again.units)
    if len(first.units) < wanted:
        assert set(first.refusals) == set(again.refusals)
        counted = sum(refusal.count for refusal in first.refusals)
        assert counted == len(units) - len(first.units)
