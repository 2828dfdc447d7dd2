"""Examples run with their own folders, and share the compiler's cache with the other tests."""

from pathlib import Path

import pytest

ZIG_CACHE = Path(__file__).parents[2] / "build/zig-cache"


@pytest.fixture(scope="module")
def own_folders(tmp_path_factory):
    """Keep the user's own configuration and cache out of the tests of one module."""
    base = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IDLEGRID_CONFIG", str(base / "config"))
        patch.setenv("IDLEGRID_CACHE", str(base / "cache"))
        patch.setenv("ZIG_GLOBAL_CACHE_DIR", str(ZIG_CACHE))
        patch.delenv("ZIG_LOCAL_CACHE_DIR", raising=False)
        yield
