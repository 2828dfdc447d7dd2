"""Where this package keeps its things: settings and keys, and what can be made anew.

``IDLEGRID_CONFIG`` and ``IDLEGRID_CACHE`` name other folders, for tests and for machines that are
shared by several people under one name.
"""

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import platformdirs

BUILD_FOLDER = "build"


def config_folder() -> Path:
    """The user's settings, credentials and keys. Not made here."""
    named = os.environ.get("IDLEGRID_CONFIG")
    return Path(named) if named else Path(platformdirs.user_config_dir("idlegrid"))


def cache_folder() -> Path:
    """What may be deleted at any time: compiled modules, the compiler's cache. Not made here."""
    named = os.environ.get("IDLEGRID_CACHE")
    return Path(named) if named else Path(platformdirs.user_cache_dir("idlegrid"))


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Let other builds in ``folder`` wait meanwhile; Windows goes without."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with (folder / ".lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build_folder(folder: Path) -> Path:
    """``build`` in an app's folder, or a place in the cache when that cannot be written; made."""
    place = folder / BUILD_FOLDER
    try:
        place.mkdir(exist_ok=True)
        if os.access(place, os.W_OK):
            return place
    except OSError:
        pass
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:24]
    place = cache_folder() / BUILD_FOLDER / digest
    place.mkdir(parents=True, exist_ok=True)
    return place
