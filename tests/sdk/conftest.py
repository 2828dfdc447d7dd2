"""Every test of the SDK has its own folders, and shares only the compiler's cache."""

import pytest

from .tiny_app import ZIG_CACHE


@pytest.fixture(scope="session")
def module_cache(tmp_path_factory):
    """Compiled modules of all tests of this process; it is keyed by their hashes."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_folders(monkeypatch, tmp_path_factory, module_cache):
    """Keep the user's own configuration, keys and server out of the tests."""
    base = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("IDLEGRID_CONFIG", str(base / "config"))
    monkeypatch.setenv("IDLEGRID_CACHE", str(module_cache))
    for name in ("IDLEGRID_URL", "IDLEGRID_TOKEN", "IDLEGRID_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(ZIG_CACHE))
    monkeypatch.delenv("ZIG_LOCAL_CACHE_DIR", raising=False)


@pytest.fixture(autouse=True)
def quick_passphrases(monkeypatch):
    """Deriving a key from a passphrase is slow on purpose; the least that is allowed will do."""
    costs = "idlegrid_shared.keyfile.pwhash.argon2id"
    monkeypatch.setattr(f"{costs}.OPSLIMIT_MODERATE", 1)
    monkeypatch.setattr(f"{costs}.MEMLIMIT_MODERATE", 8192)
