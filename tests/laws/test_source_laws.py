"""The laws of the house that a linter does not know, read off the source itself."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "shared": ROOT / "shared/idlegrid_shared",
    "server": ROOT / "server/idlegrid_server",
    "client": ROOT / "client/idlegrid_client",
    "sdk": ROOT / "sdk/idlegrid",
}
DOMAIN = PACKAGES["server"] / "domain"
CORE = PACKAGES["client"] / "core"

# What a pure module may import: values and arithmetic, nothing that looks at the world.
PURE = {
    "__future__", "bisect", "collections", "collections.abc", "dataclasses", "enum", "fractions",
    "functools", "hashlib", "heapq", "itertools", "math", "operator", "statistics", "types",
    "typing", "msgspec",
    "idlegrid_shared.documents", "idlegrid_shared.manifest", "idlegrid_shared.signing",
    "idlegrid_shared.wire",
}  # fmt: skip
# `random.Random` may be named as a type: the caller hands over a seeded source.
PURE_TYPES = {"random"}
PICKLES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"}
SQL = re.compile(
    r"^\s*(SELECT\s.+\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|CREATE\s+TABLE\s)",
    re.IGNORECASE | re.DOTALL,
)
LINES_MAX = 600


def sources(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, absolute module) of every import; relative ones are inside the package: left out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module or ""


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


@pytest.mark.parametrize("folder", [DOMAIN, CORE], ids=["domain", "core"])
def test_pure_packages_import_no_io_clock_or_random_source(folder: Path) -> None:
    own = "idlegrid_server.domain" if folder == DOMAIN else "idlegrid_client.core"
    files = sources(folder)
    assert len(files) >= 3, f"{folder} holds no decisions"
    faults = [
        f"{where(path, line)} imports {module}"
        for path in files
        for line, module in imported(path)
        if module not in PURE | PURE_TYPES and module != own and not module.startswith(own + ".")
    ]
    assert not faults, "a pure package looks at the world: " + "; ".join(faults)


@pytest.mark.parametrize("folder", [DOMAIN, CORE], ids=["domain", "core"])
def test_pure_packages_call_no_random_of_their_own(folder: Path) -> None:
    faults = []
    for path in sources(folder):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "random"
            ):
                faults.append(where(path, node.lineno))
    assert not faults, "the random source is the caller's to give: " + "; ".join(faults)


def test_only_store_writes_sql() -> None:
    store = PACKAGES["server"] / "store"
    faults = []
    for path in sources(*PACKAGES.values()):
        if path.is_relative_to(store):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and SQL.match(node.value)
            ):
                faults.append(where(path, node.lineno))
    assert not faults, "SQL outside store/: " + "; ".join(faults)


def test_only_web_knows_flask() -> None:
    web = PACKAGES["server"] / "web"
    faults = [
        f"{where(path, line)} imports {module}"
        for path in sources(*PACKAGES.values())
        if not path.is_relative_to(web)
        for line, module in imported(path)
        if module.split(".")[0] in {"flask", "werkzeug"}
    ]
    assert not faults, "Flask outside web/: " + "; ".join(faults)


def test_nothing_unpickles() -> None:
    folders = [*PACKAGES.values(), ROOT / "examples", ROOT / "benchmarks", ROOT / "tests"]
    faults = [
        f"{where(path, line)} imports {module}"
        for path in sources(*folders)
        for line, module in imported(path)
        if module.split(".")[0] in PICKLES
    ]
    assert not faults, "code could hide in data: " + "; ".join(faults)


def test_client_carries_nothing_of_the_server() -> None:
    heavy = {
        "flask",
        "sqlalchemy",
        "alembic",
        "rq",
        "gunicorn",
        "psycopg",
        "PIL",
        "rich",
        "ziglang",
    }
    faults = [
        f"{where(path, line)} imports {module}"
        for path in sources(PACKAGES["client"])
        for line, module in imported(path)
        if module.split(".")[0] in heavy
    ]
    assert not faults, "the client must stay light: " + "; ".join(faults)


def test_no_file_has_grown_beyond_reading() -> None:
    folders = [*PACKAGES.values(), ROOT / "examples", ROOT / "benchmarks", ROOT / "tests"]
    long = {
        where(path, count): count
        for path in sources(*folders)
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > LINES_MAX
    }
    assert not long, f"over {LINES_MAX} lines, split them by subject: {sorted(long)}"


def test_files_are_named_for_their_subject() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "stuff"}
    faults = [
        str(path.relative_to(ROOT)) for path in sources(*PACKAGES.values()) if path.stem in vague
    ]
    assert not faults, f"a name that says no subject: {faults}"
