"""docs/lifecycle.md and the tests cannot part: each edge has a test or is said not to apply."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "lifecycle.md").read_text(encoding="utf-8")
EDGES = (ROOT / "tests" / "unit" / "test_lifecycle_edges.py").read_text(encoding="utf-8")


def test_every_edge_of_the_model_stands_in_the_page() -> None:
    listed = [int(number) for number in re.findall(r"^\| E(\d+) \|", PAGE, re.MULTILINE)]
    assert listed == list(range(1, 43))


def test_every_edge_that_applies_has_a_test_of_its_name_and_no_other_has() -> None:
    tested = {int(number) for number in re.findall(r"^def test_e(\d+)_", EDGES, re.MULTILINE)}
    rows = re.findall(r"^\| E(\d+) \|[^|]*\| (.*?) \|$", PAGE, re.MULTILINE)
    applying = {int(number) for number, here in rows if not here.startswith("n/a")}
    assert tested == applying


def test_every_test_that_the_page_names_exists() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/test_*.py"))
    for name in re.findall(r"`(test_[a-z0-9_]+)`", PAGE):
        assert f"def {name}(" in sources, f"{name} is named in docs/lifecycle.md and does not exist"
    for path in re.findall(r"`(tests/[a-z_/]+\.py)`", PAGE):
        assert (ROOT / path).exists(), f"{path} is named in docs/lifecycle.md and does not exist"
