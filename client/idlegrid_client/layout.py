"""Where everything lies in the data folder.

::

    DATA/  lock  status.json  log.jsonl  commands/  compiled/
           permission.json  paused  (there while the volunteer pauses)
           projects/FINGERPRINT/
               link.json      what the volunteer agreed to; written once
               device.key     0600
               host.json      enrolled, blocked, leaving
               trust.json     signed delegations and timestamp, verified again at every start
               exchange.json  the last sequence number, and the unanswered request with its bytes
               releases/HASH.json   cache/SHA256   parts/SHA256   trash/   broken/
               tasks/TASK/    task.json  result.json  process.json  checkpoints/last  out/
"""

import hashlib
import os
import re
from pathlib import Path

import platformdirs

DATA_VARIABLE = "IDLEGRID_CLIENT_DATA"

_PLAIN_ID = re.compile(r"[a-z0-9_]{1,64}")


def default_data() -> Path:
    """The data folder if none is named: the variable, else the usual place of this system."""
    named = os.environ.get(DATA_VARIABLE, "")
    if named:
        return Path(named)
    return Path(platformdirs.user_data_dir("idlegrid-client", appauthor=False))


def task_folder_name(task: str) -> str:
    """A task's id if it is harmless as a file name, else a hash of it."""
    if _PLAIN_ID.fullmatch(task):
        return task
    return "x-" + hashlib.blake2b(task.encode("utf-8", "replace"), digest_size=16).hexdigest()


class ProjectFolder:
    """The paths of one project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.link = root / "link.json"
        self.key = root / "device.key"
        self.host = root / "host.json"
        self.trust = root / "trust.json"
        self.exchange = root / "exchange.json"
        self.releases = root / "releases"
        self.cache = root / "cache"
        self.parts = root / "parts"
        self.trash = root / "trash"
        self.broken = root / "broken"
        self.tasks = root / "tasks"

    def make(self) -> None:
        """Create the folders that are missing, for the owner only."""
        for folder in (
            self.root,
            self.releases,
            self.cache,
            self.parts,
            self.trash,
            self.broken,
            self.tasks,
        ):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def task(self, task: str) -> "TaskFolder":
        """The paths of one task."""
        return TaskFolder(self.tasks / task_folder_name(task))


class TaskFolder:
    """The paths of one task."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.task = root / "task.json"
        self.result = root / "result.json"
        self.process = root / "process.json"
        self.out = root / "out"
        #: Only the task's own worker writes here.
        self.checkpoints = root / "checkpoints"
        self.checkpoint = self.checkpoints / "last"


class DataFolder:
    """The paths of the whole client."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = root / "lock"
        self.status = root / "status.json"
        self.log = root / "log.jsonl"
        self.log_old = root / "log.1.jsonl"
        self.commands = root / "commands"
        self.permission = root / "permission.json"
        self.paused = root / "paused"
        self.compiled = root / "compiled"
        self.projects = root / "projects"

    def make(self) -> None:
        """Create the folders that are missing, for the owner only. Raises ``OSError``."""
        for folder in (self.root, self.commands, self.compiled, self.projects):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def project(self, fingerprint: str) -> ProjectFolder:
        """The paths of one project."""
        return ProjectFolder(self.projects / fingerprint)

    def attached(self) -> list[ProjectFolder]:
        """The folders of all projects, in order of their fingerprints."""
        if not self.projects.is_dir():
            return []
        return [ProjectFolder(p) for p in sorted(self.projects.iterdir()) if p.is_dir()]
