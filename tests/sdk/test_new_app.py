"""``idlegrid app new``: what it writes works, in every language, and gives the same answer."""

import json
import os
from pathlib import Path

import pytest

from idlegrid.appfile import read_app
from idlegrid.build import build_app
from idlegrid.cli import run
from idlegrid.fault import BuildError
from idlegrid.local import run_local
from idlegrid.newapp import STARTER
from idlegrid.rust import rust_target
from tests.python.cache import prepared

#: Debian's Rust, whatever else is installed: .ci/run brings its WebAssembly target.
DEBIAN = "/usr/bin:/bin"
ANSWER = {"primes": 2262, "units": 1, "missing": 0}  # primes below 20,000: a known number


@pytest.fixture
def rust_of(monkeypatch):
    """Look for Rust nowhere but in ``path``."""

    def choose(path: str) -> None:
        monkeypatch.setenv("PATH", path)
        rust_target.cache_clear()

    yield choose
    rust_target.cache_clear()


def answer_of(folder: Path, language: str) -> dict[str, int]:
    assert run(("app", "new", str(folder), "--language", language)) == 0
    app = read_app(folder)
    assert app.name == folder.name
    (folder / "units.csv").write_text("from,to\n0,20000\n")
    run_local(app, folder / "answer")
    return json.loads((folder / "answer/answer.json").read_bytes())


@pytest.mark.parametrize("language", ["c", "cpp"])
def test_a_compiled_app_works(language: str, tmp_path: Path) -> None:
    assert answer_of(tmp_path / "my-primes", language) == ANSWER


def test_an_app_in_python_works(tmp_path: Path) -> None:
    with prepared("cpython"):
        assert answer_of(tmp_path / "my-primes", "python") == ANSWER


def test_an_app_in_rust_works(tmp_path: Path, rust_of) -> None:
    rust_of(DEBIAN)
    assert answer_of(tmp_path / "my-primes", "rust") == ANSWER


@pytest.mark.parametrize(
    ("rustc", "words"),
    [
        (None, "need cargo, which is not installed"),
        ("#!/bin/sh\nexit 1\n", "its target wasm32-wasip1 is not installed; `rustup target add"),
    ],
)
def test_without_rust_or_its_target_the_way_to_it_is_told(
    rustc: str | None, words: str, tmp_path: Path, rust_of
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("cargo", "rustc") if rustc else ():
        (tools / name).write_text(rustc)
        (tools / name).chmod(0o755)
    rust_of(str(tools))
    folder = tmp_path / "primes"
    assert run(("app", "new", str(folder), "--language", "rust")) == 0
    with pytest.raises(BuildError, match=words):
        build_app(read_app(folder))


def test_every_starter_names_its_app_by_the_placeholder() -> None:
    languages = [path for path in STARTER.iterdir() if path.name != "all"]
    assert len(languages) == 4
    for language in languages:
        assert 'name = "my-app"' in (language / "app.toml").read_text("utf-8")
        assert not os.path.lexists(language / "units.csv"), "it is the same for all"
