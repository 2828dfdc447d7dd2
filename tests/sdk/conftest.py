"""Every test of the SDK has its own folders, and shares only the compiler's cache."""

import pytest

from .tiny_app import ZIG_CACHE


@pytest.fixture(autouse=True)
def own_folders(monkeypatch, tmp_path_factory):
    """Keep the user's own configuration, keys and server out of the tests."""
    base = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("IDLEGRID_CONFIG", str(base / "config"))
    monkeypatch.setenv("IDLEGRID_CACHE", str(base / "cache"))
    for name in ("IDLEGRID_URL", "IDLEGRID_TOKEN", "IDLEGRID_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(ZIG_CACHE))
    monkeypatch.delenv("ZIG_LOCAL_CACHE_DIR", raising=False)
