"""``requires`` in app.toml, and whose hosts a batch is for."""

from pathlib import Path

import pytest

from idlegrid.appfile import read_app
from idlegrid.build import build_app
from idlegrid.fault import AppFileError, InputError
from idlegrid.release import make_releases
from idlegrid.submission import Wanted, make_spec
from idlegrid_shared.requirement import Requirements

from .tiny_app import APP_TOML, write_app


def asking(tmp_path: Path, words: str) -> Path:
    toml = APP_TOML.replace("[programs.square]", f"[programs.square]\nrequires = {words}")
    return write_app(tmp_path / "app", [1], toml)


def test_what_a_program_requires_stands_in_its_release(tmp_path: Path) -> None:
    words = '{ cores = 4, disk_mb = 500, features = ["fma", "avx2"] }'
    app = read_app(asking(tmp_path, words))
    wanted = Requirements(4, 500 * 2**20, ("avx2", "fma"))
    assert app.programs["square"].requires == wanted
    assert app.programs["total"].requires is None
    (release,) = make_releases(app, build_app(app))
    assert release.program("square").requirements() == wanted
    assert release.program("total").requirements() == Requirements()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ('{ features = ["mmx2000"] }', "'mmx2000' is not known"),
        ("{ cores = 0 }", "between 1 and"),
        ("{ core = 2 }", "did you mean cores"),
        ("5", "must be a section"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, words: str, told: str) -> None:
    with pytest.raises(AppFileError, match=told):
        read_app(asking(tmp_path, words))


@pytest.mark.parametrize(
    ("wanted", "assign"),
    [
        (Wanted(), None),
        (Wanted(hosts=("own",)), {"to": "own"}),
        (Wanted(hosts=("house",), each_host=True), {"to": "house", "each": True}),
        (Wanted(hosts=("host_1", "host_2")), {"to": "hosts", "hosts": ("host_1", "host_2")}),
    ],
)
def test_whose_hosts_a_batch_is_for_stands_in_its_spec(
    tmp_path: Path, wanted: Wanted, assign: object
) -> None:
    wanted.check()
    app = read_app(write_app(tmp_path / "app", [1]))
    spec = make_spec(app, wanted, "0" * 64, {"map": [], "combine": []})
    assert spec.get("assign") == assign


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted(each_host=True), "name hosts"),
        (Wanted(hosts=("own", "host_1")), "not several"),
    ],
)
def test_contradictions_are_told_before_anything_is_sent(wanted: Wanted, told: str) -> None:
    with pytest.raises(InputError, match=told):
        wanted.check()
