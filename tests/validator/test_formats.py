"""What each format's rules let pass and what they refuse, by example."""

import io
import json
import zipfile

import numpy as np
import pytest

from idlegrid_shared.validator import parse_validator
from idlegrid_shared.validator.fault import RuleError

from .outputs import compare, look, rule


def npy(array: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True, **options)  # type: ignore[arg-type]
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


# -- files as a whole -----------------------------------------------------------------------------


def test_what_no_rule_names_must_be_the_same_bytes() -> None:
    plain = rule(rel=0.5)
    assert compare(plain, "x__json", "1.0", "1.00").outcome == "differ"
    assert compare(plain, "x__json", "1.0", "1.0").outcome == "agree"


def test_patterns_the_first_that_fits_and_files_left_out() -> None:
    tolerant = rule(files={"log*": {"compare": "ignore"}, "*__csv": {"rel": 0.1}})
    assert compare(tolerant, "log7", "yesterday", "today").outcome == "agree"
    assert compare(tolerant, "deep/x__csv", "t\n1.0\n", "t\n1.05\n").outcome == "agree"
    outputs = compare(tolerant, "x__csv", "t\n1\n", "t\n2\n")
    assert outputs.outcome == "differ"
    assert outputs.note == "x.csv: row 1, t: '1' and '2'"


def test_a_named_file_must_be_there_unless_it_is_optional() -> None:
    strict = rule(files={"a__json": {}, "b__json": {"optional": True}})
    assert look(strict, b__json="1").outcome == "failed"
    assert "a.json is missing" in look(strict, b__json="1").note
    assert look(strict, a__json="1").outcome == "good"


# -- JSON -----------------------------------------------------------------------------------------


def test_json_by_path() -> None:
    validator = rule(
        rel=1e-9,
        files={
            "r__json": {
                "fields": {
                    "fit/*/mean": {"rel": 1e-3},
                    "count": {"compare": "exact"},
                    "seconds": {"compare": "ignore"},
                    "fit/1/mean": {"rel": 0.5},
                }
            }
        },
    )
    document = {"fit": [{"mean": 1.0}, {"mean": 1.0}], "count": 3, "seconds": 1.5, "x": 2.0}

    def against(**changes: object) -> str:
        return compare(
            validator, "r__json", json.dumps(document), json.dumps({**document, **changes})
        ).outcome

    assert against(seconds=99) == "agree"
    assert against(seconds=[{}]) == "agree"
    assert against(x=2.0 + 1e-9) == "agree"
    assert against(x=2.0 + 1e-8) == "differ"
    assert against(x=True) == "differ"
    assert against(count=3.0) == "agree"
    assert against(count=4) == "differ"
    assert against(fit=[{"mean": 1.0005}, {"mean": 1.3}]) == "agree"
    assert against(fit=[{"mean": 1.3}, {"mean": 1.0}]) == "differ"
    assert against(fit=[{"mean": 1.0}]) == "differ"
    assert against(more=1) == "differ"


def test_json_fields_below_an_ignored_one_are_looked_at_still() -> None:
    validator = rule(files={"r__json": {"fields": {"m": {"compare": "ignore"}, "m/x": {}}}})
    assert compare(validator, "r__json", '{"m":{"x":1,"y":2}}', '{"m":{"x":1}}').outcome == "agree"
    assert compare(validator, "r__json", '{"m":{"x":1}}', '{"m":{"x":2}}').outcome == "differ"
    assert compare(validator, "r__json", '{"m":{"x":1}}', '{"m":[1]}').outcome == "differ"


@pytest.mark.parametrize(
    ("fields", "good", "bad"),
    [
        ({"a/b": {"required": True}}, '{"a":{"b":null}}', '{"a":{}}'),
        ({"a/b": {"required": True}}, '{"a":{"b":0}}', "{}"),
        ({"a/*/b": {"required": True}}, '{"a":[{"b":1}]}', '{"a":[{"b":1},{}]}'),
        ({"a": {"type": "integer"}}, '{"a":3}', '{"a":3.5}'),
        ({"a": {"type": "number"}}, '{"a":3.5}', '{"a":true}'),
        ({"a": {"type": "list"}}, '{"a":[]}', '{"a":{}}'),
        ({"a": {"min": 0}}, '{"a":[1,{"c":2}]}', '{"a":[1,{"c":-2}]}'),
        ({"a": {"finite": True}}, '{"a":1e308}', '{"a":NaN}'),
        ({"a": {"max": 1}}, '{"a":0}', '{"a":"0"}'),
        ({"p/*/w": {"sum": 1, "sum_within": 1e-9}}, '{"p":[{"w":0.4},{"w":0.6}]}', '{"p":[]}'),
        ({"p/*/w": {"sum": 1}}, '{"p":[{"w":1}]}', '{"p":[{"w":1.1}]}'),
        ({"t": {"order": "rising"}}, '{"t":[1,2,3]}', '{"t":[1,3,2]}'),
        ({"x~1y": {"max": 1}}, '{"x/y":1}', '{"x/y":2}'),
    ],
)  # fmt: skip
def test_json_checks(fields: dict, good: str, bad: str) -> None:
    validator = rule(files={"r__json": {"fields": fields}})
    assert look(validator, r__json=good).outcome == "good"
    assert look(validator, r__json=bad).outcome == "failed"


