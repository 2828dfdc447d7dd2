"""One cache of runtimes for all tests of this checkout: fetched by pip and compiled once."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from idlegrid.built import BuiltProgram
from idlegrid.python_runtime import prepare_runtimes
from idlegrid_shared.manifest import ManifestEntry

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build/python-cache"
MODULES = CACHE / "modules"


@contextmanager
def prepared(*names: str) -> Iterator[None]:
    """The runtimes ``names`` are in :data:`CACHE`, which is the SDK's cache meanwhile."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IDLEGRID_CACHE", str(CACHE))
        with (CACHE / "lock").open("w") as lock:
            # Several test processes want the same: one fetches and compiles, the others wait.
            fcntl.flock(lock, fcntl.LOCK_EX)
            prepare_runtimes([_interpreted_by(name) for name in names], MODULES)
        yield


def _interpreted_by(name: str) -> BuiltProgram:
    return BuiltProgram(
        "any", Path(os.devnull), ManifestEntry("any", "0" * 64, 0), False, interpreter=name
    )
