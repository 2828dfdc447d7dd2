"""How soon a dead process starts again, and when that is worth an admin's attention."""

from idlegrid_server.supervisor.backoff import DEATHS_MAX, MOST_S, STEADY_S, Backoff


def test_a_process_that_dies_at_once_waits_longer_each_time_up_to_a_limit() -> None:
    backoff = Backoff()
    waits = [backoff.died(born=t, now=t + 0.01) for t in range(8)]
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert waits[-1] == MOST_S


def test_a_process_that_lived_well_starts_again_at_once() -> None:
    backoff = Backoff()
    for t in range(6):
        backoff.died(born=t, now=t + 0.01)
    assert backoff.died(born=10, now=10 + STEADY_S) == 0.1


def test_ten_deaths_within_a_minute_are_an_incident_told_once_a_minute() -> None:
    backoff = Backoff()
    for t in range(DEATHS_MAX - 1):
        backoff.died(born=t, now=t)
        assert not backoff.is_incident(t)
    backoff.died(born=9, now=9)
    assert backoff.is_incident(9)
    backoff.died(born=10, now=10)
    assert not backoff.is_incident(10), "the same trouble was told twice"
    for t in range(61, 72):
        backoff.died(born=t, now=t)
    assert backoff.is_incident(71)


def test_ten_deaths_over_a_day_are_none() -> None:
    backoff = Backoff()
    for hour in range(24):
        backoff.died(born=hour * 3600 - 1000, now=hour * 3600)
        assert not backoff.is_incident(hour * 3600)