@pytest.mark.parametrize("text", ["", "{", '{"a":1,"a":2}', "[1,]", "[" * 100_000, "1" * 5000])
def test_json_that_cannot_be_read(text: str) -> None:
    assert look(rule(files={"r__json": {}}), r__json=text).outcome == "unreadable"


# -- CSV ------------------------------------------------------------------------------------------


def test_csv_by_column() -> None:
    fields = {"name": {"compare": "exact"}, "host": {"compare": "ignore"}, "v": {"abs": 0.1}}
    validator = rule(files={"t__csv": {"skip": ["#"], "fields": fields}})
    first = "# Tuesday\nname,host,v\nx,one,1.0\ny,one,2\n"
    assert compare(validator, "t__csv", first, "name,host,v\nx,two,1.05\ny,,1.95\n")[0] == "agree"
    assert compare(validator, "t__csv", first, "name,host,v\nz,one,1.0\ny,one,2\n")[0] == "differ"
    assert compare(validator, "t__csv", first, "name,host,v\nx,one,1.2\ny,one,2\n")[0] == "differ"
    assert compare(validator, "t__csv", first, "name,host,v\nx,one,1.0\n")[0] == "differ"
    assert compare(validator, "t__csv", first, "name,v,host\nx,1.0,one\n")[0] == "differ"


@pytest.mark.parametrize(
    ("keys", "good", "bad"),
    [
        ({"columns": ["a", "b"]}, "a,b\n1,2\n", "b,a\n1,2\n"),
        ({"rows": 2}, "a\n1\n2\n", "a\n1\n"),
        ({"min_rows": 1}, "a\n1\n", "a\n"),
        ({"max_rows": 1}, "a\n1\n", "a\n1\n2\n"),
        ({"fields": {"a": {"required": True}}}, "a\n", "b\n"),
        ({"fields": {"a": {"type": "number"}}}, "a\n1e5\n", "a\nx\n"),
        ({"fields": {"a": {"type": "integer"}}}, "a\n1\n", "a\n1.5\n"),
        ({"fields": {"a": {"type": "text"}}}, "a\nx\n", "a\n1\n"),
        ({"fields": {"a": {"min": 0}}}, "a,b\n1,-5\n", "a,b\n-1,5\n"),
        ({"fields": {"*": {"min": 0}}}, "a,b\n1,5\n", "a,b\n1,-5\n"),
        ({"fields": {"a": {"order": "rising"}}}, "a\n1\n2\n", "a\n2\n1\n"),
        ({"fields": {"a": {"sum": 1, "sum_within": 0.01}}}, "a\n0.5\n0.5\n", "a\n0.5\n"),
        ({"header": False, "fields": {"2": {"max": 9}}}, "1,2\n3,4\n", "1,2\n3,40\n"),
        ({}, "a,b\n1,2\n", "a,b\n1\n"),
        ({"delimiter": ";", "fields": {"b": {"max": 1}}}, "a;b\n5;1\n", "a;b\n1;5\n"),
    ],
)
def test_csv_checks(keys: dict, good: str, bad: str) -> None:
    validator = rule(files={"t__csv": keys})
    assert look(validator, t__csv=good).outcome == "good"
    assert look(validator, t__csv=bad).outcome == "failed"


@pytest.mark.parametrize(
    "data",
    [
        b"a,a\n1,2\n",
        b"a\n\xff\n",
        b'a\n"x\n',
        b"a\nx\ry\n",
        b"a" * 2_000_000,
        b'a,b\n"\n' + b'","\n' * 500_000,
        b"," * 20_000,
    ],
)
def test_csv_that_cannot_be_read(data: bytes) -> None:
    assert look(rule(files={"t__csv": {}}), t__csv=data).outcome == "unreadable"


