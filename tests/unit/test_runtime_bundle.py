"""A runtime as one file: what is believed of it, and what is not."""

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idlegrid_shared.documents import PLATFORM_WASM, Policy, Program, Release
from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.runtime.bundle import BundleError, read_bundle, write_bundle
from idlegrid_shared.runtime.catalogue import known_runtimes, read_pinned, runtime_by_hash
from idlegrid_shared.runtime.key import RELEASE_KEYS, open_runtime
from idlegrid_shared.sandbox.limits import Limits
from idlegrid_shared.sandbox.profile import RuntimeProfile
from idlegrid_shared.signing import SignatureError, Signed, new_key, public_hex, sign_document

KEY = new_key()
KEYS = (public_hex(KEY),)
MODULE, LIBRARY = b"\0asm\1\0\0\0" * 50, b"library" * 1000
LIMITS = Limits(2**26, 10**9, 60.0, 0, 0)


def entry(name: str, data: bytes) -> ManifestEntry:
    return ManifestEntry(name, hashlib.sha256(data).hexdigest(), len(data))


def signed_runtime(key: Any = KEY, **changes: Any) -> Signed:
    program = Program(
        "python", entry("p.wasm", MODULE), LIMITS, "_start", (entry("lib.zip", LIBRARY),)
    )
    fields: dict[str, Any] = {
        "app": "toy",
        "version": "1",
        "summary": "",
        "platform": PLATFORM_WASM,
        "runtime": "runtime",
        "profile": RuntimeProfile(),
        "programs": (program,),
        "policy": Policy(),
    }
    return sign_document("release", Release(**(fields | changes)), key)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    files = {}
    for data in (MODULE, LIBRARY):
        path = tmp_path / hashlib.sha256(data).hexdigest()
        path.write_bytes(data)
        files[path.name] = path
    write_bundle(tmp_path / "toy.runtime", signed_runtime(), files, {"LICENCE": b"free"})
    return tmp_path / "toy.runtime"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def rewrite(bundle: Path, changes: dict[str, bytes | None]) -> None:
    """The bundle with members replaced, added or (None) left out."""
    with zipfile.ZipFile(bundle) as archive:
        members: dict[str, bytes | None] = {n: archive.read(n) for n in archive.namelist()}
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (members | changes).items():
            if data is not None:
                archive.writestr(name, data)


def member(data: bytes) -> str:
    return f"files/{hashlib.sha256(data).hexdigest()}"


def test_what_was_bundled_is_unpacked(bundle: Path, out: Path) -> None:
    signed, release, files = read_bundle(bundle, out, KEYS)
    assert signed == signed_runtime()
    assert release.app == "toy"
    assert sorted(path.read_bytes() for path in files.values()) == sorted((MODULE, LIBRARY))
    with zipfile.ZipFile(bundle) as archive:
        assert archive.read("licences/LICENCE") == b"free"


def test_equal_runtimes_give_equal_bundles(bundle: Path, tmp_path: Path) -> None:
    files = {p.name: p for p in tmp_path.iterdir() if len(p.name) == 64}
    reversed_files = dict(reversed(files.items()))
    write_bundle(tmp_path / "again", signed_runtime(), reversed_files, {"LICENCE": b"free"})
    assert (tmp_path / "again").read_bytes() == bundle.read_bytes()


