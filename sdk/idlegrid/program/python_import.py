"""Imports that cannot work in the sandbox, found before anything is sent.

What a runtime can import stands in ``modules/NAME.txt``, which the runtime itself wrote
(``packaging/modules.py``). Some of it can be imported and does not work: there are no threads,
processes or sockets. The check reads the sources and runs nothing; an import inside ``try`` that
catches its failure, or under ``if TYPE_CHECKING``, is the author's business.
"""

import ast
import functools
import warnings
from collections.abc import Iterator, Mapping
from importlib import resources

#: Modules that can be imported and whose work cannot be done, with what to do instead.
LIMITED: Mapping[str, str] = {
    "asyncio": "there are no sockets to wait for; call plain functions",
    "concurrent.futures": "there are no threads or processes; let more units do the work",
    "ctypes": "there are no libraries to load; use Python alone, or write the program in C",
    "ftplib": "there is no network; name files in [split] inputs",
    "http.client": "there is no network; name files in [split] inputs",
    "http.server": "there is no network",
    "imaplib": "there is no network",
    "multiprocessing": "there are no processes; let more units do the work",
    "nntplib": "there is no network",
    "poplib": "there is no network",
    "smtplib": "there is no network",
    "socket": "there is no network; name files in [split] inputs",
    "socketserver": "there is no network",
    "subprocess": "there are no other programs to start",
    "telnetlib": "there is no network",
    "threading": "no thread can be started; let more units do the work",
    "urllib.request": "there is no network; name files in [split] inputs",
    "xmlrpc": "there is no network",
}
#: Modules that are in no runtime, with what to do instead.
MISSING: Mapping[str, str] = {
    "fcntl": "nobody else opens the program's files: no locks are needed",
    "lzma": "pack data with bz2 or zlib, or unpack it before it is submitted",
    "mmap": "read files in pieces",
    "resource": "limits stand in app.toml",
    "ssl": "there is no network; name files in [split] inputs",
    "tkinter": "there is no screen; write a file, or declare a [plot]",
    "numpy": 'take python = "cpython-numpy" in [app]',
    "scipy": 'take python = "cpython-numpy" in [app]',
    "pandas": 'take python = "cpython-numpy" in [app]',
}
OTHERWISE = "put the package into the program's folder if it is Python alone"
_CATCHING = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


@functools.cache
def importable(runtime: str) -> frozenset[str]:
    """The top-level modules that a runtime can import."""
    table = resources.files("idlegrid.program") / "modules" / f"{runtime}.txt"
    return frozenset(table.read_text("ascii").split())


def find_faults(files: Mapping[str, bytes], runtime: str, allowed: tuple[str, ...]) -> list[str]:
    """One line for each import in the sources that cannot work: file, line, module, what to do.

    ``files`` are the program's by name; ``allowed`` are modules to let pass. Sources that are no
    Python at all are faults, too.
    """
    own = {name.partition("/")[0].removesuffix(".py") for name in files if name.endswith(".py")}
    own.add("idlegrid_task")
    faults = []
    for name in sorted(files):
        if not name.endswith(".py"):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about escapes in strings, say
                tree = ast.parse(files[name], name)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            faults.append(f"{name}:{line}: this is no Python: {getattr(error, 'msg', error)}")
            continue
        for line, module in _imports(tree):
            fault = _fault(module, own, runtime, allowed)
            if fault:
                faults.append(f"{name}:{line}: {fault}")
    return faults


def _fault(module: str, own: set[str], runtime: str, allowed: tuple[str, ...]) -> str:
    top = module.partition(".")[0]
    if top in own or top.startswith("_") or top in allowed or module in allowed:
        return ""
    if top not in importable(runtime):
        why = MISSING.get(top) or LIMITED.get(top) or OTHERWISE
        return f"{top} is not in {runtime}: {why}"
    for limited in (module, top):
        if limited in LIMITED:
            return (
                f"{limited} does not work in the sandbox: {LIMITED[limited]} (if it is imported "
                f'and not used, write allow_imports = ["{limited}"])'
            )
    return ""


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, module) of every import that is meant to succeed."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0 and node.module:
                yield node.lineno, node.module
                # `from concurrent import futures` names a module as well
                yield from (
                    (node.lineno, f"{node.module}.{alias.name}")
                    for alias in node.names
                    if f"{node.module}.{alias.name}" in LIMITED
                )
        elif isinstance(node, ast.Try) and any(_catches(h) for h in node.handlers):
            # What comes instead of it counts.
            for part in (*node.handlers, *node.orelse, *node.finalbody):
                yield from _imports(_block([part]))
        elif isinstance(node, ast.If) and _is_type_checking(node.test):
            yield from _imports(_block(node.orelse))
        else:
            yield from _imports(node)


def _block(body: list[ast.stmt] | list[ast.AST]) -> ast.AST:
    return ast.Module(body=list(body), type_ignores=[])  # type: ignore[arg-type]


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(kind, ast.Name) and kind.id in _CATCHING for kind in kinds)


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"
