"""Write a Python program, build it as an app, run one unit of it as a host would."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from idlegrid.appfile import read_app
from idlegrid.build import build_app
from idlegrid.local_unit import Step, run_step
from idlegrid.python_runtime import runtime_places
from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.sandbox.job import Outcome

from .cache import MODULES

APP_TOML = """\
[app]
name = "lab"
version = "1"
runtime = "python"
python = "{python}"

[programs.work]
folder = "src"
entry = "{entry}"
args = "{args}"
{more}

[split]
program = "work"
"""
LIMITS = {"memory_bytes": 64 * 1024**2, "max_ops": 20_000_000_000, "time_s": 60}


class Ran:
    """What one run did."""

    def __init__(self, outcome: Outcome, out: Path) -> None:
        self.outcome = outcome
        self.out = out

    @property
    def files(self) -> dict[str, bytes]:
        """Output files by name."""
        return {e.name: (self.out / e.name).read_bytes() for e in self.outcome.outputs}

    @property
    def stdout(self) -> str:
        """What it printed; only for a run that went well."""
        assert self.outcome.reason == "ok", (self.outcome.message, self.outcome.stderr)
        return self.files.get("stdout", b"").decode()


class PythonLab:
    """Every program gets an app folder of its own."""

    def __init__(self, folder: Path, python: str = "cpython") -> None:
        self.folder = folder
        self.python = python
        self.count = 0

    def write(
        self,
        source: str | Mapping[str, str],
        *,
        entry: str = "main.py",
        args: str = "text",
        more: str = "",
    ) -> Path:
        """An app with one program; ``source`` is its main.py, or all its files by name."""
        self.count += 1
        folder = self.folder / f"app{self.count}"
        files = {"main.py": source} if isinstance(source, str) else source
        for name, text in files.items():
            path = folder / "src" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        folder.mkdir(exist_ok=True)
        limits = "\n".join(f"{name} = {value}" for name, value in LIMITS.items())
        toml = APP_TOML.format(python=self.python, entry=entry, args=args, more=more or limits)
        (folder / "app.toml").write_text(toml, "utf-8")
        return folder

    def run(
        self,
        source: str | Mapping[str, str] | Path,
        *words: str,
        inputs: Mapping[str, Path] | None = None,
        seed: bytes = b"seed",
        entry: str = "main.py",
        args: str = "text",
        more: str = "",
    ) -> Ran:
        """Run it once, with ``words`` as its arguments."""
        folder = source
        if not isinstance(folder, Path):
            folder = self.write(folder, entry=entry, args=args, more=more)
        app = read_app(folder)
        self.count += 1
        out = self.folder / f"out{self.count}"
        step = Step("work", words, inputs or {}, seed, out)
        return Ran(run_step(app, build_app(app), step, MODULES, threading.Event()), out)

    def order(self, folder: Path, **fields: Any) -> BoxOrder:
        """What a box needs to run the app in ``folder``."""
        app = read_app(folder)
        program = build_app(app)["work"]
        interpreter, places = runtime_places(app.python)
        self.count += 1
        values: dict[str, Any] = {
            "program": program.document(app.programs["work"], app.runtime),
            "places": places | program.places(),
            "interpreter": interpreter,
            "output_dir": str(self.folder / f"out{self.count}"),
            "seed": b"seed",
            "profile": app.profile,
            "runtime": "python",
            "checkpoint": app.checkpoint,
            "cache_dir": str(MODULES),
        }
        return BoxOrder(**(values | fields))
