"""What the demo checks, each in one sentence that it prints."""

import json
from pathlib import Path
from typing import Any

from .process import StepError
from .stage import Stage


def same_bytes(grid: Path, local: Path) -> str:
    """The grid's answer equals run-local's, file by file, byte by byte."""
    names = {p.relative_to(local).as_posix() for p in local.rglob("*") if p.is_file()}
    theirs = {p.relative_to(grid).as_posix() for p in grid.rglob("*") if p.is_file()}
    if names != theirs:
        raise StepError(f"the answers have other files: {sorted(names ^ theirs)}")
    for name in sorted(names):
        if (grid / name).read_bytes() != (local / name).read_bytes():
            raise StepError(f"{name} of the grid differs from that of run-local")
    total = sum((local / name).stat().st_size for name in names)
    return (
        f"the answer equals that of run-local, byte for byte ({len(names)} files, {total:,} bytes)"
    )


def told_lies(log: Path) -> set[str]:
    """The tasks whose outputs the dishonest client altered."""
    if not log.exists():
        return set()
    return {json.loads(line)["task"] for line in log.read_text(encoding="utf-8").splitlines()}


def every_unit(stage: Stage, batch: str) -> list[dict[str, Any]]:
    """The story of each unit of the batch's first stage, over REST."""
    units: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page: Any = stage.rest(f"batches/{batch}/units?limit=200{cursor}")
        units.extend(page["units"])
        if not page.get("next"):
            break
        cursor = f"&cursor={page['next']}"
    return [stage.rest(f"batches/{batch}/units/{unit['index']}") for unit in units]  # type: ignore[misc]


def lies_found(units: list[dict[str, Any]], lies: set[str], liar: str) -> str:
    """Every altered result that came back is invalid, its host is named, and no other is blamed."""
    returned = {
        task["id"]: task for unit in units for task in unit["tasks"] if task["state"] == "success"
    }
    invalid = {name: task for name, task in returned.items() if task["verdict"] == "invalid"}
    missed = sorted((lies & set(returned)) - set(invalid))
    if missed:
        raise StepError(f"altered results were not found: {missed}")
    wrongly = sorted(set(invalid) - lies)
    if wrongly:
        raise StepError(f"honest results were called invalid: {wrongly}")
    others = {task["host_name"] for task in invalid.values()} - {liar}
    if others:
        raise StepError(f"the wrong hosts are blamed: {sorted(others)}")
    if not invalid:
        raise StepError("the dishonest client altered nothing that came back; run again")
    return f"all {len(invalid)} altered results were found, and their host named: {liar}"


def nothing_lost(units: list[dict[str, Any]], expected: int) -> str:
    """Every unit was assimilated, by two agreeing results at least."""
    if len(units) != expected:
        raise StepError(f"{len(units)} units instead of {expected}")
    open_units = [unit["index"] for unit in units if unit["state"] != "assimilated"]
    if open_units:
        raise StepError(f"units without a result: {open_units}")
    lonely = [
        unit["index"]
        for unit in units
        if sum(task["verdict"] == "valid" for task in unit["tasks"]) < 2
    ]
    if lonely:
        raise StepError(f"units that fewer than two results agree on: {lonely}")
    return f"no unit was lost: {expected} of {expected} assimilated, each by two agreeing results"


def recount(stage: Stage) -> str:
    """Every counter and invariant of the database, recomputed from its rows and event log."""
    stage.server_command("recount", str(stage.project))
    return "every counter, credit and state equals a recount from rows and event log"


def top_period(answer: Path) -> str:
    """The cycle near 11 years is on top."""
    peaks = json.loads((answer / "answer.json").read_text(encoding="utf-8"))["peaks"]
    years, chance = peaks[0]["period_years"], peaks[0]["false_alarm_probability"]
    if not 10.5 < years < 11.5:
        raise StepError(f"the strongest period is {years:.2f} years, not about 11")
    return f"the strongest period is {years:.2f} years (by chance alone: {chance:.2g} or less)"