# -- text -----------------------------------------------------------------------------------------


def test_text_words_equal_and_numbers_near() -> None:
    validator = rule(abs=0.01, files={"o__txt": {"skip": ["date"]}})
    first = "date Tuesday\nx = 1.000, error=(-0.5)\nrun12 done\n"
    near = "x =  1.001, error=(-0.501)\nrun12 done\n"
    assert compare(validator, "o__txt", first, near)[0] == "agree"
    assert compare(validator, "o__txt", first, "x = 1.1, error=(-0.5)\nrun12 done\n")[0] == "differ"
    assert compare(validator, "o__txt", first, "y = 1.0, error=(-0.5)\nrun12 done\n")[0] == "differ"
    assert compare(validator, "o__txt", "run12", "run12.001")[0] == "differ", "a name, no number"
    assert compare(validator, "o__txt", "a b", "a  b")[0] == "agree"
    assert compare(validator, "o__txt", "a\n", "a\nb\n")[0] == "differ"


def test_text_checks() -> None:
    validator = rule(files={"o__txt": {"rows": 2, "fields": {"*": {"min": 0}}}})
    assert look(validator, o__txt="a 1\nb 2\n").outcome == "good"
    assert look(validator, o__txt="a -1\nb 2\n").outcome == "failed"
    assert look(validator, o__txt="a 1\n").outcome == "failed"
    assert look(validator, o__txt=b"\xfe\n").outcome == "unreadable"


# -- arrays ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f8", "i1", "u8", "c8", ">c16"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_every_kind_of_number(dtype: str, order: str) -> None:
    validator = rule(files={"a__npy": {"rel": 0.01}})
    one = np.asarray(np.arange(6).reshape(2, 3) + 50, dtype=dtype, order=order)  # type: ignore[call-overload]
    other = one.copy(order="K")
    assert compare(validator, "a__npy", npy(one), npy(other))[0] == "agree"
    other[1, 2] = 56 if "i" not in dtype and "u" not in dtype else 55
    expected = "differ" if (one != other).any() and 1 / 56 > 0.01 else "agree"
    assert compare(validator, "a__npy", npy(one), npy(other))[0] == expected
    if "f" in dtype or "c" in dtype:
        other[1, 2] = 55.25
        assert compare(validator, "a__npy", npy(one), npy(other))[0] == "agree"


def test_an_array_larger_than_a_piece_is_compared_to_its_last_element() -> None:
    validator = rule(files={"a__npy": {"abs": 0.5}})
    one = np.zeros(400_000)
    other = one.copy()
    other[-1] = 0.25
    assert compare(validator, "a__npy", npy(one), npy(other))[0] == "agree"
    other[-1] = 1
    found = compare(validator, "a__npy", npy(one), npy(other))
    assert found == ("differ", "a.npy: element 399999: 0.0 and 1.0")


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ({"shape": [-1, 2]}, np.zeros((3, 2)), np.zeros((2, 3))),
        ({"dtype": "float64"}, np.zeros(2), np.zeros(2, "f4")),
        ({"finite": True}, np.zeros(2), np.array([1.0, np.nan])),
        ({"min": 0, "max": 1}, np.ones(2), np.array([0.5, 1.5])),
        ({"order": "rising"}, np.arange(3), np.array([0, 0])),
        ({"sum": 1, "sum_within": 1e-9}, np.full(10, 0.1), np.full(9, 0.1)),
        ({"min": 0}, np.ones(1), np.ones(1, complex)),
        ({"finite": True}, np.ones(1), np.array(["text"])),
    ],
)
def test_array_checks(field: dict, good: np.ndarray, bad: np.ndarray) -> None:
    alone = rule(files={"a__npy": {"fields": {"*": field}}})
    assert look(alone, a__npy=npy(good)).outcome == "good"
    assert look(alone, a__npy=npy(bad)).outcome == "failed"
    packed = rule(files={"a__npz": {"fields": {"x": {**field, "required": True}}}})
    assert look(packed, a__npz=npz(x=good, y=bad)).outcome == "good"
    assert look(packed, a__npz=npz(x=bad)).outcome == "failed"
    assert look(packed, a__npz=npz(y=good)).outcome == "failed"


def test_arrays_of_other_shapes_types_or_orders_differ() -> None:
    validator = rule(rel=1, files={"a__npy": {}})
    base = npy(np.ones((2, 3)))
    for other in (np.ones((3, 2)), np.ones((2, 3), "f4"), np.ones((2, 3), order="F"), np.ones(6)):
        assert compare(validator, "a__npy", base, npy(other))[0] == "differ"


