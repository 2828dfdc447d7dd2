"""Container apps on the author's side: an image from a folder, run here, released."""

import subprocess
import sys
from pathlib import Path

import pytest

from idlegrid.appfile import read_app
from idlegrid.build import build_app
from idlegrid.fault import AppFileError, BuildError
from idlegrid.local import run_local
from idlegrid.release import make_releases
from idlegrid_shared.box.container.process import read_entry
from idlegrid_shared.box.native.wall import native_platform
from tests.engine import working_engine

from .test_native_app import SOURCE, TOTAL

INCLUDE = Path(__file__).parents[2] / "sdk" / "idlegrid" / "include"
APP = """
[app]
name = "square"
version = "1.0.0"
runtime = "container"

[programs.square]
folder = "image"
command = ["/bin/square"]

[programs.total]
runtime = "wasm"
sources = ["total.c"]

[split]
program = "square"
table = "units.csv"
args = ["{x}"]

[combine]
program = "total"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "app"
    (place / "image" / "bin").mkdir(parents=True)
    (place / "app.toml").write_text(APP)
    (place / "square.c").write_text(SOURCE)
    (place / "total.c").write_text(TOTAL)
    (place / "units.csv").write_text("x\n2\n3\n")
    command = ["gcc", "-static", "-O1", f"-I{INCLUDE}", "-o", str(place / "image/bin/square")]
    subprocess.run([*command, str(place / "square.c")], check=True)
    return place


@pytest.mark.skipif(sys.platform != "linux", reason="containers run on Linux only")
def test_a_batch_runs_here_in_containers(folder: Path, tmp_path: Path) -> None:
    working_engine()
    answer = run_local(read_app(folder), tmp_path / "out")
    assert answer.units == 2
    assert (tmp_path / "out" / "total").read_text() == "2 units\n"


def test_the_release_names_the_image_and_what_is_started(folder: Path) -> None:
    app = read_app(folder)
    built = build_app(app)
    (release,) = make_releases(app, built)
    assert release.platform == "linux-x86_64"
    assert release.profile_of() == "container-linux-x86_64"
    image, command = read_entry(release.program("square").entry)
    assert command == ("/bin/square",)
    assert make_releases(app, build_app(app)) == (release,)
    (folder / "image" / "data").write_text("more")
    (other,) = make_releases(app, build_app(app))
    assert read_entry(other.program("square").entry)[0] != image
    archive = build_app(app)["square"].path
    text = APP.replace('folder = "image"', 'archive = "finished.tar"')
    (folder / "finished.tar").write_bytes(archive.read_bytes())
    (folder / "app.toml").write_text(text.replace('command = ["/bin/square"]', ""))
    finished = build_app(read_app(folder))["square"]
    assert finished.start == read_entry(other.program("square").entry)[0]


def test_an_archive_of_something_else_is_refused(folder: Path) -> None:
    text = APP.replace('folder = "image"', 'archive = "units.csv"')
    (folder / "app.toml").write_text(text)
    with pytest.raises(BuildError, match="no archive of an image"):
        build_app(read_app(folder))


def test_an_image_for_another_platform_is_refused(folder: Path) -> None:
    archive = build_app(read_app(folder))["square"].path
    (folder / "finished.tar").write_bytes(archive.read_bytes())
    text = APP.replace('folder = "image"', 'archive = "finished.tar"\nplatform = "linux-aarch64"')
    (folder / "app.toml").write_text(text)
    with pytest.raises(BuildError, match="is for linux-x86_64, but"):
        build_app(read_app(folder))
    assert native_platform().startswith("linux-")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('folder = "image"', "", "give either folder"),
        ('folder = "image"', 'folder = "none"', "there is no folder"),
        ('folder = "image"', 'folder = "../x"', "inside the app"),
        ('command = ["/bin/square"]', 'command = ["square"]', "must begin with a path"),
        ('command = ["/bin/square"]', "", "is missing"),
        ('folder = "image"', 'folder = "image"\nplatform = "vax"', "run on"),
    ],
)
def test_mistakes_are_named(folder: Path, old: str, new: str, words: str) -> None:
    (folder / "app.toml").write_text(APP.replace(old, new, 1))
    with pytest.raises(AppFileError, match=words):
        read_app(folder)
