"""Client and server are two programs, but speak one language of reasons.

Regression: a volunteer who left a project handed its tasks back as `project_left`, which the server
did not know, so each counted as an error of host and unit.
"""

import ast
from pathlib import Path

import pytest

from idlegrid_client.core.model import Result
from idlegrid_server.domain.model import TaskSnapshot
from idlegrid_server.domain.reason import TASK
from idlegrid_server.domain.report import ABORTS, UNBELIEVED, accept_report
from idlegrid_shared.sandbox.job import Reason

CLIENT = Path(__file__).parents[2] / "client/idlegrid_client"
#: Ends that the client keeps to itself: the task is tried again, or never reported.
NEVER_REPORTED = {"ok"}


def client_codes() -> set[str]:
    """Every code that the client's source puts into a result or gives a task back with."""
    found = set()
    for path in CLIENT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            values: list[ast.expr] = []
            if name == "VerifyError":
                values = node.args[:1]
            elif name == "abort" and len(node.args) > 2:
                values = [node.args[2]]
            elif name == Result.__name__:
                values = [k.value for k in node.keywords if k.arg == "reason"]
            found |= {v.value for v in values if isinstance(v, ast.Constant)}
    return {str(code) for code in found}


def test_the_codes_are_found() -> None:
    assert {"project_left", "bad_descriptor", "host_fault", "deadline_passed"} <= client_codes()


def test_the_server_knows_every_code_of_the_client() -> None:
    assert client_codes() - set(TASK) - UNBELIEVED == set()


def test_the_server_knows_every_end_of_a_box() -> None:
    reported = set(Reason.__args__) - NEVER_REPORTED  # type: ignore[attr-defined]
    assert {r for r in reported if accepted(r, "error") == "other_error"} == set()


def accepted(reason: str, outcome: str) -> str:
    task = TaskSnapshot(id=1, n=0, state="in_progress", host_id=1)
    decision = accept_report(task, 1, outcome, reason)  # type: ignore[arg-type]
    assert decision.fate == "accepted"
    return decision.reason


@pytest.mark.parametrize("reason", sorted(ABORTS))
def test_what_is_nobodys_fault_is_no_error(reason: str) -> None:
    task = TaskSnapshot(id=1, n=0, state="in_progress", host_id=1)
    assert accept_report(task, 1, "aborted", reason).state == "aborted"


def test_what_is_not_believed_is_told_as_such() -> None:
    assert accepted("other_project", "aborted") == "verify_failed"