STRANGER = new_key()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({member(MODULE): MODULE[:-1] + b"x"}, "has other bytes than the release says"),
        ({member(MODULE): MODULE + b"x"}, "has other bytes than the release says"),
        ({member(MODULE): MODULE[:-1]}, "has other bytes than the release says"),
        ({member(LIBRARY): None}, "is not whole"),
        ({"release.json": None}, "is not whole"),
        ({"release.json": b"{}"}, "holds no signed release"),
        ({"release.json": b"[" * 100_000}, "holds no signed release"),
        ({"release.json": b" " * (1024 * 1024 + 1)}, "too long to be one"),
        (
            {"release.json": msgspec.json.encode(signed_runtime(STRANGER))},
            "which is not Idlegrid's release key",
        ),
        (
            {"release.json": msgspec.json.encode(signed_runtime(runtime="wasm"))},
            "it is no runtime for wasm32-wasip1",
        ),
        (
            {"release.json": msgspec.json.encode(signed_runtime(programs=()))},
            "must have one program",
        ),
        (
            {
                "release.json": msgspec.json.encode(
                    signed_runtime(
                        programs=(
                            Program("p", ManifestEntry("p", "0" * 64, 2**40), LIMITS, "_start"),
                        )
                    )
                )
            },
            "more or larger files than may be",
        ),
        ({f"more/{n}": b"" for n in range(300)}, "more than 200 members"),
    ],
)
def test_a_bundle_that_is_not_believed(
    bundle: Path, out: Path, changes: dict[str, bytes | None], message: str
) -> None:
    rewrite(bundle, changes)
    with pytest.raises(BundleError, match=message):
        read_bundle(bundle, out, KEYS)
    whole = {hashlib.sha256(data).hexdigest() for data in (MODULE, LIBRARY)}
    for path in out.iterdir():
        assert path.name in whole
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def test_names_in_the_archive_are_no_paths(bundle: Path, out: Path) -> None:
    """Only what the release names is read, under a name that is a hash."""
    rewrite(bundle, {"../evil": b"x", "/etc/evil": b"x", "files/../../evil": b"x"})
    read_bundle(bundle, out, KEYS)
    assert {path.name for path in out.iterdir()} == {
        hashlib.sha256(data).hexdigest() for data in (MODULE, LIBRARY)
    }
    assert not (out.parent / "evil").exists()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_flipped_byte_is_noticed_or_harmless(
    bundle: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytearray(bundle.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    folder = tmp_path_factory.mktemp("flipped")
    (folder / "bundle").write_bytes(whole)
    try:
        _, _, files = read_bundle(folder / "bundle", folder, KEYS)
    except BundleError:
        return
    assert sorted(path.read_bytes() for path in files.values()) == sorted((MODULE, LIBRARY))


@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"no archive at all" * 100])
def test_what_is_no_archive(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(BundleError, match="is no bundle of a runtime"):
        read_bundle(tmp_path / "x", tmp_path, KEYS)


# --- the catalogue


def test_the_known_runtimes_are_signed_by_the_release_key() -> None:
    known = known_runtimes()
    assert set(known) == {"cpython", "cpython-numpy"}
    for name, runtime in known.items():
        assert open_runtime(runtime.signed) == runtime.release
        assert runtime.release.app == name
        assert runtime_by_hash(runtime.sha256) is runtime
        assert set(runtime.package.members) == set(runtime.release.needs())
        assert runtime.interpreter.entry
        assert runtime.release.profile.nan_canonical
    assert runtime_by_hash("0" * 64) is None


def test_the_release_key_is_public_and_nothing_private_lies_about() -> None:
    root = Path(__file__).parents[2]
    for key in RELEASE_KEYS:
        assert len(bytes.fromhex(key)) == 32
    for path in [*(root / "packaging").rglob("*"), *(root / "shared").rglob("*.json")]:
        if path.is_file():
            assert b"idlegrid-key/1" not in path.read_bytes(), f"{path} is a key file"


def test_a_description_under_another_name_is_refused() -> None:
    known = known_runtimes()["cpython"]
    data = msgspec.json.encode({"release": known.signed, "package": known.package})
    assert read_pinned(data, "cpython").sha256 == known.sha256
    with pytest.raises(SignatureError, match="the description of other holds the release of cpy"):
        read_pinned(data, "other")
    with pytest.raises(SignatureError, match="not Idlegrid's release key"):
        read_pinned(data, "cpython", KEYS)


def test_an_empty_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x", "w"):
        pass
    with pytest.raises(BundleError, match="is not whole"):
        read_bundle(tmp_path / "x", tmp_path, KEYS)
