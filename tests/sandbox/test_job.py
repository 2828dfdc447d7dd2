"""Jobs and limits are checked before anything starts."""

from typing import Any

import msgspec
import pytest

from idlegrid_shared.sandbox.job import JobError, Outcome, SandboxJob
from idlegrid_shared.sandbox.limits import LimitError, Limits
from idlegrid_shared.sandbox.run import run_sandboxed

from .conftest import LIMITS, Lab


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory_bytes", 65535),
        ("memory_bytes", 4 * 1024**3 + 1),
        ("max_ops", 0),
        ("max_ops", 10**18 + 1),
        ("time_s", 0.0),
        ("time_s", float("inf")),
        ("time_s", float("nan")),
        ("output_bytes", -1),
        ("output_bytes", 1024**3 + 1),
        ("output_files", -1),
        ("output_files", 10_001),
        ("log_bytes", 0),
        ("log_bytes", 2**21),
    ],
)
def test_limits_outside_their_bounds(name: str, value: float) -> None:
    fields: dict[str, Any] = msgspec.structs.asdict(LIMITS) | {name: value}
    with pytest.raises(LimitError, match=name):
        Limits(**fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"seed": b""}, "seed"),
        ({"seed": bytes(1025)}, "seed"),
        ({"args": ["a\0b"]}, "zero character"),
        ({"program": "\0"}, "zero character"),
        ({"output_dir": "a\0b"}, "zero character"),
        ({"inputs": {"a": "b\0c"}}, "zero character"),
        ({"args": ["\ud800"]}, "not valid text"),
        ({"args": ["x" * 200_000]}, "200007 bytes"),
        ({"env": {"A=B": "1"}}, "variable"),
        ({"env": {"": "1"}}, "variable"),
        ({"inputs": {str(i): "x" for i in range(10_001)}}, "inputs"),
    ],
)
def test_jobs_that_cannot_be_started(lab: Lab, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(JobError, match=words):
        lab.job("", **fields)


def test_a_job_survives_its_journey(lab: Lab) -> None:
    job = lab.job("", args=["zwölf", "\u2603"], seed=bytes(range(256)))
    assert msgspec.json.decode(msgspec.json.encode(job), type=SandboxJob) == job


def test_a_module_can_be_compiled_ahead(lab: Lab) -> None:
    """The client compiles a large runtime at low priority before the first task needs it."""
    job = lab.job("unreachable", compile_only=True)
    outcome = run_sandboxed(job)
    assert outcome.reason == "ok"
    assert outcome.ops == 0
    assert any(job.module_sha256 in path.name for path in lab.cache.glob("*.cwasm"))


def test_relative_paths_are_taken_from_the_callers_folder(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab.folder)
    job = lab.job("", output_dir="relative out")
    job = msgspec.structs.replace(job, module=job.module.rpartition("/")[2])
    outcome: Outcome = run_sandboxed(job)
    assert outcome.reason == "ok", outcome.message
    assert (lab.folder / "relative out").is_dir()


def test_runs_without_a_cache(lab: Lab) -> None:
    assert lab.run("", cache_dir=None).reason == "ok"


def test_a_cache_that_others_can_write_is_told(lab: Lab) -> None:
    shared = lab.folder / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    outcome = lab.run("", cache_dir=str(shared))
    assert outcome.reason == "host_error"
    assert "mode 700" in outcome.message
