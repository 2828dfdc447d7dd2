"""`idlegrid-server runtime`: added once, by the release key's word, and served to everybody."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from idlegrid.python_runtime import runtime_folder, runtime_places
from idlegrid_server.files import ContentStore
from idlegrid_server.project import open_project
from idlegrid_server.runtime_store import RuntimeAddError, add_runtime
from idlegrid_server.store.sql.app import APP_BY_NAME, RUNTIMES
from idlegrid_server.store.sql.file import FILE_BY_HASH
from idlegrid_server.store_access import opened_store
from idlegrid_shared.runtime.bundle import write_bundle
from idlegrid_shared.runtime.catalogue import known_runtimes
from idlegrid_shared.signing import new_key, public_hex, sign_document
from tests.python.cache import prepared

KNOWN = known_runtimes()["cpython"]


def admin(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "idlegrid_server", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with prepared("cpython"):
        runtime_places("cpython")
        files = {sha256: runtime_folder() / sha256 for sha256 in KNOWN.release.needs()}
    path = tmp_path_factory.mktemp("bundle") / "cpython.runtime"
    write_bundle(path, KNOWN.signed, files, {"LICENCE": b"PSF"})
    return path


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    admin("init", tmp_path / "lab", "--lab", "--port", 0)
    return tmp_path / "lab"


def test_a_runtime_is_added_once_and_its_files_are_public(lab: Path, bundle: Path) -> None:
    assert "None yet" in admin("runtime", "list", lab).stdout
    first = json.loads(admin("runtime", "add", lab, bundle, "--json").stdout)
    assert first == {"name": "cpython", "version": "3.12.0", "new": True}
    assert "was here already" in admin("runtime", "add", lab, bundle).stdout
    listed = json.loads(admin("runtime", "list", lab, "--json").stdout)
    assert listed == [
        {
            "name": "cpython",
            "version": "3.12.0",
            "profile": KNOWN.release.profile.name,
            "release": KNOWN.sha256,
        }
    ]
    project = open_project(lab)
    with opened_store(project) as store, store.reading() as db:
        for sha256, size in KNOWN.release.needs().items():
            row = db.fetch_one(FILE_BY_HASH, sha256=bytes.fromhex(sha256))
            assert row is not None
            assert (row.size, row.public) == (size, 1)
            stored = ContentStore(project.layout.files).path(bytes.fromhex(sha256))
            assert hashlib.sha256(stored.read_bytes()).hexdigest() == sha256
        assert len(db.fetch_all(RUNTIMES)) == 1
    assert list(project.layout.run.glob("runtime-*")) == []


def test_an_altered_bundle_leaves_nothing_behind(lab: Path, bundle: Path, tmp_path: Path) -> None:
    altered = tmp_path / "altered.runtime"
    with zipfile.ZipFile(bundle) as source, zipfile.ZipFile(altered, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, data[:-1] + b"?" if name.startswith("files/") else data)
    refused = admin("runtime", "add", lab, altered, code=1)
    assert "has other bytes than the release says: fetch it again" in refused.stderr
    assert refused.stderr.count("\n") == 1
    project = open_project(lab)
    with opened_store(project) as store, store.reading() as db:
        assert db.fetch_one(APP_BY_NAME, name="cpython") is None
        for sha256 in KNOWN.release.needs():
            assert db.fetch_one(FILE_BY_HASH, sha256=bytes.fromhex(sha256)) is None


def test_a_runtime_of_a_newer_idlegrid_is_told_as_one(
    lab: Path, bundle: Path, tmp_path: Path
) -> None:
    """Signed by the key, and not in this version's catalogue."""
    key = new_key()
    release = KNOWN.release
    other = sign_document(
        "release",
        type(release)(
            **{**{f: getattr(release, f) for f in release.__struct_fields__}, "version": "3.99"}
        ),
        key,
    )
    with zipfile.ZipFile(bundle) as archive:
        files = {}
        for sha256 in release.needs():
            files[sha256] = tmp_path / sha256
            files[sha256].write_bytes(archive.read(f"files/{sha256}"))
    write_bundle(tmp_path / "newer", other, files, {})
    project = open_project(lab)
    with opened_store(project) as store:
        with pytest.raises(RuntimeAddError, match="bring the server up to date first"):
            add_runtime(project, store, tmp_path / "newer", 1, (public_hex(key),))
        with pytest.raises(RuntimeAddError, match="which is not Idlegrid's release key"):
            add_runtime(project, store, tmp_path / "newer", 1)


def test_what_is_no_bundle(lab: Path, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"something else")
    assert (
        "is no bundle of a runtime" in admin("runtime", "add", lab, tmp_path / "x", code=1).stderr
    )
