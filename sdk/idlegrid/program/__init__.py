"""What an author gives for a program, by runtime: read from ``app.toml``, and built.

Each module reads the keys of its runtime in ``[programs.NAME]`` and makes the one file that a
release names.
"""

from collections.abc import Callable

from idlegrid.app import ProgramSource
from idlegrid.section import Section
from idlegrid_shared.documents import Runtime

from .container import read_container
from .native import read_native
from .python import read_python
from .wasm import read_wasm

#: Runtime → the reader of its section, which asks for every key that it knows.
READERS: dict[Runtime, Callable[[Section, str], ProgramSource]] = {
    "wasm": read_wasm,
    "python": read_python,
    "native": read_native,
    "container": read_container,
}
