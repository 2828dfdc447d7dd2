"""``validator`` in app.toml: read, refused with a remedy, and put into the release."""

from pathlib import Path

import msgspec
import pytest

from idlegrid.appfile import read_app
from idlegrid.build import build_app
from idlegrid.fault import AppFileError, InputError
from idlegrid.release import make_release, release_body_hash
from idlegrid.validation import read_rule
from idlegrid_shared.documents import Release

from .tiny_app import APP_TOML, write_app

TABLE = """\
[programs.square.validator]
rel = 1e-9

[programs.square.validator.files."result.json"]
fields = { "mean" = { min = 0.0, required = true }, "seconds" = { compare = "ignore" } }
"""


def written(folder: Path, more: str, before: str = "[split]") -> Path:
    app = write_app(folder, [1, 2])
    toml = APP_TOML.replace(before, more + "\n" + before)
    (app / "app.toml").write_text(toml)
    return app


def test_the_rules_of_a_table_are_in_the_release(tmp_path: Path) -> None:
    app = read_app(written(tmp_path / "app", TABLE))
    rule = app.programs["square"].validator
    assert rule is not None
    assert rule.rel == 1e-9
    assert rule.files["result.json"].fields["mean"].min == 0
    release = make_release(app, build_app(app))
    again = msgspec.json.decode(msgspec.json.encode(release), type=Release)
    assert again.program("square").rules() == rule
    assert again.program("total").rules() is None
    assert again == release


def test_bitwise_is_what_a_release_without_a_validator_says(tmp_path: Path) -> None:
    plain = read_app(write_app(tmp_path / "plain", [1, 2]))
    said = read_app(written(tmp_path / "said", 'validator = "bitwise"', "[programs.total]"))
    assert said.programs["square"].validator is None
    bodies = [msgspec.json.encode(make_release(app, build_app(app))) for app in (plain, said)]
    assert bodies[0] == bodies[1]
    assert b"validator" not in bodies[0]
    assert release_body_hash(make_release(plain, build_app(plain)))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("[programs.square.validator]\nrel = 3", "rel = 3.0 must lie between 0 and 1"),
        ("[programs.square.validator]\ntol = 3", "unknown field `tol`"),
        ('[programs.square.validator]\nprogram = "x"', "there is no [programs.x]"),
        ("[programs.total.validator]\nrel = 0.1", "only outputs of the program of [split], square"),
        ("[programs.square.validator]\nfiles = 2020-01-01", "validator"),
    ],
)
def test_a_wrong_rule_is_told_with_its_place(tmp_path: Path, more: str, words: str) -> None:
    with pytest.raises(AppFileError) as caught:
        read_app(written(tmp_path / "app", more))
    assert words in str(caught.value)
    assert "app.toml" in str(caught.value)


def test_a_word_that_is_no_validator(tmp_path: Path) -> None:
    app = written(tmp_path / "app", 'validator = "loose"', "[programs.total]")
    with pytest.raises(AppFileError, match='must be "bitwise", or a section'):
        read_app(app)


def test_a_rule_in_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "rule.toml"
    path.write_text("rel = 1e-6\n")
    rule = read_rule(path)
    assert rule is not None
    assert rule.rel == 1e-6
    path.write_text("[validator]\nabs = 2.0\n")
    rule = read_rule(path)
    assert rule is not None
    assert rule.abs == 2
    for text in ("", 'validator = "bitwise"\n'):
        path.write_text(text)
        assert read_rule(path) is None


@pytest.mark.parametrize("text", ["rel = ", "rel = 5", "validator = 3", "what = 1"])
def test_a_file_that_holds_no_rule(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rule.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"rule\.toml"):
        read_rule(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_rule(tmp_path / "nothing.toml")
