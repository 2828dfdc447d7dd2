"""What a program says of itself is shown to people, and must not command their terminals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_shared.sandbox.log import TailLog
from idlegrid_shared.sandbox.wording import MESSAGE_CHARACTERS_MAX, lines, one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain words", "plain words"),
        ("two\n lines\tand more", "two lines and more"),
        ("\x1b[2Jgone", "\N{REPLACEMENT CHARACTER}[2Jgone"),
        ("exe.\u202egpj", "exe.\N{REPLACEMENT CHARACTER}gpj"),
        ("zwölf ☃", "zwölf ☃"),
    ],
)
def test_messages(text: str, line: str) -> None:
    assert one_line(text) == line


def test_lines_stay_lines() -> None:
    assert lines("one\r\ntwo\rthree\n\tfour\x07") == (
        "one\ntwo\nthree\n\tfour\N{REPLACEMENT CHARACTER}"
    )


def test_the_log_of_any_program_is_fit_to_be_shown() -> None:
    """Native programs have the same log, and no worker that would look at it again."""
    log = TailLog(100)
    log.write(b"one\r\n\x1b[2Jtwo \xff\x07")
    mark = "\N{REPLACEMENT CHARACTER}"
    assert log.text() == f"one\n{mark}[2Jtwo {mark}{mark}"


@given(st.text())
def test_no_control_character_gets_through(text: str) -> None:
    for shown in (one_line(text), lines(text).replace("\n", "").replace("\t", "")):
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
    assert len(one_line(text)) <= MESSAGE_CHARACTERS_MAX
