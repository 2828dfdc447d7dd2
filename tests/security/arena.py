"""Where hostile programs run: nothing outside may change, and the parent must be well after it."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from idlegrid_shared.sandbox.job import Outcome, SandboxJob
from idlegrid_shared.sandbox.run import run_sandboxed
from tests.sandbox.conftest import Lab
from tests.sandbox.guest import assemble, module_text, write_bytes

SECRET = "the volunteer's own words"
#: A good program: it writes "hello" to standard output.
GOOD = module_text(write_bytes("(i32.const 1)", 64, 5), data={64: "hello"})
MESSAGE_CHARACTERS_MAX = 500
#: What must not reach a terminal: control characters, and marks that turn text around.
UNFIT = {chr(code) for code in [*range(32), *range(127, 160), *range(0x202A, 0x202F)]}


@dataclass(frozen=True)
class Hostile:
    """One hostile program: what it tries, and how the run must end."""

    name: str
    #: A body or module as text (see ``module_text``), or the module's bytes.
    module: str | bytes
    reason: str
    #: Words that the message to people must contain.
    words: str = ""
    limits: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


class Arena:
    """A laboratory between two neighbours: a secret file and a folder of somebody else."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        (self.home / "secret").write_text(SECRET)
        (folder / "lab").mkdir()
        self.lab = Lab(folder / "lab", cache)
        self.before = self.picture()

    def picture(self) -> dict[str, str]:
        """All files outside the laboratory, by the hash of their content."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            inside = path.relative_to(self.folder).parts
            if inside[0] != "lab":
                content = path.read_bytes() if path.is_file() else b"folder"
                found["/".join(inside)] = hashlib.sha256(content).hexdigest()
        return found

    def run(self, job: SandboxJob) -> Outcome:
        """Run ``job`` and see to it that it did no harm, and that a good program runs after it."""
        outcome = run_sandboxed(job, timeout=120)
        self.check(job, outcome)
        return outcome

    def fight(self, hostile: Hostile) -> Outcome:
        """Run a hostile program: it must end as foretold, and do no harm."""
        job = self.lab.job(hostile.module, limits=hostile.limits, **hostile.fields)
        outcome = self.run(job)
        assert outcome.reason == hostile.reason, f"{outcome.reason}: {outcome.message}"
        assert hostile.words in outcome.message, outcome.message
        return outcome

    def check(self, job: SandboxJob, outcome: Outcome) -> None:
        """Contained, told in plain words, the parent alive."""
        message = outcome.message
        assert message, "no word about how it ended"
        assert not UNFIT & set(message), f"the message has control characters: {message!r}"
        assert len(message) <= MESSAGE_CHARACTERS_MAX, "the message is too long to be read"
        assert "Traceback" not in message
        assert SECRET not in message + outcome.stderr
        assert self.picture() == self.before, "something outside the laboratory changed"
        out = Path(job.output_dir)
        names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
        assert names == {entry.name for entry in outcome.outputs}, "files that nobody told of"
        assert sum(entry.bytes for entry in outcome.outputs) <= job.limits.output_bytes
        assert outcome.ops <= job.limits.max_ops
        assert outcome.peak_memory_bytes <= job.limits.memory_bytes
        assert not workers(), "a worker outlived its run"
        good = self.lab.job(assemble(GOOD))
        after = run_sandboxed(good, timeout=60)
        assert after.reason == "ok", f"a good program fails afterwards: {after.message}"
        assert self.lab.output(good, "stdout") == b"hello"


def workers() -> list[int]:
    """Process ids of living children of this process that are sandbox workers."""
    found = []
    for child in psutil.Process(os.getpid()).children(recursive=True):
        try:
            if child.status() != psutil.STATUS_ZOMBIE and any(
                "sandbox" in word for word in child.cmdline()
            ):
                found.append(child.pid)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.fixture(scope="session")
def arena_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of compiled modules for all fights of a process."""
    return tmp_path_factory.mktemp("arena") / "modules"


@pytest.fixture
def arena(tmp_path: Path, arena_cache: Path) -> Arena:
    """An arena in a fresh folder."""
    return Arena(tmp_path, arena_cache)
