"""Starts a Python program in the sandbox: ``idlegrid_boot.py ENTRY ARGUMENTS…``.

ENTRY is ``main.py`` (a script in /app), ``module:function``, or ``module:function json``. A
function gets the arguments as text, or each read as JSON; what it returns goes to /out:
``result.json``, or ``result.bin`` for bytes, or ``result.npy`` for a numpy array, or nothing for
None.

This file is packed with each app: a change here changes nothing of what was released before.
"""

from __future__ import annotations

import builtins
import sys

TYPE_CHECKING = False  # importing typing would double the time of the start
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

APP = "/app"
TRACE_FRAMES_MAX = 20


class BadCall(Exception):  # noqa: N818 (what is the case is its name)
    """The program cannot be called like that; the message is for its author."""


def main(words: list[str]) -> int:
    """Run the entry; the exit code."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, APP)
    # The interpreter runs without `site`, which would define these.
    builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment]
    try:
        entry, arguments = words[0], words[1:]
        if ":" in entry:
            run_function(entry, arguments)
        else:
            run_script(f"{APP}/{entry}", arguments)
    except SystemExit as error:
        return exit_code(error.code)
    except BadCall as error:
        print(error, file=sys.stderr)
        return 2
    except MemoryError as error:
        tell_memory(error.__traceback__)
        return 1
    except BaseException as error:  # noqa: BLE001 (all of it is told)
        tell(error)
        return 1
    return 0


def run_script(path: str, arguments: list[str]) -> None:
    """Run a file as ``__main__``, as `python FILE ARGUMENTS…` does."""
    with open(path, "rb") as file:  # noqa: PTH123 (pathlib costs start time)
        code = compile(file.read(), path, "exec", dont_inherit=True)
    module = type(sys)("__main__")
    module.__file__ = path
    module.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = module
    sys.argv = [path, *arguments]
    exec(code, module.__dict__)  # noqa: S102 (what it is for)


def run_function(entry: str, arguments: list[str]) -> None:
    """Call the function and store what it returns."""
    import importlib

    place, _, form = entry.partition(" ")
    name, _, attributes = place.partition(":")
    sys.argv = [place, *arguments]
    function: Any = importlib.import_module(name)
    for attribute in attributes.split("."):
        try:
            function = getattr(function, attribute)
        except AttributeError:
            raise BadCall(f"{name} has no {attributes!r}") from None
    if not callable(function):
        raise BadCall(f"{place} is no function")
    values = [read_json(text, place) for text in arguments] if form == "json" else arguments
    store(function(*values), place)


def read_json(text: str, place: str) -> Any:
    """One argument."""
    import json

    try:
        return json.loads(text)
    except ValueError as error:
        raise BadCall(
            f"{place} takes its arguments as JSON, but {text!r} is none: {error}"
        ) from None


def store(result: Any, place: str) -> None:
    """Write what the function returned."""
    if result is None:
        return
    if isinstance(result, (bytes, bytearray, memoryview)):
        write("result.bin", bytes(result))
        return
    numpy = sys.modules.get("numpy")  # an array cannot be without it
    if numpy is not None and isinstance(result, numpy.ndarray):
        if result.dtype.hasobject:
            raise BadCall(f"{place} returned an array of objects: give it a plain dtype")
        import io

        data = io.BytesIO()
        numpy.lib.format.write_array(data, result, version=(1, 0), allow_pickle=False)
        write("result.npy", data.getvalue())
        return
    import json

    try:
        text = json.dumps(result, allow_nan=False, ensure_ascii=False, default=plain)
    except (TypeError, ValueError) as error:
        raise BadCall(
            f"{place} returned what JSON cannot hold ({error}): return numbers, text, lists, "
            "dicts, bytes or a numpy array, or write files to /out yourself"
        ) from None
    write("result.json", text.encode() + b"\n")


def plain(value: Any) -> Any:
    """Numbers and arrays of numpy as Python's own."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"it holds a {type(value).__name__}")


def write(name: str, data: bytes) -> None:
    """An output file."""
    with open(f"/out/{name}", "wb") as file:  # noqa: PTH123
        file.write(data)


def exit_code(code: object) -> int:
    """What `sys.exit(code)` means as a number."""
    if code is None:
        return 0
    if isinstance(code, int):
        return (code & 0xFF or 1) if code else 0  # 256 is no success
    print(code, file=sys.stderr)
    return 1


def tell_memory(trace: TracebackType | None) -> None:
    """Where the memory ended; a whole traceback would need some."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}: " if trace else ""
    sys.stderr.write(f"{where}MemoryError: the program used up its memory_bytes\n")


def tell(error: BaseException) -> None:
    """A traceback that begins in the app."""
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace, limit=-TRACE_FRAMES_MAX)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
