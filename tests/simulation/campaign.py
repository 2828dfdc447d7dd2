"""Many seeds, in several processes, with a count of what they went through."""

import logging
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .run import SeedFailed, Told, run_seed

COUNTED = {
    "happened": "events",
    "server_kills": "server kills",
    "client_kills": "client kills",
    "receipts": "receipts",
    "continued": "continued tasks",
    "singles": "singles held",
}
LINES_EVERY_S = 10.0  # of the counter, where no terminal shows a bar


@dataclass
class Campaign:
    """What all seeds came to."""

    seeds: int = 0
    seconds: float = 0.0
    failed: dict[int, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)  # kinds of hosts, and what else a mix has

    def __str__(self) -> str:
        """The last line."""
        rate = self.seeds / self.seconds if self.seconds else 0.0
        counts = ", ".join(f"{n:,} {COUNTED[name]}" for name, n in self.counts.items())
        return (
            f"{self.seeds} seeds in {self.seconds:.0f} s ({rate:.2f} a second), "
            f"{len(self.failed)} failed; {counts}"
        )


def run_campaign(
    seeds: Sequence[int], *, workers: int = 1, bar: bool = False, each: bool = False
) -> Campaign:
    """Run ``seeds`` in ``workers`` processes. A failure's whole story goes to standard error."""
    told, began = Campaign(), time.monotonic()
    context = multiprocessing.get_context("spawn")  # a fork would share open databases
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        waiting = {pool.submit(_one, seed): seed for seed in seeds}
        with _Show(len(seeds), bar=bar) as show:
            for future in as_completed(waiting):
                seed = waiting.pop(future)
                line = _add(told, seed, future)
                told.seconds = time.monotonic() - began
                if seed in told.failed:
                    show.say(told.failed[seed])
                elif each:
                    show.say(line)
                show.advance(told)
    print(told, flush=True)
    if told.failed:
        print(f"failed seeds: {sorted(told.failed)}", file=sys.stderr, flush=True)
    return told


def _one(seed: int) -> Told | str:
    logging.disable(logging.CRITICAL)  # what goes wrong is meant to
    try:
        return run_seed(seed)
    except SeedFailed as error:
        return str(error)


def _add(told: Campaign, seed: int, future: "Future[Told | str]") -> str:
    told.seeds += 1
    try:
        result = future.result()
    except Exception as error:  # noqa: BLE001 - a worker that died is a failed seed too
        result = f"seed {seed}: the process that ran it ended: {error!r}"
    if isinstance(result, str):
        told.failed[seed] = result
        return result
    told.counts.update({name: getattr(result, name) for name in COUNTED})
    told.seen.update(set(result.mix.hosts))
    return (
        f"seed {seed}: {result.happened} events, {result.continued} continued, "
        f"in {result.virtual_s:.0f} virtual s, {result.server_kills} server kills, "
        f"{result.client_kills} client kills, {result.receipts} receipts, "
        f"{', '.join(result.states)}"
    )


class _Show:
    """A bar in a terminal; elsewhere a line every few seconds."""

    def __init__(self, total: int, *, bar: bool) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._lines = bar and not self._console.is_terminal
        self._said = time.monotonic()
        self._total = total
        self._bar = Progress(
            TextColumn("seeds"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[failed]} failed"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not bar or self._lines,
        )
        self._task = self._bar.add_task("seeds", total=total, failed=0)

    def __enter__(self) -> "_Show":
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """A line (or a failure's story) above the bar."""
        self._console.print(text, markup=False, soft_wrap=True)

    def advance(self, told: Campaign) -> None:
        """One seed more is through."""
        self._bar.update(self._task, completed=told.seeds, failed=len(told.failed))
        if self._lines and time.monotonic() - self._said > LINES_EVERY_S:
            self._said = time.monotonic()
            self.say(f"{told.seeds} of {self._total} seeds, {len(told.failed)} failed")
