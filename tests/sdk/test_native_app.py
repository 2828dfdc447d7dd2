"""Native apps on the author's side: read, built for every platform, run here, released."""

import sys
from pathlib import Path

import pytest

from idlegrid.appfile import read_app
from idlegrid.build import build_app
from idlegrid.fault import AppFileError, BuildError, InputError
from idlegrid.local import run_local
from idlegrid.release import make_releases
from idlegrid_shared.box.native.wall import native_platform

SOURCE = """
#include <stdio.h>
#include <stdlib.h>
#include "idlegrid.h"
int main(int count, char **args) {
    FILE *out = fopen(IDLEGRID_OUT "square", "w");
    double x = atof(args[1]);
    idlegrid_progress(0.5);
    fprintf(out, "%g\\n", x * x);
    fclose(out);
    idlegrid_progress(1.0);
    return count == 2 ? 0 : 1;
}
"""
TOTAL = """
#include <stdio.h>
int main(void) {
    char line[4096];
    FILE *out = fopen("/out/total", "w"), *units = fopen("/in/units.jsonl", "r");
    int n = 0;
    while (units && fgets(line, sizeof line, units)) n++;
    fprintf(out, "%d units\\n", n);
    return fclose(out);
}
"""
APP = """
[app]
name = "square"
version = "1.0.0"
runtime = "native"
homogeneous = "system"

[programs.square]
sources = ["square.c"]
{more}

[programs.total]
runtime = "wasm"
sources = ["total.c"]

[split]
program = "square"
table = "units.csv"
args = ["{{x}}"]

[combine]
program = "total"
"""


def write_app(folder: Path, more: str = "", **changes: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = APP.format(more=more)
    for old, new in changes.items():
        text = text.replace(old.replace("_", " "), new)
    (folder / "app.toml").write_text(text)
    (folder / "square.c").write_text(SOURCE)
    (folder / "total.c").write_text(TOTAL)
    (folder / "units.csv").write_text("x\n2\n3\n-4\n")
    return folder


@pytest.fixture(scope="module")
def built_app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_app(tmp_path_factory.mktemp("native") / "app")


@pytest.mark.skipif(sys.platform != "linux", reason="native programs run on Linux only")
def test_a_batch_runs_here_in_the_box_of_the_grid(built_app: Path, tmp_path: Path) -> None:
    answer = run_local(read_app(built_app), tmp_path / "out")
    assert answer.units == 3
    assert (tmp_path / "out" / "total").read_text() == "3 units\n"
    assert answer.usage["square"].ops_max == 0


def test_one_release_for_each_platform_and_one_version(built_app: Path) -> None:
    app = read_app(built_app)
    built = build_app(app)
    releases = make_releases(app, built)
    assert [release.platform for release in releases] == ["linux-aarch64", "linux-x86_64"]
    assert {release.version for release in releases} == {"1.0.0"}
    modules = [release.program("square").module.sha256 for release in releases]
    assert len(set(modules)) == 2
    assert len({release.program("total").module.sha256 for release in releases}) == 1
    for release in releases:
        assert release.runtime_of(release.program("total")) == "wasm"
        assert release.profile_of() == f"native-{release.platform}"
        assert release.profile_of(release.program("total")) == release.profile.name
        assert release.homogeneous == "system"
    again = build_app(app)
    assert not again["square"].on("linux-aarch64").compiled
    assert make_releases(app, again) == releases


def test_finished_executables_must_be_of_their_platform(built_app: Path, tmp_path: Path) -> None:
    built = build_app(read_app(built_app))["square"]
    right = built.on("linux-x86_64").path
    more = 'executables = { "linux-x86_64" = "bin" }'
    folder = write_app(tmp_path / "right", more)
    text = (folder / "app.toml").read_text().replace('sources = ["square.c"]\n', "")
    (folder / "app.toml").write_text(text)
    (folder / "bin").write_bytes(right.read_bytes())
    assert list(build_app(read_app(folder))["square"].variants) == ["linux-x86_64"]
    (folder / "bin").write_bytes(built.on("linux-aarch64").path.read_bytes())
    with pytest.raises(BuildError, match="made for aarch64, not for linux-x86_64"):
        build_app(read_app(folder))
    (folder / "bin").write_text("#!/bin/sh")
    with pytest.raises(BuildError, match="no 64-bit Linux executable"):
        build_app(read_app(folder))


def test_an_app_for_other_platforms_is_not_run_here(tmp_path: Path) -> None:
    other = {"linux-x86_64": "linux-aarch64"}.get(native_platform(), "linux-x86_64")
    folder = write_app(tmp_path / "app", f'platforms = ["{other}"]')
    with pytest.raises(InputError, match=f"made for {other}, not for"):
        run_local(read_app(folder), tmp_path / "out")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('sources = ["square.c"]', "", "give either sources"),
        ("homogeneous", "platform", "platform"),
        ('homogeneous = "system"', 'homogeneous = "planet"', "is not known here"),
        ('runtime = "native"', 'runtime = "wasm"', "is not needed: wasm programs give the same"),
        ('runtime = "wasm"', 'runtime = "native"\nplatforms = ["linux-x86_64"]', "must run on the"),
        ('sources = ["square.c"]', 'sources = ["square.c"]\nplatforms = ["solaris"]', "run on"),
        ('runtime = "native"', 'runtime = "native"\ncheckpoint = "auto"', "not possible for"),
        ('runtime = "native"', 'runtime = "native"\ncheckpoint = "app"', "not possible for"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    folder = write_app(tmp_path / "app")
    text = (folder / "app.toml").read_text()
    assert old in text
    (folder / "app.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(AppFileError, match=words):
        read_app(folder)


def test_a_native_program_needs_a_native_app(tmp_path: Path) -> None:
    folder = write_app(tmp_path / "app")
    text = (folder / "app.toml").read_text()
    text = text.replace('runtime = "native"\nhomogeneous = "system"', "")
    text = text.replace('runtime = "wasm"', 'runtime = "native"')
    (folder / "app.toml").write_text(text)
    with pytest.raises(AppFileError, match="must be the runtime of the app"):
        read_app(folder)
