"""Lines of the log in plain words: each kind of line, each detail that is told."""

import pytest

from idlegrid_server.domain.story import reason_words, state_words, step_words


@pytest.mark.parametrize(
    ("kind", "before", "after", "reason", "words"),
    [
        ("unit", "open", "valid", "quorum", "Accepted: Enough results agree."),
        ("unit", None, "open", "submitted", "It needs results: It was submitted."),
        ("unit", "failed", "open", "rescued", "Opened again: A late result completed the quorum "),
        ("task", "unsent", "in_progress", "", "Sent."),
        ("task", "in_progress", "success", "ok", "Returned."),
        ("task", "timed_out", "success", "ok", "Returned late."),
        ("task", "timed_out", "error", "trap", "Failed late: The program broke a rule"),
        ("task", "in_progress", "error", "ok", "Failed: The program ended well."),
        ("verdict", "pending", "invalid", "differs", "Judged wrong: It differs from"),
        ("batch", "running", "paused", "wait for me", "Paused: In words: wait for me."),
        ("batch", "running", "paused", "why?", "Paused: In words: why?"),
        ("host", None, "new", "enrolled", "New: It enrolled."),
        ("task", "in_progress", "in_progress", "sent again", "Its computer had lost it, so it was"),
        ("batch", "complete", "complete", "answer 2", "An answer was made: answer 2."),
        ("stage", "running", "running", "", "Runs."),
    ],
)
def test_a_line_in_words(
    kind: str, before: str | None, after: str, reason: str, words: str
) -> None:
    told = step_words(kind, before, after, reason, None)
    assert told.startswith(words)
    if words.endswith((".", "?")):
        assert told == words


def test_numbers_in_details_are_told() -> None:
    assert step_words("task", "in_progress", "in_progress", "continues", {"ops": 12_345}) == (
        "It goes on from what another computer had done, 12,345 ops in."
    )
    made = {"first": 0, "count": 2_000, "tasks": 2}
    assert step_words("stage", "running", "running", "units created", made) == (
        "2,000 units were made."
    )
    assert step_words("credit", "void", "void", "void", {"micro": 1_250_000}) == (
        "The credit that waited for it is void (1.25)."
    )
    assert step_words("credit", "void", "void", "void", {"micro": "odd"}) == (
        "The credit that waited for it is void."
    )
    urgent = step_words("batch", "running", "running", "urgency", {"urgency": 3})
    assert urgent == "An admin said how urgent it is: urgency 3."
    lifted = step_words("app", "active", "active", "cap", {"tasks_max": None})
    assert lifted == "An admin said how many tasks of it may be out at a time."


def test_of_many_findings_the_first_three_are_told() -> None:
    found = [{"a": "0", "b": "1", "found": "agree", "note": ""}] * 5
    told = step_words("unit", "open", "open", "validated", {"found": found})
    assert told.count("two outputs agree") == 3
    assert told.endswith("; 2 more.")


def test_states_in_a_word() -> None:
    assert state_words("host", "quarantined") == "In quarantine"
    with pytest.raises(KeyError):
        state_words("host", "asleep")


def test_nothing_is_no_reason() -> None:
    assert reason_words("unit", "") == ""
    assert reason_words("batch", "  spaced out ") == "In words: spaced out."


def test_a_code_that_does_not_exist_is_not_told() -> None:
    with pytest.raises(KeyError, match="no sentence"):
        reason_words("task", "gremlins")


def test_a_person_may_say_why() -> None:
    assert reason_words("batch", "the data is wrong") == "In words: the data is wrong."
    assert reason_words("unit", "compute_failed: out of disk").endswith("out of disk.")


def test_details_of_notes_are_told() -> None:
    found = [
        {"a": "00", "b": "11", "found": "differ", "note": "x: 1 and 2"},
        {"output": "00", "found": "good", "note": ""},
    ]
    assert step_words("unit", "open", "open", "validated", {"found": found}) == (
        "The validator looked at its outputs: two outputs differ (x: 1 and 2); an output is good."
    )
    assert "3.50" in step_words("credit", "pending", "pending", "booked", {"micro": 3_500_000})
    assert "weight 2.0" in step_words("account", "admin", "admin", "share", {"weight": 2.0})
    assert step_words("stage", "running", "running", "units 4 to 9 released", None) == (
        "More units may go out: units 4 to 9 released."
    )
