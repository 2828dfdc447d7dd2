"""Which stages an exchange looks into first."""

import math

from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.domain.estimate import Spread
from idlegrid_server.domain.order import TRIED, Stage, order, pace


def ops(value: float) -> Spread:
    return Spread(math.log(value), 0.01)


def test_an_admins_urgency_goes_before_every_share() -> None:
    queues = [Stage(1, 1, priority=1000), Stage(2, 2, urgency=1)]
    assert order(queues, {1: 0.0, 2: 1e18}, {}, 0) == [2, 1]


def test_the_account_served_least_goes_first_whatever_the_priorities() -> None:
    """A priority orders a scientist's own batches; it takes nothing from anybody else."""
    queues = [Stage(1, 1, priority=1000), Stage(2, 2), Stage(3, 2, priority=5)]
    assert order(queues, {1: 2.0, 2: 1.0}, {}, 0) == [3, 2, 1]


def test_long_work_goes_to_fast_hosts_and_short_work_to_slow_ones() -> None:
    queues = [Stage(1, 1, ops=ops(1e9)), Stage(2, 1, ops=ops(1e13))]
    assert order(queues, {}, {1: 1, 2: 1}, 0) == [2, 1]
    assert order(queues, {}, {1: -1, 2: -1}, 0) == [1, 2]
    assert order(queues, {}, {1: 0, 2: 0}, 0) == [1, 2]
    alike = [Stage(1, 1, ops=ops(1e9)), Stage(2, 1, ops=ops(1.1e9))]
    assert order(alike, {}, {1: 1, 2: 1}, 0) == [1, 2], "of one size: the older one"


def test_a_pace_is_told_only_where_it_shows() -> None:
    assert pace(ops(2e9), ops(1e9)) == 1
    assert pace(ops(5e8), ops(1e9)) == -1
    assert pace(ops(1.1e9), ops(1e9)) == 0
    assert pace(None, ops(1e9)) == 0


def test_every_stage_is_looked_into_sooner_or_later() -> None:
    queues = [Stage(n, 1) for n in range(40)]
    seen = {stage for draw in range(40) for stage in order(queues, {}, {}, draw)}
    assert seen == set(range(40))


stages = st.lists(
    st.builds(
        Stage,
        st.integers(1, 100),
        st.integers(1, 5),
        st.integers(0, 2),
        st.integers(-3, 3),
        st.none() | st.builds(Spread, st.floats(0, 40), st.floats(0.01, 2)),
    ),
    max_size=20,
    unique_by=lambda queue: queue.stage_id,
)


@given(stages, st.integers(0, 1000), st.randoms())
def test_the_order_of_the_rows_does_not_matter_and_work_is_bounded(
    queues: list[Stage], draw: int, random: object
) -> None:
    places = {account: float(account % 3) for account in range(1, 6)}
    paces = {queue.stage_id: queue.stage_id % 3 - 1 for queue in queues}
    shuffled = list(queues)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    found = order(queues, places, paces, draw)
    assert order(shuffled, places, paces, draw) == found
    assert len(found) == len(set(found)) == min(TRIED, len(queues))
    assert set(found) <= {queue.stage_id for queue in queues}
