"""Imports that cannot work are refused before anything is sent, with file, line and a way out."""

import subprocess
import sys
from pathlib import Path

import pytest

from idlegrid.appfile import read_app
from idlegrid.build import build_app
from idlegrid.fault import BuildError
from idlegrid.program.python_import import LIMITED, MISSING, find_faults, importable

from .cache import CACHE, ROOT, prepared
from .lab import PythonLab


def faults(source: str, runtime: str = "cpython", *allowed: str, **files: str) -> list[str]:
    named = {name.replace("__", "/") + ".py": text for name, text in files.items()}
    sources = {"main.py": source, **named}
    return find_faults({n: t.encode() for n, t in sources.items()}, runtime, allowed)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import numpy as np", 'main.py:1: numpy is not in cpython: take python = "cpython-numpy"'),
        ("\n\nfrom scipy import stats", "main.py:3: scipy is not in cpython"),
        ("import requests", "main.py:1: requests is not in cpython: put the package into the"),
        ("import ssl", "main.py:1: ssl is not in cpython: there is no network"),
        ("import ctypes", "main.py:1: ctypes is not in cpython: there are no libraries to load"),
        (
            "import multiprocessing as m",
            "multiprocessing is not in cpython: there are no processes",
        ),
        ("import tkinter", "tkinter is not in cpython: there is no screen"),
        ("import threading", "threading does not work in the sandbox: no thread can be started"),
        ("import socket", "socket does not work in the sandbox: there is no network"),
        ("import subprocess, os", "main.py:1: subprocess does not work in the sandbox"),
        ("from concurrent import futures", "concurrent.futures does not work"),
        ("import concurrent.futures", "concurrent.futures does not work"),
        ("import urllib.request", "urllib.request does not work in the sandbox"),
        ("def f():\n    import socket", "main.py:2: socket does not work"),
        (
            "try:\n    import os\nexcept OSError:\n    import ssl",
            "main.py:4: ssl is not in cpython",
        ),
        ("try:\n    import ssl\nexcept KeyError:\n    pass", "main.py:2: ssl is not in cpython"),
        ("def f(:", "main.py:1: this is no Python: "),
        ("a = '\0'", "main.py:1: this is no Python: "),
    ],
)
def test_what_cannot_work_is_told(source: str, told: str) -> None:
    found = faults(source)
    assert len(found) == 1
    assert told in found[0]


@pytest.mark.parametrize(
    "source",
    [
        "import os, sys, json, math.x, urllib.parse, xml.etree.ElementTree, concurrent",
        "from . import anything\nfrom .parts import more",
        "import idlegrid_task\nfrom idlegrid_task import progress",
        "import _decimal, __future__",
        "try:\n    import numpy\nexcept ImportError:\n    numpy = None",
        "try:\n    import ssl\nexcept (OSError, ModuleNotFoundError):\n    pass",
        "try:\n    import ssl\nexcept:\n    pass",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import numpy",
        "import typing\nif typing.TYPE_CHECKING:\n    import numpy\n",
        "text = 'import numpy'",
        "import own, parts.inner",
    ],
)
def test_what_works_or_is_the_authors_business_passes(source: str) -> None:
    assert faults(source, own="", parts__inner="") == []


def test_a_module_of_the_app_hides_one_that_is_missing() -> None:
    assert faults("import requests", requests__api="", requests____init__="") == []


def test_a_module_can_be_let_through_by_name() -> None:
    assert faults("import threading, socket", "cpython", "threading") == [
        "main.py:1: socket does not work in the sandbox: there is no network; name files in "
        '[split] inputs (if it is imported and not used, write allow_imports = ["socket"])'
    ]
    assert faults("import concurrent.futures", "cpython", "concurrent.futures") == []


def test_with_numpy_its_packages_pass() -> None:
    source = "import numpy as np, scipy.optimize, pandas, sklearn.cluster, sympy, lzma"
    assert faults(source, "cpython-numpy") == []
    assert faults("import ctypes", "cpython-numpy")[0].startswith("main.py:1: ctypes does not work")


def test_every_remedy_speaks_of_what_is_so() -> None:
    """A table of reasons must not name what works."""
    for name in MISSING:
        assert name not in importable("cpython"), name
    for name in LIMITED:
        top = name.partition(".")[0]
        assert top in importable("cpython") | importable("cpython-numpy"), name


def test_the_build_says_it_all_at_once(tmp_path: Path) -> None:
    source = {"main.py": "import numpy\nimport b\n", "b.py": "import socket\n"}
    folder = PythonLab(tmp_path).write(source)
    with pytest.raises(BuildError, match="imports what cannot work in the sandbox") as caught:
        build_app(read_app(folder))
    lines = caught.value.detail.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["b.py:1", "main.py:1"]


@pytest.mark.timeout(1200)  # the first time it compiles numpy
@pytest.mark.parametrize("name", ["cpython", "cpython-numpy"])
def test_the_committed_table_is_what_the_runtime_itself_says(name: str) -> None:
    with prepared(name):
        script = (
            "import runpy, sys\n"
            f"asked = runpy.run_path({str(ROOT / 'packaging/modules.py')!r})\n"
            f"sys.stdout.write(asked['ask']({name!r}))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={"IDLEGRID_CACHE": str(CACHE), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=1000,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == importable(name)
    assert len(importable(name)) > 150