def test_npz_by_array() -> None:
    validator = rule(files={"a__npz": {"fields": {"x": {"abs": 0.1}, "t": {"compare": "ignore"}}}})
    one, x = np.ones(3), np.ones(3) + 0.05
    first = npz(x=one, y=one, t=one)
    assert compare(validator, "a__npz", first, npz(x=x, y=one, t=x))[0] == "agree"
    assert compare(validator, "a__npz", first, npz(x=x, y=one))[0] == "agree"
    assert compare(validator, "a__npz", first, npz(x=one, y=x, t=one))[0] == "differ"
    assert compare(validator, "a__npz", first, npz(x=one, t=one))[0] == "differ"


def hand_made(header: bytes, body: bytes = b"", version: bytes = b"\1\0") -> bytes:
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header + body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        npy(np.array([{"a": 1}], dtype=object)),
        npy(np.zeros(2, dtype=[("a", "f8")])),
        npy(np.zeros(2))[:-1],
        npy(np.zeros(2)) + b"x",
        npy(np.zeros(2, "longdouble")),
        hand_made(b"{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999,), }"),
        hand_made(b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }"),
        hand_made(b"__import__('os').system('true')"),
        hand_made(b"{'descr': '<f8', 'fortran_order': False, 'shape': ()" + b" " * 60_000),
        hand_made(b"{}", version=b"\4\0"),
    ],
)
def test_npy_that_cannot_be_read(data: bytes) -> None:
    assert look(rule(files={"a__npy": {}}), a__npy=data).outcome == "unreadable"


def zipped(count: int = 1, data: bytes = b"", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for n in range(count):
            archive.writestr(f"{n}.npy", data)
    return file.getvalue()


BOMB = hand_made(b"{'descr': '|u1', 'fortran_order': False, 'shape': (300000000,), }")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\5\6" + bytes(8) + b"\xff" * 8 + bytes(2),
        zipped(1, b"no array"),
        zipped(2_000, npy(np.zeros(1)), zipfile.ZIP_STORED),
        zipped(30_000, b"", zipfile.ZIP_STORED),
        zipped(1, BOMB + bytes(300_000_000)),
        zipped(1, npy(np.zeros(9)), zipfile.ZIP_BZIP2),
        zipped(1, npy(np.arange(900.0)))[:-30],
        zipped(1, npy(np.arange(900.0)), zipfile.ZIP_STORED).replace(b"\0\0@", b"\0\1@"),
    ],
)
def test_npz_that_cannot_be_read(data: bytes) -> None:
    assert look(rule(files={"a__npz": {}}), a__npz=data).outcome == "unreadable"


# -- rules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"rel":2}', "between 0 and 1"),
        (b'{"abs":-1}', "zero or more"),
        (b'{"tolerance":1}', "unknown field"),
        (b'{"files":{"a.json":{"fields":{"x":{"tol":1}}}}}', "unknown field"),
        (b'{"files":{"../a":{}}}', "empty, . or .."),
        (b'{"files":{"a.bin":{"fields":{"x":{}}}}}', "need a format"),
        (b'{"files":{"a.json":{"rows":1}}}', "belongs to the formats csv"),
        (b'{"files":{"a.npy":{"fields":{"x":{}}}}}', 'call its one field "*"'),
        (b'{"files":{"a.json":{"fields":{"x":{"shape":[1]}}}}}', "npy and npz"),
        (b'{"files":{"a.npy":{"fields":{"*":{"dtype":"object"}}}}}', "not known here"),
        (b'{"files":{"a.csv":{"delimiter":"ab"}}}', "one ASCII character"),
        (b'{"files":{"a.csv":{"fields":{"x":{"min":2,"max":1}}}}}', "greater than max"),
        (b'{"files":{"a.csv":{"fields":{"x":{"sum_within":1}}}}}', "sum_within"),
        (b'{"rel":', "truncated"),
    ],
)
def test_a_rule_that_is_wrong_is_told_with_a_remedy(text: bytes, words: str) -> None:
    with pytest.raises(RuleError, match=words.replace("*", r"\*")):
        parse_validator(text)


def test_the_hash_is_of_what_the_rule_says_and_of_the_program() -> None:
    one = rule(rel=1e-9)
    assert one.digest() == rule(rel=1e-9, abs=0.0).digest()
    assert one.digest() != rule(rel=1e-8).digest()
    assert one.digest(b"x") == one.digest(b"y"), "a release matters for its program alone"
    own = rule(program="compare")
    assert own.digest(b"x") != own.digest(b"y")
