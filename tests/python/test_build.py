"""From app.toml to the packed program: what is read, what is refused, and always the same bytes."""

import hashlib
import io
import shutil
from pathlib import Path

import pytest

from idlegrid.appfile import read_app
from idlegrid.build import build_app
from idlegrid.fault import AppFileError, BuildError
from idlegrid.release import make_release
from idlegrid_shared.box.python import open_python
from idlegrid_shared.runtime.catalogue import known_runtimes
from idlegrid_shared.sandbox.pack import read_index

from .lab import PythonLab

APP = """\
[app]
name = "lab"
version = "1"
runtime = "python"
{app}

[programs.work]
{program}

[split]
program = "work"
"""


def write(folder: Path, program: str = 'script = "src/main.py"', app: str = "") -> Path:
    (folder / "src/pkg").mkdir(parents=True)
    (folder / "src/main.py").write_text("def f(): return 1\n")
    (folder / "src/pkg/__init__.py").write_text("def g(): return 2\n")
    (folder / "app.toml").write_text(APP.format(program=program, app=app))
    return folder


@pytest.mark.parametrize(
    ("program", "start"),
    [
        ('script = "src/main.py"', "main.py"),
        ('script = "src/main.py"\nentry = "main:f"', "main:f"),
        ('folder = "src"\nentry = "main.py"', "main.py"),
        ('folder = "src"\nentry = "pkg:g"\nargs = "json"', "pkg:g json"),
        ('folder = "src"\nentry = "pkg/__init__.py"', "pkg/__init__.py"),
    ],
)
def test_what_is_started(tmp_path: Path, program: str, start: str) -> None:
    assert read_app(write(tmp_path / "app", program)).programs["work"].start == start


@pytest.mark.parametrize(
    ("program", "app", "message"),
    [
        ("", "", r"\[programs.work\] script: give either script = \"src/work.py\" or folder"),
        ('script = "src/main.py"\nfolder = "src"', "", "give either script"),
        ('script = "src/none.py"', "", "there is no file 'src/none.py'"),
        ('folder = "none"\nentry = "main.py"', "", "there is no folder 'none'"),
        ('folder = "../x"\nentry = "main.py"', "", "name a folder inside the app's"),
        ('folder = "src"', "", "entry: is missing"),
        ('folder = "src"\nentry = "none.py"', "", "there is no 'none.py'"),
        ('folder = "src"\nentry = "none:f"', "", "there is no module 'none'"),
        ('folder = "src"\nentry = "main:"', "", 'must be "main.py"'),
        ('folder = "src"\nentry = "../main.py"', "", "must be relative"),
        ('folder = "src"\nentry = "main:f"\nargs = "yaml"', "", 'must be "text" or "json"'),
        ('script = "src/main.py"\nargs = "json"', "", '"json" is for functions'),
        ('script = "src/main.py"\nsources = ["a.c"]', "", "sources: is not known here"),
        ('script = "src/main.py"', 'python = "cpython2"', 'possible are "cpython", "cpython-n'),
        ('script = "src/main.py"', "nan_canonical = true", "it is always on"),
    ],
)
def test_mistakes_in_the_app_file(tmp_path: Path, program: str, app: str, message: str) -> None:
    with pytest.raises(AppFileError, match=message):
        read_app(write(tmp_path / "app", program, app))


def test_the_release_names_its_runtime_and_has_its_profile(tmp_path: Path) -> None:
    app = read_app(write(tmp_path / "app"))
    release = make_release(app, build_app(app))
    runtime = known_runtimes()["cpython"]
    assert release.runtime == "python"
    assert release.runtime_release == runtime.sha256
    assert release.profile == runtime.release.profile
    assert release.programs[0].entry == "main.py"


def test_an_app_without_python_names_none(tmp_path: Path) -> None:
    folder = write(tmp_path / "app", 'module = "a.wasm"\nruntime = "wasm"', 'python = "cpython"')
    (folder / "a.wasm").write_bytes(b"\0asm\1\0\0\0")
    with pytest.raises(AppFileError, match="no program of this app is Python"):
        read_app(folder)


def test_equal_sources_give_equal_bytes_wherever_and_whenever(tmp_path: Path) -> None:
    one = write(tmp_path / "one", 'folder = "src"\nentry = "main.py"')
    two = shutil.copytree(one, tmp_path / "a longer place/two")
    (two / "src/main.py").touch()
    (two / "src/__pycache__").mkdir()
    (two / "src/__pycache__/main.pyc").write_bytes(b"other")
    (two / "src/.cache").write_bytes(b"other")
    built = [build_app(read_app(folder))["work"] for folder in (one, two)]
    assert built[0].entry == built[1].entry
    assert hashlib.sha256(built[0].path.read_bytes()).hexdigest() == built[0].entry.sha256
    names = [name for name, _, _ in read_index(io.BytesIO(built[0].path.read_bytes()))]
    assert names == ["idlegrid_boot.py", "idlegrid_task.py", "main.py", "pkg/__init__.py"]
    assert built[0].compiled
    assert not build_app(read_app(one))["work"].compiled, "it was up to date"


def test_names_of_our_own_and_links_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "app", 'folder = "src"\nentry = "main.py"')
    (folder / "src/link.py").symlink_to("main.py")
    with pytest.raises(BuildError, match="is a link"):
        build_app(read_app(folder))
    (folder / "src/link.py").unlink()
    (folder / "src/idlegrid_task.py").write_text("")
    with pytest.raises(BuildError, match="is Idlegrid's own"):
        build_app(read_app(folder))


def test_a_python_program_is_not_frozen_by_itself(tmp_path: Path) -> None:
    app = read_app(write(tmp_path / "app", app='checkpoint = "auto"'))
    with pytest.raises(BuildError, match="cannot be frozen by itself"):
        build_app(app)


COUNT = """
import os, time
import idlegrid_task as task
state = "/checkpoint/n"
n = int(open(state).read()) if os.path.exists(state) else 0
began = n
while n < 2000:
    n += 1
    for _ in range(2000): pass
    with open(state + ".new", "w") as file: file.write(str(n))
    os.rename(state + ".new", state)
    task.progress(n / 2000)
print(n, began > 0)
"""


def test_a_program_that_writes_its_own_checkpoints_goes_on(lab: PythonLab, tmp_path: Path) -> None:
    folder = lab.write(COUNT, more="max_ops = 1_000_000_000_000")
    toml = folder / "app.toml"
    toml.write_text(toml.read_text().replace('version = "1"', 'version = "1"\ncheckpoint = "app"'))
    order = lab.order(folder, checkpoint_dir=str(tmp_path / "saved"))
    with open_python(order) as process:
        process.launch()
        while process.progress.fraction < 0.01:
            assert process.wait(0.01) is None
        saved = process.checkpoint(stop=True)
        outcome = process.wait(30)
    assert outcome is not None
    assert outcome.reason == "killed", outcome.stderr
    order = lab.order(folder, checkpoint_dir=str(tmp_path / "saved"), resume=saved.path)
    with open_python(order) as process:
        process.launch()
        outcome = process.wait(60)
    assert outcome is not None
    assert outcome.reason == "ok", outcome.stderr
    assert (Path(order.output_dir) / "stdout").read_text() == "2000 True\n"
