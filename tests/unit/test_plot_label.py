"""Labels: filled in from hostile answers, they show numbers and texts and do nothing else."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_shared.plot import PlotError
from idlegrid_shared.plot.label import check_template, clean, fill


@pytest.mark.parametrize(
    ("template", "entry", "text"),
    [
        ("{period:.1f} years", {"period": 11.0032}, "11.0 years"),
        ("{p:.3g}", {"p": 0.000123456}, "0.000123"),
        ("{p:.1e}", {"p": 12345}, "1.2e+04"),
        ("{n}", {"n": 42}, "42"),
        ("{x:.0f}", {"x": -3.2}, "−3"),
        ("{a}, {b:.0f}", {"a": "Vega", "b": 1.0}, "Vega, 1"),
        ("no field", {}, "no field"),
        ("", {}, ""),
        ("{x:.2f}", {"x": 1e149}, "1e+149"),
        ("{s}", {"s": "{t}"}, "{t}"),
    ],
)
def test_a_label_shows_members_of_its_entry(template, entry, text) -> None:
    assert fill(template, entry) == text


@pytest.mark.parametrize(
    "template",
    [
        "{",
        "}",
        "{{x}}",
        "{}",
        "{0}",
        "{x!r}",
        "{x.__class__}",
        "{x[0]}",
        "{x:>1000000000}",
        "{x:.1000f}",
        "{x:.999999999f}",
        "{x:{y}}",
        "{x:d}",
        "{x:.1%}",
        "{x: .1f}",
        "{x",
        "x}",
        "{ x }",
        "{" + "x" * 65 + "}",
    ],
)
def test_anything_else_in_braces_is_refused(template) -> None:
    with pytest.raises(PlotError, match="label"):
        check_template(template)
    with pytest.raises(PlotError, match="label"):
        fill(template, {"x": 1.0, "y": 2})


@pytest.mark.parametrize(
    "value",
    [None, True, [1], {"a": 1}, float("nan"), float("inf"), 10**400, "text"],
)
def test_only_numbers_are_formatted(value) -> None:
    with pytest.raises(PlotError, match="'x'"):
        fill("{x:.1f}", {"x": value})


def test_a_member_that_is_missing_is_told() -> None:
    with pytest.raises(PlotError, match="no 'period'"):
        fill("{period:.1f}", {"power": 1.0})


class Hostile:
    """An object that would act when it is formatted or looked into."""

    def __format__(self, spec: str) -> str:
        raise AssertionError("a label formatted an object of a stranger")

    __str__ = __repr__ = __getattr__ = __format__  # type: ignore[assignment]


def test_objects_are_never_asked_to_format_themselves() -> None:
    for template in ("{x}", "{x:.1f}"):
        with pytest.raises(PlotError):
            fill(template, {"x": Hostile()})


def test_controls_directions_and_heaps_of_accents_are_taken_out() -> None:
    assert clean("a\x00b\x1bc\x7f\u202ed\u200be\ud800f") == "abcdef"
    assert clean("  one\n\ttwo\u2028three ") == "one two three"
    assert clean("z" + "\u0301\u0316" * 50) == "\u017a\u0316\u0316"


@given(st.text(), st.integers(1, 50))
def test_clean_text_is_short_and_can_be_encoded(text, most) -> None:
    cleaned = clean(text, most)
    assert len(cleaned) <= most
    cleaned.encode("utf-8")
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in cleaned)


def test_texts_are_cut_with_an_ellipsis() -> None:
    assert clean("x" * 10**6, 10) == "x" * 9 + "…"
    assert len(fill("{s}", {"s": "y" * 10**6})) == 40
