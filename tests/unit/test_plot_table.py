"""Tables of strangers: read within limits, and mistakes told by their line."""

import math

import pytest

from idlegrid_shared.plot import PlotError
from idlegrid_shared.plot import table as subject
from idlegrid_shared.plot.table import read_columns


def read(text: str, *columns: str) -> list[list[float]]:
    return [list(column) for column in read_columns("a.csv", text.encode(), columns)]


def test_columns_are_found_by_name_in_any_order() -> None:
    assert read("x,y,z\n1,2,3\n4,5,6\n", "z", "x") == [[3, 6], [1, 4]]
    assert read('\ufeff"x", y\r\n"1",2\r\n\r\n', "y") == [[2]], "byte order mark, quotes, CRLF"


@pytest.mark.parametrize(
    "cell", ["", " ", "nan", "NA", "inf", "-inf", "1e999", "1e200", "off", "null"]
)
def test_what_is_no_finite_number_is_a_gap(cell) -> None:
    [column] = read(f"x,y\n1,2\n3,{cell}\n", "y")
    assert column[0] == 2
    assert math.isnan(column[1])


def test_a_short_row_has_gaps() -> None:
    assert math.isnan(read("x,y\n1\n", "y")[0][0])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("x,z\n1,2\n", "no column 'y'; it has: 'x', 'z'"),
        ("x,y\n1,2\n1,two\n", "line 3: 'two' is not a number"),
        ("x,y\n1," + "9" * 70_000 + "\n", "65,536 characters"),
        (",".join(["y"] * 1001) + "\n", "1,001 columns"),
        ("y\n1\n\x00\n", "line 3"),
    ],
)
def test_a_table_that_cannot_be_read_is_told(text, told) -> None:
    with pytest.raises(PlotError, match=r"a\.csv") as caught:
        read(text, "y")
    assert told in str(caught.value)


def test_what_is_not_text_is_told() -> None:
    with pytest.raises(PlotError, match="byte 4"):
        read_columns("a.csv", b"x,y\n\xff\xfe", ["y"])


def test_a_table_beyond_the_limits_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(subject, "ROWS_MAX", 3)
    assert read("y\n1\n2\n3\n", "y") == [[1, 2, 3]]
    with pytest.raises(PlotError, match="more than 3 rows"):
        read("y\n1\n2\n3\n4\n", "y")
    monkeypatch.setattr(subject, "TABLE_BYTES_MAX", 5)
    with pytest.raises(PlotError, match="8 bytes"):
        read("y\n1\n2\n3\n", "y")


def test_an_open_quote_cannot_swallow_the_table() -> None:
    with pytest.raises(PlotError, match=r"a\.csv"):
        read('y\n"' + "1\n" * 200_000, "y")
