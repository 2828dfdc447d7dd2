"""How a Python program is started, what it sees, and how it ends."""

import json
from pathlib import Path

import msgspec
import pytest

from idlegrid_shared.box.python import open_python, python_job
from idlegrid_shared.sandbox.run import run_sandboxed

from .lab import PythonLab


def test_a_script_sees_its_arguments_inputs_and_itself(lab: PythonLab, tmp_path: Path) -> None:
    (tmp_path / "points").write_text("3\n4\n")
    ran = lab.run(
        {
            "main.py": "import os, sys\nfrom parts import double\n"
            "import idlegrid_task as task\n"
            "print(__name__, __file__, sys.argv, os.getcwd(), sorted(os.listdir('/app')))\n"
            "print([double(int(x)) for x in open(f'{task.INPUT}/points.txt')])\n"
            "if __name__ == '__main__':\n"
            "    open(f'{task.OUTPUT}/done', 'w', encoding='utf-8').write('ä')\n",
            "parts/__init__.py": "from .inner import double\n",
            "parts/inner.py": "def double(x):\n    return 2 * x\n",
            "parts/__pycache__/inner.pyc": "left out",
            ".hidden": "left out",
        },
        "a b",
        "ö",
        inputs={"points.txt": tmp_path / "points"},
    )
    first, second = ran.stdout.splitlines()
    assert first == (
        "__main__ /app/main.py ['/app/main.py', 'a b', 'ö'] / "
        "['idlegrid_boot.py', 'idlegrid_task.py', 'main.py', 'parts']"
    )
    assert second == "[6, 8]"
    assert ran.files["done"] == "ä".encode()


def test_files_beside_the_script_are_read_as_files(lab: PythonLab) -> None:
    """Not out of an archive: `Path(__file__).parent` is a folder."""
    source = "import pathlib\nprint((pathlib.Path(__file__).parent / 'table.csv').read_text())\n"
    assert lab.run({"main.py": source, "table.csv": "1,2"}).stdout == "1,2\n"


@pytest.mark.parametrize(
    ("body", "name", "content"),
    [
        ("return [a, b]", "result.json", b'["1", "x"]\n'),
        ("return {'b': 1.5, 'a': (None, True), 'c': 'ä'}", "result.json", None),
        ("return b'raw' + a.encode()", "result.bin", b"raw1"),
        ("return bytearray(2)", "result.bin", b"\0\0"),
        ("return 0", "result.json", b"0\n"),
    ],
)
def test_what_a_function_returns_is_its_output(
    lab: PythonLab, body: str, name: str, content: bytes | None
) -> None:
    ran = lab.run(f"def f(a, b):\n    {body}\n", "1", "x", entry="main:f")
    assert ran.outcome.reason == "ok", ran.outcome.stderr
    if content is None:
        content = '{"b": 1.5, "a": [null, true], "c": "ä"}\n'.encode()
    assert ran.files == {name: content}


def test_a_function_that_returns_nothing_writes_what_it_wants(lab: PythonLab) -> None:
    ran = lab.run(
        "class A:\n  @staticmethod\n  def f(): open('/out/own', 'w').write('1')\n", entry="main:A.f"
    )
    assert ran.files == {"own": b"1"}


def test_arguments_as_json_have_their_types(lab: PythonLab) -> None:
    source = "def f(*values):\n    return [type(v).__name__ for v in values]\n"
    ran = lab.run(source, "1", "1.5", '"a"', "null", "[1]", '{"a": 1}', entry="main:f", args="json")
    assert json.loads(ran.files["result.json"]) == [
        "int",
        "float",
        "str",
        "NoneType",
        "list",
        "dict",
    ]


