"""Where mutants are made: packages side by side, the tests that concern them, settings."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "build" / "mutation"
DOMAIN = ROOT / "server" / "idlegrid_server" / "domain"
TESTS = ("tests/unit", "tests/property")
PACKAGES = ("server/idlegrid_server", "shared/idlegrid_shared")

SETTINGS = """\
[tool.mutmut]
source_paths = ["idlegrid_server"]
only_mutate = [{only}]
also_copy = ["idlegrid_shared", "benchmarks", "tests", "conftest.py"]
pytest_add_cli_args_test_selection = [{tests}]
pytest_add_cli_args = ["-p", "no:xdist", "-p", "no:cacheprovider", "-x"]

[tool.pytest.ini_options]
addopts = "--import-mode=importlib"
pythonpath = ["."]
filterwarnings = ["error", "ignore::DeprecationWarning", "ignore::ResourceWarning"]
"""

#: A test that fails need not find the smallest example: that it failed is all that is asked. And
#: what a few examples do not find in a small function, many seldom do.
CONFTEST = """\
from hypothesis import HealthCheck, Phase, settings

EXAMPLES, STEPS = 40, 30

settings.register_profile(
    "mutation",
    phases=(Phase.explicit, Phase.generate),
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("mutation")


def pytest_collection_modifyitems(items):
    for item in items:
        test = getattr(item, "obj", None)
        test = getattr(test, "__func__", test)
        if hasattr(test, "_hypothesis_internal_use_settings"):
            test._hypothesis_internal_use_settings = settings()
        case = getattr(item, "cls", None)
        if isinstance(getattr(case, "settings", None), settings):
            case.settings = settings()
"""


def domain_tests() -> list[str]:
    """The files of pure tests that concern the domain."""
    found = []
    for folder in TESTS:
        for path in sorted((ROOT / folder).glob("test_*.py")):
            text = path.read_text(encoding="utf-8")
            if "from benchmarks" in text:
                continue  # whole populations take too long to be run for each small change
            if "idlegrid_server.domain" in text or "grid_model" in text or "unit_story" in text:
                found.append(path.relative_to(ROOT).as_posix())
    return found


def modules(only: list[str]) -> list[str]:
    """The modules of the domain that have code, or those of them that were asked for."""
    names = [path.stem for path in sorted(DOMAIN.glob("*.py")) if path.stem != "__init__"]
    unknown = set(only) - set(names)
    if unknown:
        raise SystemExit(f"no such module of the domain: {', '.join(sorted(unknown))}")
    return only or names


def prepare(only: list[str]) -> Path:
    """Bring the folder up to date with the sources; what was found out before stays."""
    PLACE.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        _copy(ROOT / package, PLACE / Path(package).name)
    _copy(ROOT / "benchmarks", PLACE / "benchmarks")  # models that property tests share with them
    _copy(ROOT / "tests", PLACE / "tests", only={"unit", "property"})
    (PLACE / "tests" / "__init__.py").touch()
    names = modules(only)
    text = SETTINGS.format(
        only=", ".join(f'"idlegrid_server/domain/{name}.py"' for name in names),
        tests=", ".join(f'"{path}"' for path in domain_tests()),
    )
    (PLACE / "pyproject.toml").write_text(text, encoding="utf-8")
    (PLACE / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    # mutmut copies what is not mutated once only: old copies would be tested against new code, and
    # a module that was not asked for before would never be mutated.
    for stale in ("tests", "idlegrid_shared", "benchmarks"):
        shutil.rmtree(PLACE / "mutants" / stale, ignore_errors=True)
    # Which test reaches which function is written down once, too: what is mutated for the first
    # time would seem to have no test at all.
    (PLACE / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)
    mutants = PLACE / "mutants" / "idlegrid_server"
    for copied in mutants.rglob("*.py"):
        if not copied.with_name(f"{copied.name}.meta").exists():
            copied.unlink()
    return PLACE


def _copy(source: Path, target: Path, only: set[str] | None = None) -> None:
    if target.exists():
        shutil.rmtree(target)
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    if only is None:
        shutil.copytree(source, target, ignore=ignore)
        return
    for name in sorted(only):
        shutil.copytree(source / name, target / name, ignore=ignore)
