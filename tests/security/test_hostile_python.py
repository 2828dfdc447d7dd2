"""Hostile Python programs: each is contained, told in plain words, and the same on every run."""

import json

import pytest

from tests.python.cache import prepared
from tests.python.lab import PythonLab

MIB = 1024**2


@pytest.fixture(scope="module", autouse=True)
def runtime():
    with prepared("cpython"):
        yield


@pytest.fixture
def lab(tmp_path) -> PythonLab:
    return PythonLab(tmp_path)


#: Imports stand in texts, where no check finds them.
TRY = """
import json
said = {{}}
for attempt in {attempts!r}:
    try:
        exec(attempt, {{}})
    except BaseException as error:
        said[attempt] = type(error).__name__
    else:
        said[attempt] = "done"
with open("/out/said.json", "w") as file:
    json.dump(said, file)
"""

STATEMENTS = [
    "import ctypes",
    "import mmap",
    "import fcntl",
    "import resource",
    "import ssl",
    "import multiprocessing",
    "import os; os.system('id')",
    "import os; os.fork()",
    "import os; os.execv('/bin/sh', ['sh'])",
    "import os; os.spawnv(os.P_WAIT, '/bin/sh', ['sh'])",
    "import os; os.popen('id').read()",
    "import os; os.kill(1, 9)",
    "import os; os.setuid(0)",
    "import os; os.mkfifo('/out/fifo')",
    "import os; os.symlink('/etc/passwd', '/out/link')",
    "import os; os.link('/app/main.py', '/out/link')",
    "import os; os.chroot('/')",
    "import os; os.pipe()",
    "import subprocess; subprocess.run(['id'])",
    "import socket; socket.socket()",
    "import socket; socket.create_connection(('127.0.0.1', 22))",
    "import socket; socket.getaddrinfo('example.org', 80)",
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1/')",
    "import threading; threading.Thread(target=print).start()",
    "import signal; signal.alarm(1)",
    "import _thread; _thread.start_new_thread(print, ())",
    "import faulthandler; faulthandler.dump_traceback_later(1)",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_there_are_no_processes_threads_sockets_or_libraries(
    said: dict[str, str], statement: str
) -> None:
    assert said[statement] in {
        *("ModuleNotFoundError", "ImportError", "AttributeError", "OSError", "RuntimeError"),
        *("PermissionError", "NotImplementedError", "error"),
    }


PATHS = [
    "../../../etc/passwd",
    "/etc/passwd",
    "/in/../../etc/passwd",
    "/app/../../etc/passwd",
    "/proc/self/maps",
    "/proc/self/environ",
    "/dev/urandom",
    "/dev/null",
    "/dev/idlegrid/../../../etc/passwd",
    "/usr/local/lib/../../../etc/passwd",
    "//etc/passwd",
    "/etc/passwd\\0/in/x",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_out(said: dict[str, str], path: str) -> None:
    refusals = {"FileNotFoundError", "PermissionError", "ValueError", "NotADirectoryError"}
    assert said[f"print(open({path!r}, 'rb').read(10))"] in refusals


PLACES = [
    *("/in/x", "/app/main.py", "/app/new.py", "/app/__pycache__/x", "/x", "/dev/idlegrid/new"),
    *("/usr/local/lib/x", "/out/../x", "x", "/out/stdout", "/out/con", "/out/a:b"),
]


@pytest.mark.parametrize("path", PLACES)
def test_nothing_is_written_outside_out_or_by_a_bad_name(said: dict[str, str], path: str) -> None:
    assert said[f"open({path!r}, 'w').write('x')"] in {
        *("OSError", "PermissionError", "FileNotFoundError", "IsADirectoryError"),
    }


CHANGES = [
    "os.remove('/app/main.py')",
    "os.rename('/app/main.py', '/out/main.py')",
    "os.rename('/out', '/out2')",
    "os.mkdir('/app/folder')",
    "os.truncate('/app/main.py', 0)",
    "os.rmdir('/in')",
]


@pytest.mark.parametrize("change", CHANGES)
def test_its_own_files_cannot_be_changed(said: dict[str, str], change: str) -> None:
    assert said[f"import os; {change}"] in ("OSError", "PermissionError")


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> dict[str, str]:
    """What a program hears of each attempt: the name of the exception, or "done"."""
    attempts = [
        *STATEMENTS,
        *(f"print(open({path!r}, 'rb').read(10))" for path in PATHS),
        *(f"open({path!r}, 'w').write('x')" for path in PLACES),
        *(f"import os; {change}" for change in CHANGES),
    ]
    lab = PythonLab(tmp_path_factory.mktemp("attempts"))
    return json.loads(lab.run(TRY.format(attempts=attempts)).files["said.json"])


def test_an_endless_loop_ends_at_its_ops(lab: PythonLab) -> None:
    ran = lab.run("while True: pass", more="max_ops = 2_000_000_000")
    assert ran.outcome.reason == "out_of_ops"
    assert ran.outcome.ops == 2_000_000_000


def test_an_endless_loop_that_catches_everything(lab: PythonLab) -> None:
    source = "while True:\n    try:\n        while True: pass\n    except BaseException: pass\n"
    assert lab.run(source, more="max_ops = 2_000_000_000").outcome.reason == "out_of_ops"


def test_sleeping_for_ages_costs_nothing(lab: PythonLab) -> None:
    ran = lab.run("import time; t = time.time(); time.sleep(10**8); print(time.time() - t > 9e7)")
    assert ran.stdout == "True\n"
    assert ran.outcome.elapsed_s < 30


@pytest.mark.parametrize(
    "source",
    [
        "x = []\nwhile True: x.append(bytearray(10**6))",
        "x = bytearray(10**9)",
        "x = 'a' * (2**31 - 1)",
        "x = [0] * 10**9",
        "x = (1 << 10**9)",
        "x = {}\ni = 0\nwhile True:\n    x[i] = str(i)\n    i += 1",
    ],
)
def test_a_memory_bomb_is_told_as_one(lab: PythonLab, source: str) -> None:
    more = "memory_bytes = 33_554_432\nmax_ops = 100_000_000_000"
    outcome = lab.run(source, more=more).outcome
    assert outcome.status == "error"
    assert "MemoryError" in outcome.stderr
    assert outcome.reason in ("exit_code", "memory_limit")
    assert outcome.peak_memory_bytes <= 32 * MIB


def test_memory_errors_that_are_caught_do_no_harm(lab: PythonLab) -> None:
    source = "for _ in range(50):\n    try: bytearray(10**9)\n    except MemoryError: pass\n"
    assert lab.run(source + "print('alive')").stdout == "alive\n"


def test_a_disk_bomb_meets_the_quota(lab: PythonLab) -> None:
    more = "output_bytes = 1_000_000\noutput_files = 10"
    source = "f = open('/out/x', 'wb')\nwhile True: f.write(bytes(10**5))"
    assert lab.run(source, more=more).outcome.reason == "output_limit"
    source = "for n in range(100): open(f'/out/{n}', 'w')"
    assert lab.run(source, more=more).outcome.reason == "file_limit"
    outcome = lab.run("while True: print('x' * 10**5)", more=more).outcome
    assert outcome.reason == "output_limit"


def test_endless_errors_keep_only_their_end(lab: PythonLab) -> None:
    source = "import sys\nfor n in range(20000): print('noise' * 20, n, file=sys.stderr)\nexit(3)"
    outcome = lab.run(source).outcome
    assert outcome.exit_code == 3
    assert len(outcome.stderr) < 70_000
    assert outcome.stderr.rstrip().endswith("19999")


DEEP = """
import sys
sys.setrecursionlimit(2**31 - 1)
"""


@pytest.mark.parametrize(
    ("name", "source", "reasons"),
    [
        ("python", "def f(n): return f(n + 1)\nf(0)", {"exit_code", "memory_limit"}),
        ("repr", "class A:\n    def __repr__(self): return repr(self)\nrepr(A())", None),
        ("map", "def g(x): return list(map(g, [x]))\ng(1)", None),
        ("sort", "def k(x): return sorted([1], key=k)\nk(1)", None),
        ("eval", "eval('(' * 100000 + ')' * 100000)", {"exit_code"}),
        ("json", "import json\njson.loads('[' * 10**6)", None),
    ],
)
def test_recursion_without_a_limit_is_an_error_of_the_program(
    lab: PythonLab, name: str, source: str, reasons: set[str] | None
) -> None:
    """C code of the interpreter runs out of its stack, which is a clean trap; always the same."""
    folder = lab.write(DEEP + source)
    one, two = lab.run(folder).outcome, lab.run(folder).outcome
    assert one.status == "error"
    assert one.reason in (reasons or {"exit_code", "trap", "stack_overflow", "memory_limit"})
    assert (one.reason, one.ops, one.exit_code) == (two.reason, two.ops, two.exit_code)


def test_what_it_finds_of_the_machine_is_nothing(lab: PythonLab) -> None:
    """Environment, names, clocks, random numbers, addresses: of the work unit, and equal twice."""
    folder = lab.write(
        "import gc, os, platform, random, sys, time, uuid\n"
        "print(dict(os.environ), os.getcwd(), platform.uname(), os.getpid(), sys.path)\n"
        "print(time.time_ns(), time.monotonic_ns(), time.process_time(), time.localtime())\n"
        "print(os.urandom(16).hex(), random.random(), uuid.uuid1(), hash('x'), id(object()))\n"
        "print(os.listdir('/'), os.stat('/app/main.py'), os.stat('/'), os.cpu_count())\n"
        "print(len(gc.get_objects()), sys.getallocatedblocks(), sys.maxsize, sys.byteorder)\n"
    )
    one, two = lab.run(folder), lab.run(folder)
    assert one.stdout == two.stdout
    assert one.outcome.ops == two.outcome.ops
    assert "{}" in one.stdout
    for word in ("root", "home", "tmp", "linux", "x86"):
        assert word not in one.stdout.lower(), word


def test_a_forged_entry_or_boot_file_is_no_way_in(lab: PythonLab) -> None:
    """Its own modules may hide the library's; they are as boxed as anything else it does."""
    ran = lab.run({"main.py": "import json\nprint(json.x)\n", "json.py": "x = 'mine'\n"})
    assert ran.stdout == "mine\n"


@pytest.mark.parametrize("text", ["1e999", "-1", "0.5\\n0.7", "x" * 5000, "\\0"])
def test_nonsense_as_progress(lab: PythonLab, text: str) -> None:
    source = (
        "import os\n"
        "fd = os.open('/dev/idlegrid/progress', os.O_WRONLY)\n"
        f"for _ in range(100): os.write(fd, '{text}'.encode())\n"
        "print(os.read(os.open('/dev/idlegrid/progress', os.O_RDONLY), 10))\n"
    )
    assert lab.run(source).stdout == "b''\n"
