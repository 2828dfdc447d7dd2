"""Answers over several runs, and hosts like those of a project."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.store.sql.host import LikenessRow
from idlegrid_server.whatif.grid import Settings
from idlegrid_server.whatif.likeness import likenesses
from idlegrid_server.whatif.population import Traits, Uniform
from idlegrid_server.whatif.question import Question, ask, percentile, upper_share
from idlegrid_server.whatif.work import Batch
from idlegrid_shared.documents import Policy


def test_a_calm_grid_is_done_when_arithmetic_says() -> None:
    """100 units, twice each, of an hour, on 50 one-core hosts that never stop: four rounds."""
    batch = Batch(100, 3_600.0, Policy(), spread=0.0)
    answer = ask(Question(batch, Uniform(Traits()), Settings(50, join_s=1.0), runs=5))
    assert answer.makespan_h_p50 == pytest.approx(4.0, abs=0.3)
    assert answer.tasks_per_unit == 2.0
    assert answer.wasted_share == 0.0
    assert answer.wrong == 0
    assert answer.ended_share == 1.0


def test_twice_the_hosts_take_half_the_time() -> None:
    batch = Batch(1_000, 3_600.0, Policy())
    one = ask(Question(batch, Uniform(Traits()), Settings(20), runs=3))
    two = ask(Question(batch, Uniform(Traits()), Settings(40), runs=3))
    assert one.makespan_h_p50 is not None
    assert two.makespan_h_p50 == pytest.approx(one.makespan_h_p50 / 2, rel=0.1)


def test_what_does_not_end_is_said_to_end_never() -> None:
    batch = Batch(100, 3_600.0, Policy())
    answer = ask(Question(batch, Uniform(Traits()), Settings(1, until_s=86_400.0), runs=2))
    assert answer.makespan_h_p50 is None
    assert answer.ended_share == 0.0


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1.0))
def test_a_percentile_has_that_share_at_or_below_it(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert sum(v <= found for v in values) >= share * len(values) - 1e-9
    assert sum(v < found for v in values) < share * len(values) + 1e-9


def test_the_limit_of_a_share_lies_above_it_and_nears_it() -> None:
    assert upper_share(0, 1_000) == pytest.approx(0.00383, abs=1e-4)  # Wilson, by hand
    assert upper_share(10, 1_000) == pytest.approx(0.01831, abs=1e-4)
    assert upper_share(10_000, 1_000_000) == pytest.approx(0.0102, abs=1e-4)
    assert upper_share(0, 0) == 1.0
    assert not math.isnan(upper_share(5, 5))


def row(host: int, *, speed: float = 1.0, stays: float = 2.0, errors: int = 0) -> LikenessRow:
    elapsed = 100 * 3_600 * 1_000_000
    return LikenessRow(
        id=host,
        cores=4,
        n_success=90,
        n_error=errors,
        n_results=90,
        ops=round(elapsed * speed * 1_000),
        elapsed_us=elapsed,
        stayed_us=round(elapsed * stays),
    )


def test_a_projects_hosts_are_seen_as_fast_and_steady_as_they_were() -> None:
    rows = [row(1), row(2, speed=2.0), row(3, stays=8.0, errors=10), row(4, stays=1.2)]
    usual, fast, seldom, eager = likenesses(rows)
    assert (usual.speed, usual.available, usual.cores) == (pytest.approx(1.0), 1.0, 4)
    assert fast.speed == pytest.approx(2.0)
    assert (seldom.available, seldom.error_rate) == (pytest.approx(0.25), pytest.approx(0.1))
    assert eager.available == 1.0, "never more than always"


def test_hosts_without_results_resemble_nobody() -> None:
    assert likenesses([]) == []
    assert likenesses([row(1)._replace(n_results=0)]) == []
