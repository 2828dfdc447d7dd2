"""The brake: what "it fails everywhere" means, and what must not be taken for it."""

import random
from math import comb

from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.domain.brake import (
    CAP_PER_HOST,
    SOLO_ERRORS,
    WINDOW,
    decide_brake,
    is_rare,
)
from idlegrid_server.domain.model import ErrorSeen, Holder, PulseSeen

S = 1_000_000


def error(n: int, host: int, unit: int, reason: str = "trap", took_s: float = 10) -> ErrorSeen:
    """The ``n``-th error, a second after the one before it."""
    return ErrorSeen(n * S, n, unit, host, reason, round(took_s * S))


def fails(*pairs: tuple[int, int], reason: str = "trap") -> list[ErrorSeen]:
    return [error(n, host, unit, reason) for n, (host, unit) in enumerate(pairs)]


def test_ten_hosts_that_fail_are_everywhere() -> None:
    errors = fails(*((host, host) for host in range(10)))
    brake = decide_brake(errors, [], [])
    assert brake is not None
    assert (brake.hosts, brake.units, brake.good) == (10, 10, 0)
    assert brake.causes[0].reason == "trap"
    assert brake.text.startswith("brake: 10 work units failed on 10 different computers: trap (")
    assert decide_brake(errors[:9], [], []) is None


def test_two_hosts_with_five_units_each_are_everywhere_where_there_are_no_others() -> None:
    errors = fails(*((host, unit) for host in (1, 2) for unit in range(5)))
    assert decide_brake(errors, [], []) is not None


def test_one_broken_host_never_stops_a_batch_that_others_compute() -> None:
    """A thousand errors of one machine are one machine's word (#3061)."""
    errors = fails(*((7, unit) for unit in range(WINDOW)))
    assert decide_brake(errors, [PulseSeen(0, results=1)], []) is None
    assert decide_brake(errors, [], [Holder(8, 3600 * S)]) is None
    assert decide_brake([*errors, error(WINDOW, 8, 5)], [PulseSeen(0, results=1)], []) is None


def test_the_only_host_there_is_may_stop_it() -> None:
    errors = fails(*((7, unit) for unit in range(SOLO_ERRORS)))
    assert decide_brake(errors, [], []) is not None
    assert decide_brake(errors[:-1], [], []) is None


def test_fast_failures_of_a_fifth_of_the_hosts_are_not_everywhere() -> None:
    """Broken hosts fail within seconds; the others compute for an hour and have said nothing yet.

    A count of tasks alone would stop every batch in its first minute.
    """
    errors = fails(*((host, 10 * host + k) for host in range(20) for k in range(4)))
    patient = [Holder(100 + n, 60 * S) for n in range(80)]
    assert decide_brake(errors, [], patient) is None
    impatient = [Holder(100 + n, 5 * S) for n in range(80)]  # they may fail yet
    assert decide_brake(errors, [], impatient) is not None


def test_a_long_good_past_does_not_hide_that_everything_fails_now() -> None:
    errors = [error(10_000 + n, n, n) for n in range(20)]
    before = [PulseSeen(k * 1_000 * S, ended=500, results=1_000) for k in range(10)]
    assert decide_brake(errors, [*before, PulseSeen(9_999 * S)], []) is not None


def test_results_among_the_errors_speak_for_the_batch() -> None:
    errors = [error(n, n, n) for n in range(20)]
    assert decide_brake(errors, [PulseSeen(0, results=20)], []) is None


def test_a_hosts_own_errors_count_once() -> None:
    """A full disk says something of the host, whatever unit it was."""
    pairs = [(host, unit) for host in (1, 2, 3) for unit in range(5)]
    assert decide_brake(fails(*pairs, reason="disk_full"), [], []) is None
    hosts = [(host, 1) for host in range(10)]
    assert decide_brake(fails(*hosts, reason="download_failed"), [], []) is not None


def test_causes_are_told_by_how_many_hosts_they_have() -> None:
    errors = fails(*((host, host) for host in range(8)), reason="out_of_ops")
    errors += [error(100 + n, 20 + n, n, "exit_code") for n in range(3)]
    brake = decide_brake(errors, [], [])
    assert brake is not None
    assert [(cause.reason, cause.hosts) for cause in brake.causes] == [
        ("out_of_ops", 8),
        ("exit_code", 3),
    ]
    assert "another" in brake.text or "other kind" in brake.text


@given(st.integers(0, 40), st.integers(0, 60))
def test_rare_is_the_tail_of_the_binomial(good: int, bad: int) -> None:
    total = good + bad
    chance = sum(comb(total, k) for k in range(good + 1)) / 2**total
    assert is_rare(good, bad) == (good < bad and chance < 1 / 1000)


errors_seen = st.lists(
    st.builds(
        error,
        n=st.integers(0, 500),
        host=st.integers(1, 30),
        unit=st.integers(1, 60),
        reason=st.sampled_from(["trap", "exit_code", "disk_full"]),
        took_s=st.floats(0, 1e4),
    ),
    max_size=80,
)
pulses_seen = st.lists(
    st.builds(PulseSeen, at=st.integers(0, 500).map(lambda n: n * S), results=st.integers(0, 9)),
    max_size=10,
)
holders_seen = st.lists(
    st.builds(Holder, host_id=st.integers(1, 90), held_us=st.integers(0, 10**11)),
    max_size=40,
    unique_by=lambda holder: holder.host_id,
)


@given(errors_seen, pulses_seen, holders_seen)
def test_more_good_signs_never_pull_the_brake(
    errors: list[ErrorSeen], pulses: list[PulseSeen], holders: list[Holder]
) -> None:
    if decide_brake(errors, pulses, holders) is None:
        more = [*pulses, PulseSeen(501 * S, results=3)]
        assert decide_brake(errors, more, holders) is None
        assert decide_brake(errors, pulses, [*holders, Holder(99, 10**12)]) is None


@given(errors_seen, pulses_seen, holders_seen, st.randoms(use_true_random=False))
def test_the_order_of_what_was_seen_does_not_matter(
    errors: list[ErrorSeen],
    pulses: list[PulseSeen],
    holders: list[Holder],
    chance: random.Random,
) -> None:
    errors = list({e.task_id: e for e in errors}.values())
    before = decide_brake(errors, pulses, holders)
    for listed in (errors, pulses, holders):
        chance.shuffle(listed)  # type: ignore[arg-type]
    assert decide_brake(errors, pulses, holders) == before


@given(st.integers(1, 30), st.integers(0, 200), st.integers(1, 100))
def test_a_single_host_has_a_bounded_word(units: int, results: int, waiting: int) -> None:
    """With one other host at work, no number of errors of one host is enough."""
    errors = fails(*((1, unit) for unit in range(units)))
    assert decide_brake(errors, [PulseSeen(0, results=results)], [Holder(2, waiting)]) is None
    assert CAP_PER_HOST < 10
