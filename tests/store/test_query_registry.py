"""Every query has a name, a purpose, and somebody who asks it."""

import re
from pathlib import Path

import pytest

import idlegrid_server
from idlegrid_server.store import command as c
from idlegrid_server.store import schema  # noqa: F401  names queries of its own
from idlegrid_server.store.apply import _DO
from idlegrid_server.store.query import REGISTRY, Query
from idlegrid_server.store.sql import audit

ROOT = Path(idlegrid_server.__file__).parent
STORE = ROOT / "store"


def sources() -> dict[Path, str]:
    """The server's source files."""
    return {path: path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py")}


def test_every_query_has_a_purpose() -> None:
    assert len(REGISTRY) > 100
    for name, query in REGISTRY.items():
        assert re.fullmatch(r"[a-z][a-z_]+", name), name
        assert len(query.purpose) > 5, name


def test_every_query_is_asked() -> None:
    texts = sources()
    defined = {
        match: path
        for path, text in texts.items()
        if path.is_relative_to(STORE / "sql")
        for match in re.findall(r"^([A-Z][A-Z0-9_]+) = Query\(", text, re.MULTILINE)
    }
    unused = [
        f"{constant} of {home.name}"
        for constant, home in defined.items()
        if not home.name.startswith("audit")  # each rule is asked by the recount: tested below
        and not any(
            re.search(rf"\b{constant}\b", text) for path, text in texts.items() if path != home
        )
    ]
    assert unused == []


def test_only_the_store_writes_sql() -> None:
    pattern = re.compile(r'"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM) [\w*]')
    for path, text in sources().items():
        if not path.is_relative_to(STORE):
            assert not pattern.search(text), f"{path.name} writes SQL: it belongs into store/sql"


def test_states_are_set_where_steps_are_checked() -> None:
    """Each module that sets a state writes it to the log through the ledger."""
    setting = re.compile(r"\b(\w*SET_STATE|UNITS_DECIDED|TASKS_DECIDED|TASKS_SENT|REPORT_TAKEN)\b")
    for path, text in sources().items():
        if path.is_relative_to(STORE / "apply") and setting.search(text):
            assert "ledger" in text.lower(), path.name


def test_parameters_are_read_from_the_text() -> None:
    query = Query(
        "test_query",
        "a test",
        "SELECT a::text FROM t WHERE a = :a AND b {in:b} AND c LIKE '%' {lock}",
    )
    del REGISTRY["test_query"]
    assert (query.names, query.listed) == (("a",), ("b",))
    assert query.sqlite_with((2,)) == (
        "SELECT a::text FROM t WHERE a = :a AND b IN (:b_0, :b_1) AND c LIKE '%'"
    )
    assert query.postgres == (
        "SELECT a::text FROM t WHERE a = %(a)s AND b = ANY(%(b)s) AND c LIKE '%%' FOR UPDATE"
    )


def test_two_queries_of_one_name_cannot_be() -> None:
    with pytest.raises(ValueError, match="two queries named 'host_by_id'"):
        Query("host_by_id", "again", "SELECT 1")


def test_every_command_is_done_and_tested() -> None:
    assert set(_DO) == set(c.COMMANDS)
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("*.py"))
    for command in c.COMMANDS:
        assert f"c.{command.__name__}" in tests, f"no test sends {command.__name__}"


def test_every_rule_of_the_audit_is_checked() -> None:
    rules = [query for name, query in REGISTRY.items() if name.startswith("audit_")]
    told = [*audit.RULES, *audit.DISTINCT_RULES.values()]
    others = {"audit_unit_votes", "audit_manifests_after", "audit_host_caps"}
    assert {rule.name for rule in rules} == {rule.name for rule in told} | others
