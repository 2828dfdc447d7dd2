"""Whatever the server can write into its log, a refusal or a verdict, it can also tell in words.

Found in the source: a code is a text in the place of a reason, wherever a change, a step, a note or
a refusal is made. A new code without its sentence fails here, not before somebody who asks why.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from idlegrid_server.domain import model
from idlegrid_server.domain.reason import BECAUSE, REFUSAL, TURNED_AWAY
from idlegrid_server.domain.story import CODES, OWN_WORDS, STATE, reason_words, step_words
from idlegrid_server.domain.transition import TABLES

SERVER = Path(__file__).parents[2] / "server/idlegrid_server"
FOLDERS = ("domain", "store/apply", "scheduler", "pipeline", "explain", "cli", "web")

#: Function → (kind of object, place of the reason among its arguments, its keyword).
PLACES: dict[str, tuple[str, int, str]] = {
    "TaskChange": ("task", 3, "reason"),
    "UnitChange": ("unit", 1, "reason"),
    "StageChange": ("stage", 2, "reason"),
    "BatchChange": ("batch", 1, "reason"),
    "ReportDecision": ("task", 3, "reason"),
    "RefusalCount": ("refusal", 0, "code"),
    "TurnedAway": ("refusal", 1, "code"),
    "_set_state": ("host", 9, "reason"),
    "SetHostState": ("host", 9, "reason"),
    "set_batch_state": ("batch", 4, "reason"),
    "set_stage_state": ("stage", 4, "reason"),
    # moves of a plan in the making
    "accept": ("unit", 2, "reason"),
    "end": ("unit", 1, "reason"),
    "leave_undecided": ("task", 0, "reason"),
    "drop_unsent": ("task", 0, "reason"),
    "_reopen": ("unit", 1, "reason"),
}


def calls() -> Iterator[tuple[Path, ast.Call, str]]:
    """Every call in the server's source, with the name of what is called."""
    for folder in FOLDERS:
        for path in sorted((SERVER / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield path, node, getattr(node.func, "id", getattr(node.func, "attr", ""))


def texts(node: ast.expr | None) -> Iterator[str]:
    """The texts that an expression may come to: one, or either side of a condition."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)
    elif isinstance(node, ast.JoinedStr) and node.values:
        yield from texts(node.values[0])  # what it begins with


def returned() -> set[tuple[str, str]]:
    """Codes that a pure function answers, by itself or beside a state; and what a reason is unless
    another is given."""
    found = set()
    for module, kind in (("batch", "batch"), ("host", "host")):
        tree = ast.parse((SERVER / f"domain/{module}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Return) and node.value is not None:
                value = node.value.elts[-1] if isinstance(node.value, ast.Tuple) else node.value
                found |= {(kind, text) for text in texts(value) if text}
    for path in sorted((SERVER / "domain").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                named = node.args.args[-len(node.args.defaults) :] if node.args.defaults else []
                for parameter, default in zip(named, node.args.defaults, strict=True):
                    if parameter.arg == "reason":
                        found |= {("unit", text) for text in texts(default) if text}
    return found


def argument(call: ast.Call, place: int, keyword: str) -> ast.expr | None:
    for named in call.keywords:
        if named.arg == keyword:
            return named.value
    return call.args[place] if len(call.args) > place else None


def written() -> set[tuple[str, str]]:
    """(kind, reason) of everything that the source writes as it stands."""
    found = set()
    for _, call, name in calls():
        kind, reason = "", None
        if name in PLACES:
            kind, place, keyword = PLACES[name]
            reason = argument(call, place, keyword)
        elif name in ("step", "note") and call.args:
            kinds = list(texts(call.args[0]))
            if len(call.args) == 2:  # a plan's own step: the state, then why
                kind, reason = "unit", call.args[1]
            elif kinds:
                (kind,) = kinds
                reason = argument(call, 4 if name == "step" else 3, "reason")
        found |= {(kind, text) for text in texts(reason) if text}
    return found | returned()


def told(kind: str, reason: str) -> str:
    if kind == "refusal":
        return REFUSAL[reason]
    if kind in OWN_WORDS:  # a person's own words would be told: a code must be found as one
        words = reason_words(kind, reason.strip())
        return "" if words.startswith("In words: ") else words
    return reason_words(kind, reason.strip())


def test_codes_are_found_wherever_they_are_written() -> None:
    found = written()
    assert {
        ("unit", "quorum"),
        ("unit", "single"),
        ("unit", "rescued"),
        ("unit", "batch_cancelled"),
        ("task", "deadline"),
        ("task", "decided"),
        ("credit", "booked"),
        ("task", "sent again"),
        ("task", "retired"),
        ("refusal", "no_work"),
        ("batch", "too_many_failures"),
        ("host", "enrolled"),
        ("stage", "units created"),
    } <= found
    assert len(found) > 40


def test_everything_that_is_written_has_a_sentence() -> None:
    silent = []
    for kind, reason in sorted(written()):
        try:
            words = told(kind, reason)
        except KeyError:
            words = ""
        if not words:
            silent.append((kind, reason))
    assert silent == [], "codes without a sentence in domain/reason.py or domain/story.py"


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_every_step_of_the_life_cycle_can_be_told_with_every_reason(kind: str) -> None:
    for before, after in TABLES[kind]:  # type: ignore[index]
        for reason in ("", *CODES[kind]):
            text = step_words(kind, before or None, after, reason, None)
            assert text.endswith((".", "!", "?")), text
            assert "unknown" not in text.lower()


def test_every_state_has_its_word() -> None:
    states = {
        "unit": model.UnitState,
        "task": model.TaskState,
        "verdict": model.Verdict,
        "stage": model.StageState,
        "batch": model.BatchState,
        "host": model.HostState,
    }
    assert {kind: set(STATE[kind]) for kind in STATE} == {
        kind: set(get_args(values)) for kind, values in states.items()
    }


def test_every_refusal_can_be_counted_in_words() -> None:
    assert set(REFUSAL) == set(BECAUSE)
    assert set(REFUSAL) <= set(TURNED_AWAY)
