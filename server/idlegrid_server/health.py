"""The state of a project in words: what an admin should know, and what to do about it."""

import shutil
import time
from typing import Literal

import msgspec

from .project import Project
from .running import is_served

RESTLESS_US = 10 * 60 * 1_000_000  # for so long a process that kept dying is worth a word


class Condition(msgspec.Struct, frozen=True):
    """One thing that is well or not. ``code`` is for programs."""

    level: Literal["ok", "warning", "error"]
    code: str
    text: str


def disk_free_bytes(project: Project) -> int:
    """Free bytes where the project's files lie."""
    return shutil.disk_usage(project.layout.folder).free


def disk_is_low(project: Project) -> bool:
    """Whether no new work may be given out for want of room."""
    return disk_free_bytes(project) < project.config.limits.disk_low_water_bytes


def judge(project: Project, now: int | None = None) -> list[Condition]:
    """Everything that can be judged without the database. ``now`` is µs UTC."""
    at = time.time_ns() // 1000 if now is None else now
    return [_disk(project), _root(project), *_processes(project, at)]


def worst(conditions: list[Condition]) -> Literal["ok", "warning", "error"]:
    """The gravest level among ``conditions``."""
    levels = {condition.level for condition in conditions}
    if "error" in levels:
        return "error"
    return "warning" if "warning" in levels else "ok"


def _disk(project: Project) -> Condition:
    free, low = disk_free_bytes(project), project.config.limits.disk_low_water_bytes
    room = f"{free / 2**30:.1f} GiB are free on the disk"
    if free < low:
        return Condition(
            "error",
            "disk_low",
            f"{room}, less than {low / 2**30:.1f}: no new work is given out, results are still "
            "accepted. Make room, or lower limits.disk_low_water_bytes.",
        )
    return Condition("ok", "disk", f"{room}.")


def _root(project: Project) -> Condition:
    layout = project.layout
    if layout.root_passphrase.exists():
        return Condition(
            "warning",
            "root_key_open",
            "The root key and its passphrase lie with the server: whoever breaks in can sign "
            "programs for every volunteer's machine. That is for a lab only.",
        )
    if layout.root_key.exists():
        return Condition(
            "warning",
            "root_key_here",
            f"The private half of the root key lies with the server ({layout.root_key}). "
            "Copy it to a safe place, check the copy, and delete it here.",
        )
    if not layout.delegations.exists():
        return Condition("error", "no_delegations", "Root has signed no delegations yet.")
    return Condition("ok", "root_key", "The root key is kept elsewhere.")


def _processes(project: Project, now: int) -> list[Condition]:
    running = project.running()
    if running is None or not is_served(project.layout):
        return [
            Condition(
                "error",
                "not_served",
                f"No server runs: start it with `idlegrid-server serve {project.layout.folder}`.",
            )
        ]
    found = [
        Condition(
            "error",
            "restless",
            f"The {role} process dies again and again; see {project.layout.logs / role}.log.",
        )
        for role, at in running.restless.items()
        if now - at < RESTLESS_US
    ]
    restarts = sum(running.restarts.values())
    again = f"; {restarts} restarts since it began" if restarts else ""
    return found or [
        Condition("ok", "processes", f"{len(running.processes)} processes run{again}.")
    ]
