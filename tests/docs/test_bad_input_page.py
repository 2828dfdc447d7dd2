"""docs/bad-input.md promises a test for every mistake: each of them exists."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "bad-input.md"
ROW = re.compile(r"^\| (?!what is wrong)[^-].*\| `([^`]+)` \|$", re.MULTILINE)
#: What the page must speak of, whatever else it does.
SUBJECTS = (
    *("wrong address", "wrong version", "unknown device key", "revoked device key"),
    *("bad signature", "too large", "malformed", "hash does not match", "beyond the size"),
    *("disk is full", "missing file", "0 lines", "more lines than the limit"),
    *("traps", "loops for ever", "allocates without end", "writes too much"),
)


def test_every_mistake_has_a_test_that_exists() -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")][1:]
    named = ROW.findall(PAGE.read_text("utf-8"))
    assert len(named) == len(rows), "a row names no test"
    for name in named:
        path, _, test = name.partition("::")
        assert (ROOT / path).is_file(), name
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert test in functions, f"there is no {name}"


def test_no_mistake_is_left_out() -> None:
    text = PAGE.read_text("utf-8")
    assert [subject for subject in SUBJECTS if subject not in text] == []
