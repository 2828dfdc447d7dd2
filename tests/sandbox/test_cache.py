"""Compiled modules are native code: only what this machine itself compiled and sealed is run."""

import os
import stat
from pathlib import Path

import pytest
import wasmtime

from idlegrid_shared.sandbox.cache import ModuleCache, cache_name, load_or_compile
from idlegrid_shared.sandbox.engine import make_engine
from idlegrid_shared.sandbox.fault import HostFault

PROFILE = {
    "engine": "wasmtime",
    "major": 50,
    "opt_level": "speed",
    "max_wasm_stack_bytes": 1 << 20,
    "nan_canonical": False,
    "simd": True,
}


class Shop:
    """A cache and a count of how often something had to be compiled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = make_engine(PROFILE)
        self.compiled = 0

    def _compile(self) -> wasmtime.Module:
        self.compiled += 1
        return wasmtime.Module(self.engine, '(module (func (export "_start")))')

    def get(self, name: str = "module") -> wasmtime.Module:
        """The module, from the cache if it can be."""
        return load_or_compile(self.engine, ModuleCache(str(self.folder)), name, self._compile)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop whose cache holds one module already."""
    shop = Shop(tmp_path / "modules")
    shop.get()
    return shop


def test_a_module_is_compiled_once(shop: Shop) -> None:
    shop.get()
    assert shop.compiled == 1


def test_everything_is_for_the_owner_only(shop: Shop) -> None:
    assert stat.S_IMODE(shop.folder.stat().st_mode) == 0o700
    modes = {stat.S_IMODE(path.stat().st_mode) for path in shop.folder.iterdir()}
    assert modes == {0o600}
    assert len(list(shop.folder.iterdir())) == 3  # key, module, code; no leftovers


def test_a_tampered_module_is_thrown_away(shop: Shop) -> None:
    path = shop.folder / "module.cwasm"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    shop.get()
    assert shop.compiled == 2
    assert path.read_bytes() != bytes(data)
    shop.get()
    assert shop.compiled == 2


def test_a_module_planted_without_the_secret_is_thrown_away(shop: Shop, tmp_path: Path) -> None:
    """Sealed with another machine's key, as in a restored or copied folder."""
    foreign = Shop(tmp_path / "foreign")
    foreign.get("other")
    for name in ("other.cwasm", "other.code"):
        (shop.folder / name).write_bytes((foreign.folder / name).read_bytes())
        (shop.folder / name).chmod(0o600)
    shop.get("other")
    assert shop.compiled == 2


def test_the_code_of_one_module_does_not_open_another(shop: Shop) -> None:
    for kind in ("cwasm", "code"):
        data = (shop.folder / f"module.{kind}").read_bytes()
        (shop.folder / f"other.{kind}").write_bytes(data)
        (shop.folder / f"other.{kind}").chmod(0o600)
    shop.get("other")
    assert shop.compiled == 2


@pytest.mark.parametrize("name", ["module.cwasm", "module.code", "key"])
def test_files_that_others_can_write_are_not_believed(shop: Shop, name: str) -> None:
    (shop.folder / name).chmod(0o666)
    shop.get()
    assert shop.compiled == 2


@pytest.mark.parametrize("name", ["module.cwasm", "module.code"])
def test_links_are_not_followed(shop: Shop, tmp_path: Path, name: str) -> None:
    moved = tmp_path / "moved"
    (shop.folder / name).rename(moved)
    (shop.folder / name).symlink_to(moved)
    shop.get()
    assert shop.compiled == 2


def test_a_folder_that_others_can_write_is_refused(shop: Shop) -> None:
    shop.folder.chmod(0o777)
    with pytest.raises(HostFault, match="mode 700"):
        shop.get()
    shop.folder.chmod(0o700)


def test_a_folder_behind_a_link_is_refused(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(shop.folder)
    with pytest.raises(HostFault, match="belong to this user"):
        ModuleCache(str(tmp_path / "link"))


def test_a_folder_of_another_user_is_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    other = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: other)
    with pytest.raises(HostFault, match="belong to this user"):
        shop.get()


def test_another_profile_or_version_is_another_file() -> None:
    names = {
        cache_name("0" * 64, "50.0.1", PROFILE),
        cache_name("0" * 64, "50.0.2", PROFILE),
        cache_name("1" * 64, "50.0.1", PROFILE),
        cache_name("0" * 64, "50.0.1", PROFILE | {"nan_canonical": True}),
        cache_name("0" * 64, "50.0.1", PROFILE | {"max_wasm_stack_bytes": 1 << 19}),
        cache_name("0" * 64, "50.0.1", PROFILE, "pulley"),
    }
    assert len(names) == 6
