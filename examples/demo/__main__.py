"""`make demo`: a server, four clients (one dishonest), a batch, one answer; and what was checked.

`--chaos` (make demo CHAOS=1) also kills the writer, the web, the workers, Valkey and two clients,
again and again while the batch runs, and expects the same bytes.
"""

import argparse
import csv
import os
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from . import check
from .chaos import Chaos
from .dishonest import LOG_VARIABLE, SHARE_VARIABLE
from .process import StepError
from .stage import APP, ROOT, Stage

HONEST = ("ada", "grace", "emmy")
LIAR = "mallory"
BATCH_S_MAX = 600.0
ENDED = {"complete", "complete_with_failures", "failed", "cancelled"}
CHAOS_PAUSE_S = (0.4, 1.6)


class Demo:
    """The steps, each with a line on the screen."""

    def __init__(self, words: argparse.Namespace) -> None:
        self.words = words
        self.screen = Console(highlight=False)
        folder = ROOT / "build" / "demo" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
        self.stage = Stage(folder)
        self.table = words.table or APP / "units.csv"
        self.chaos: Chaos | None = None
        self.began = time.monotonic()

    def say(self, text: str) -> None:
        """One line with the time so far."""
        self.screen.print(
            f"[dim]{time.monotonic() - self.began:5.1f} s[/dim]  {text}", soft_wrap=True
        )

    def run(self) -> None:
        """The whole story; raises :class:`StepError`."""
        stage = self.stage
        self.screen.rule("Idlegrid: the main job, end to end")
        self.say("building the app: C to WebAssembly (the very first build takes half a minute)")
        stage.scientist("app", "build", str(APP))
        self.began = time.monotonic()
        self.say("computing the batch here, without a server, to have something to compare with")
        local = stage.folder / "answer-local"
        stage.scientist("run-local", str(APP), "--table", str(self.table), "--out", str(local))
        self.say("starting a project server")
        stage.start_server()
        self.say(f"it answers at [bold]{stage.url}[/bold]  (volunteers join by {stage.link})")
        stage.publish_app()
        self.say("the scientist's key is allowed, the app is signed and published")
        for name in HONEST:
            stage.add_client(name)
        lies_log = stage.folder / "lies.jsonl"
        stage.add_client(
            LIAR,
            "examples.demo.dishonest",
            **{SHARE_VARIABLE: str(self.words.lies), LOG_VARIABLE: str(lies_log)},
        )
        self.say(
            f"four clients run: {', '.join(HONEST)}, and {LIAR}, "
            f"who alters {self.words.lies:.0%} of its results"
        )
        stage.scientist(
            "batch", "submit", str(APP), "--table", str(self.table), "--name", "demo", "--public"
        )
        batch = self.watch()
        answer = stage.folder / "answer"
        stage.scientist("batch", "fetch", "demo", "--out", str(answer))
        self.report(batch, answer, local, check.told_lies(lies_log))

    def watch(self) -> str:
        """Progress bars until the batch has ended; its id. Chaos reigns meanwhile, if wanted."""
        stage = self.stage
        batches = stage.rest("batches?limit=10")
        batch = next(b for b in batches["batches"] if b["name"] == "demo")  # type: ignore[index]
        self.say(f"look at it: [bold]{stage.url}/b/{batch['id']}[/bold]")
        if self.words.chaos:
            self.chaos = Chaos(stage.serve_json, stage.clients[1:3], self.words.seed, CHAOS_PAUSE_S)
            self.chaos.start()
        end = time.monotonic() + BATCH_S_MAX
        with Progress(
            TextColumn("         {task.description:<28}"),
            BarColumn(40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.screen,
        ) as bars:
            shown: dict[int, object] = {}
            while time.monotonic() < end:
                state = stage.rest(f"batches/{batch['id']}")
                for part in state["stages"]:  # type: ignore[index]
                    at = part["index"]
                    if at not in shown:
                        shown[at] = bars.add_task("", total=None)
                    words = {"map": "units agreed on", "combine": "combined into one answer"}
                    bars.update(
                        shown[at],  # type: ignore[arg-type]
                        description=words[part["kind"]],
                        completed=part["assimilated"],
                        total=part["expected"] or None,
                    )
                if state["state"] in ENDED:  # type: ignore[index]
                    break
                if not self.words.chaos:
                    for program in [*stage.clients, stage.server]:
                        assert program is not None
                        program.check_alive()
                time.sleep(0.5)
        if self.chaos:
            self.chaos.stop()
        if state["state"] != "complete":  # type: ignore[index]
            raise StepError(f"the batch is {state['state']}: {state.get('reason')}")  # type: ignore[index, attr-defined]
        return str(batch["id"])

    def report(self, batch: str, answer: Path, local: Path, lies: set[str]) -> None:
        """Check everything, say it, end everything cleanly."""
        stage = self.stage
        with Path(self.table).open(newline="", encoding="utf-8") as file:
            expected = sum(1 for _ in csv.DictReader(file))
        units = check.every_unit(stage, batch)
        checks = [
            check.same_bytes(answer, local),
            check.top_period(answer),
            check.nothing_lost(units, expected),
            check.lies_found(units, lies, LIAR),
        ]
        if self.chaos:
            killed = ", ".join(f"{name} {n}×" for name, n in sorted(self.chaos.kills.items()))
            if not self.chaos.kills:
                raise StepError("nothing was killed")
            checks.append(f"killed meanwhile: {killed}")
        codes = stage.stop()
        bad = {name: code for name, code in codes.items() if code != 0}
        if bad:
            raise StepError(f"programs that did not end cleanly: {bad}")
        left = stage.left_running()
        if left:
            raise StepError(f"processes were left running: {left}")
        checks.append(check.recount(stage))
        checks.append("everything ended cleanly; no process is left")
        for line in checks:
            self.screen.print(f"  [green]✓[/green] {line}", soft_wrap=True)
        self.screen.print(f"\nThe answer, with its plot: [bold]{answer}[/bold]")
        self.screen.print("Serve the project again:   ", end="")
        self.screen.print(f"[bold]idlegrid-server serve '{stage.project}'[/bold]", soft_wrap=True)
        self.screen.print(f"The demo took {time.monotonic() - self.began:.0f} s after the set-up.")


def main() -> int:
    """Exit code 0 if every check held."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--chaos", action="store_true", help="kill parts of it meanwhile")
    parser.add_argument("--seed", type=int, default=1, help="of the chaos")
    parser.add_argument("--lies", type=float, default=0.3, help="share of results that are altered")
    parser.add_argument("--table", type=Path, help="another table of units")
    parser.add_argument("--remove", action="store_true", help="delete its folder at the end")
    demo = Demo(parser.parse_args())
    try:
        demo.run()
    except StepError as error:
        demo.screen.print(f"\n[red]✗[/red] {error}", markup=True, soft_wrap=True)
        demo.screen.print(f"The logs are in {demo.stage.logs}")
        return 1
    except KeyboardInterrupt:
        demo.screen.print("\nStopped.")
        return 130
    finally:
        if demo.chaos:
            demo.chaos.ended.set()
        demo.stage.kill_all()
        if demo.words.remove:
            demo.stage.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
