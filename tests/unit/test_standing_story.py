"""Why a host stands where it stands: the sentences follow the rules, whatever the numbers."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.domain.host import NEWCOMER_MAX
from idlegrid_server.domain.model import HostSnapshot, HostState, Standing
from idlegrid_server.domain.standing_story import USUAL, limit_words, next_words, trust_words
from idlegrid_server.domain.trust import is_proven, is_shut_out


def test_a_stranger_hears_how_far_it_is_believed_and_what_is_missing() -> None:
    said = trust_words(Standing(host_id=1))
    assert "taken to be right with 98 %" in said
    assert "when it has passed 5 checks more" in said
    assert "one check more" in trust_words(Standing(host_id=1, passed=4.5))
    assert "may speak alone, and is checked" in trust_words(Standing(host_id=1, passed=7.0))
    assert "failed too many" in trust_words(Standing(host_id=1, passed=9.0, failed=1.0))


@given(
    state=st.sampled_from(get_args(HostState)),
    house=st.booleans(),
    passed=st.floats(0, 1000),
    failed=st.floats(0, 10),
)
def test_the_words_say_what_the_rules_say(
    state: HostState, house: bool, passed: float, failed: float
) -> None:
    standing = Standing(host_id=1, state=state, house=house, passed=passed, failed=failed)
    said = trust_words(standing)
    assert said.endswith(".")
    alone = "it may speak alone, and" in said or "It is the project's own" in said
    assert alone == is_proven(standing, USUAL)
    assert ("counts for nothing" in said) == is_shut_out(state)


def test_a_newcomer_hears_of_its_dozen_and_others_of_their_cap() -> None:
    host = HostSnapshot(
        id=1, state="new", in_progress=4, unjudged=3, judged=1, tasks_max=NEWCOMER_MAX
    )
    assert "it has 4 and 3, and 1 verdicts" in limit_words(host)
    known = HostSnapshot(id=1, state="probation", in_progress=4, tasks_max=24)
    assert "It may hold 24 tasks at a time and has 4" in limit_words(known)
    assert "2 more results of it" in next_words(known, 1)
    assert next_words(HostSnapshot(id=1, state="trusted"), 5) == ""