@pytest.mark.parametrize(
    ("source", "entry", "words", "message"),
    [
        ("def f(a): return a", "main:f", ("abc",), "'abc' is none"),
        ("x = 1", "main:f", (), "main has no 'f'"),
        ("f = 1", "main:f", (), "main:f is no function"),
        ("def f(): return {1, 2}", "main:f", (), "what JSON cannot hold"),
        ("def f(): return float('nan')", "main:f", (), "what JSON cannot hold"),
        ("def f(): return object()", "main:f", (), "it holds a object"),
    ],
)
def test_calls_that_cannot_be_end_with_2_and_a_sentence(
    lab: PythonLab, source: str, entry: str, words: tuple[str, ...], message: str
) -> None:
    outcome = lab.run(source, *words, entry=entry, args="json").outcome
    assert (outcome.reason, outcome.exit_code) == ("exit_code", 2)
    assert message in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("import sys; sys.exit()", 0),
        ("import sys; sys.exit(0)", 0),
        ("exit(3)", 3),
        ("quit(True)", 1),
        ("raise SystemExit(256)", 1),
        ("import sys; sys.exit('it is not to be')", 1),
    ],
)
def test_exit_codes(lab: PythonLab, source: str, code: int) -> None:
    outcome = lab.run(source).outcome
    assert (outcome.reason, outcome.exit_code) == ("exit_code" if code else "ok", code)
    assert ("it is not to be" in outcome.stderr) == ("not to be" in source)


def test_an_exception_is_told_from_the_app_on(lab: PythonLab) -> None:
    ran = lab.run({"main.py": "import b\nb.f(0)\n", "b.py": "def f(x):\n    return 1 / x\n"})
    assert (ran.outcome.reason, ran.outcome.exit_code) == ("exit_code", 1)
    assert ran.outcome.stderr.splitlines()[:5] == [
        "Traceback (most recent call last):",
        '  File "/app/main.py", line 2, in <module>',
        "    b.f(0)",
        '  File "/app/b.py", line 2, in f',
        "    return 1 / x",
    ]
    assert ran.outcome.stderr.rstrip().endswith("ZeroDivisionError: division by zero")
    assert "idlegrid_boot" not in ran.outcome.stderr


def test_bytes_and_ops_are_those_of_the_work_unit(lab: PythonLab) -> None:
    """Hashes, sets, random numbers and times: equal for one seed, others for another."""
    folder = lab.write(
        "import os, random, time, uuid\n"
        "print({f'k{i}' for i in range(50)}, hash('a'), random.random(), uuid.uuid4())\n"
        "print(time.time(), time.perf_counter(), os.urandom(8).hex(), os.environ, id(object()))\n"
    )
    one, again, other = (lab.run(folder, seed=s) for s in (b"one", b"one", b"other"))
    assert one.files == again.files
    assert one.outcome.ops == again.outcome.ops
    assert one.files != other.files


def test_progress_is_told(lab: PythonLab) -> None:
    folder = lab.write(
        "import idlegrid_task as task\n"
        "for i in range(201):\n    task.progress(i / 400)\n    task.safepoint()\n"
        "task.progress(float('nan'))\nprint(task.BOXED)\n"
    )
    with open_python(lab.order(folder)) as process:
        process.launch()
        outcome = process.wait(60)
    assert outcome is not None
    assert outcome.reason == "ok", outcome.stderr
    assert process.progress.fraction == 0.5


def test_an_interpreter_of_other_machine_code_does_the_same(lab: PythonLab, tmp_path: Path) -> None:
    """Pulley instead of this processor: every bit, that of NaN's sign too, and every op."""
    folder = lab.write(
        "import math, random, struct\n"
        "nan = float('inf') * 0.0\n"
        "print(struct.pack('>d', nan).hex(), math.copysign(1.0, nan), struct.pack('>d', -nan))\n"
        "print(sum(math.sin(random.random()) ** 1.7 for _ in range(200)), {'a', 'b', 'c'})\n"
    )
    outcomes = []
    for executor in ("native", "pulley"):
        out = str(tmp_path / executor)
        job = msgspec.structs.replace(
            python_job(lab.order(folder, output_dir=out)), executor=executor
        )
        outcomes.append(run_sandboxed(job))
        assert outcomes[-1].reason == "ok", outcomes[-1].message + outcomes[-1].stderr
    assert outcomes[0].ops == outcomes[1].ops
    assert outcomes[0].outputs == outcomes[1].outputs
    assert (tmp_path / "native/stdout").read_text().startswith("7ff8000000000000 1.0 ")
