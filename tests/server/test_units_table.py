"""The table of units: every fault is told with its line and column."""

import io

import pytest

from idlegrid_server.pipeline.units_table import (
    LINE_BYTES_MAX,
    TableError,
    UnitInput,
    UnitLine,
    read_units,
)

SHA = "ab" * 32


def file(name: str = "x", size: int = 1) -> str:
    return f'{{"name":"{name}","sha256":"{SHA}","bytes":{size}}}'


def units(text: str, skip: int = 0) -> list[UnitLine]:
    return list(read_units(io.BytesIO(text.encode()), skip))


def test_lines_become_units_in_order() -> None:
    found = units('{"args":["1","2"]}\n{}\r\n{"args":["é"],"inputs":[' + file("a/b", 3) + "]}")
    assert found == [
        UnitLine(args=("1", "2")),
        UnitLine(),
        UnitLine(args=("é",), inputs=(UnitInput("a/b", SHA, 3),)),
    ]


def test_a_submission_that_was_interrupted_goes_on_after_the_units_it_stored() -> None:
    assert units('{"args":["0"]}\n{"args":["1"]}\n{"args":["2"]}\n', skip=2) == [
        UnitLine(args=("2",))
    ]


@pytest.mark.parametrize(
    ("line", "place", "sentence"),
    [
        ("", "line 2, column 1", "empty"),
        ('{"args":["1",}', "line 2, column 14", "malformed"),
        ('{"args":["1"', "line 2, column 1", "truncated"),
        ('{"args":[1]}', "line 2, column 2", "Expected `str`, got `int`"),
        ('{"inputs":[],"args":"x"}', "line 2, column 14", "Expected `array`"),
        ('{"argz":["1"]}', "line 2, column 1", "unknown field `argz`"),
        ('["1"]', "line 2, column 1", "Expected `object`"),
        ('{"args":["a\\u0000b"]}', "line 2, column 2", "zero character"),
        (
            '{"inputs":[' + file("../x") + "]}",
            "line 2, column 2",
            "relative",
        ),
        ('{"inputs":[{"name":"x","sha256":"AB","bytes":1}]}', "line 2", "not a SHA-256"),
        ('{"inputs":[' + file(size=-1) + "]}", "line 2", "negative"),
        ('{"inputs":[' + file() + "," + file() + "]}", "line 2", "stands twice"),
        ('{"args":["' + "x" * 200_000 + '"]}', "line 2, column 2", "more than 131072 bytes"),
        ('{"args":["' + "x" * LINE_BYTES_MAX + '"]}', "line 2", "more than"),
    ],
)
def test_a_faulty_line_is_told_with_its_place(line: str, place: str, sentence: str) -> None:
    with pytest.raises(TableError) as caught:
        units('{"args":["1"]}\n' + line + '\n{"args":["3"]}\n')
    message = str(caught.value)
    assert place in message
    assert sentence in message


def test_a_planted_unit_names_its_answer() -> None:
    (unit,) = units(f'{{"known":"{SHA}"}}')
    assert unit == UnitLine(known=SHA)
    with pytest.raises(TableError, match=r"line 1, column 15"):
        units('{"args":["1"],"known":"42"}')


def test_bytes_that_are_no_text_are_told_with_their_line() -> None:
    with pytest.raises(TableError, match="line 1"):
        list(read_units(io.BytesIO(b'{"args":["\xff\xfe"]}\n')))
