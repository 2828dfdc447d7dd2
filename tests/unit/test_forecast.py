"""The forecast: what it needs, how it behaves, and that it is a range."""

import random

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from idlegrid_server.domain.forecast import (
    ENDED_MIN,
    SAMPLES_MIN,
    Forecast,
    ForecastSnapshot,
    forecast,
    pace_measure,
)
from idlegrid_server.domain.model import PulseSeen

S = 1_000_000


def seen(
    ended: int = 50, expected: int = 100, fresh: int = 20, every_s: int = 60
) -> ForecastSnapshot:
    """One unit has ended each minute so far; a result takes two to four."""
    now = ended * every_s * S
    pulses = tuple(PulseSeen(n * every_s * S, ended=1) for n in range(ended))
    times = tuple(every_s * S * (200 + 10 * n) // 100 for n in range(20))
    return ForecastSnapshot(now, 0, expected, ended, fresh, pulses, times)


def test_a_steady_batch_ends_about_when_its_pace_says() -> None:
    found = forecast(seen())
    assert found is not None
    fifty_minutes = 50 * 60 * S
    assert 0.5 * fifty_minutes < found.p50_at - seen().now < 3 * fifty_minutes
    assert found.p50_at < found.p90_at


def test_too_little_known_is_no_forecast() -> None:
    assert forecast(seen(ended=ENDED_MIN - 1)) is None
    few = msgspec.structs.replace(seen(), turnarounds=seen().turnarounds[: SAMPLES_MIN - 1])
    assert forecast(few) is None
    assert forecast(msgspec.structs.replace(seen(), pulses=())) is None
    assert forecast(seen(ended=100)) is None, "nothing is left"


snapshots = st.builds(
    seen,
    ended=st.integers(ENDED_MIN, 300),
    expected=st.integers(301, 5_000),
    fresh=st.integers(0, 1),
    every_s=st.integers(1, 10_000),
)


@given(snapshots, st.floats(0, 1))
def test_a_forecast_is_a_range_that_lies_ahead(one: ForecastSnapshot, share: float) -> None:
    left = one.expected - one.ended
    found = forecast(msgspec.structs.replace(one, fresh=int(share * left)))
    assert found is not None
    assert one.now < found.p50_at <= found.p90_at, "it is over already, or P90 comes before P50"


@given(snapshots, st.integers(2, 50))
def test_a_grid_that_is_so_much_slower_takes_so_much_longer(
    one: ForecastSnapshot, factor: int
) -> None:
    """All times scaled: nothing in the forecast knows how long a second is."""

    def scaled(at: int) -> int:
        return at * factor

    slow = ForecastSnapshot(
        now=scaled(one.now),
        since=scaled(one.since),
        expected=one.expected,
        ended=one.ended,
        fresh=one.fresh,
        pulses=tuple(PulseSeen(scaled(p.at), ended=p.ended) for p in one.pulses),
        turnarounds=tuple(scaled(t) for t in one.turnarounds),
    )
    fast_at, slow_at = forecast(one), forecast(slow)
    assert fast_at is not None
    assert slow_at is not None
    assert abs((slow_at.p90_at - slow.now) / (fast_at.p90_at - one.now) - factor) < 0.01 * factor


@given(snapshots, st.randoms(use_true_random=False))
def test_the_order_of_what_was_seen_does_not_matter(
    one: ForecastSnapshot, chance: random.Random
) -> None:
    pulses, times = list(one.pulses), list(one.turnarounds)
    chance.shuffle(pulses)
    chance.shuffle(times)
    mixed = msgspec.structs.replace(one, pulses=tuple(pulses), turnarounds=tuple(times))
    assert forecast(mixed) == forecast(one)


@given(snapshots)
def test_the_measure_grows_with_what_is_left(one: ForecastSnapshot) -> None:
    assume(one.expected < 4_900)
    more = msgspec.structs.replace(one, expected=one.expected + 100)
    less_left, more_left = pace_measure(one), pace_measure(more)
    assert less_left is not None
    assert more_left is not None
    assert less_left < more_left


def test_a_forecast_names_two_moments() -> None:
    assert Forecast(1, 2) == Forecast(p50_at=1, p90_at=2)
