"""Which wasmtime is installed, found without loading it or the slow ``importlib.metadata``."""

import os

#: What the release is built with; only a frozen program, which has no metadata, falls back on it.
PINNED = "50.0.1"


def installed_version(package_file: str) -> str:
    """The version of the wasmtime whose ``__init__`` is ``package_file``, such as ``50.0.1``."""
    place = os.path.dirname(os.path.dirname(package_file))  # noqa: PTH120 (pathlib costs start time)
    try:
        names = os.listdir(place)  # noqa: PTH208
    except OSError:
        return PINNED
    for name in sorted(names):
        if name.startswith("wasmtime-") and name.endswith(".dist-info"):
            return name[len("wasmtime-") : -len(".dist-info")]
    return PINNED


def major_of(version: str) -> int:
    """The first number of a version."""
    return int(version.partition(".")[0])
