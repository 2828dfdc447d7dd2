"""Python programs run in the real interpreter."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .cache import prepared
from .lab import PythonLab


@pytest.fixture(scope="module")
def runtime() -> Iterator[None]:
    """The standard runtime, fetched and compiled."""
    with prepared("cpython"):
        yield


@pytest.fixture(scope="module")
def numpy_runtime() -> Iterator[None]:
    """The runtime with numpy; compiling it takes minutes, once in a checkout."""
    with prepared("cpython-numpy"):
        yield


@pytest.fixture
def lab(runtime: None, tmp_path: Path) -> PythonLab:
    """A laboratory for programs of the standard runtime."""
    return PythonLab(tmp_path)


@pytest.fixture
def numpy_lab(numpy_runtime: None, tmp_path: Path) -> PythonLab:
    """A laboratory for programs of the runtime with numpy."""
    return PythonLab(tmp_path, python="cpython-numpy")
