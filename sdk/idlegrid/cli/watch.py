"""A batch's progress, live: one bar a stage, and the states in words."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from idlegrid.batch import Batch
from idlegrid.reply import BatchProgress, StageProgress

from .screen import Screen

STAGE_WORDS = {"map": "computing", "combine": "combining"}


class _Bars:
    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[int, TaskID] = {}

    def show(self, batch: BatchProgress) -> None:
        for stage in batch.stages:
            if stage.index not in self.tasks:
                self.tasks[stage.index] = self.progress.add_task("", total=None)
            done = stage.assimilated + stage.failed + stage.cancelled
            self.progress.update(
                self.tasks[stage.index],
                description=_words(batch, stage),
                completed=done,
                total=stage.expected or None,
            )


def _words(batch: BatchProgress, stage: StageProgress) -> str:
    words = STAGE_WORDS.get(stage.kind, stage.kind)
    state = batch.state if batch.state == "paused" else stage.state
    failed = f", {stage.failed} failed" if stage.failed else ""
    waiting = f", {stage.provisional} provisional" if stage.provisional else ""
    return f"{batch.name}: {words} ({state}{failed}{waiting})"


def watch_batch(screen: Screen, batch: Batch) -> BatchProgress:
    """Show ``batch`` until it ends; raises :class:`BatchFailedError` if it has no answer then."""
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=screen.err,
        disable=screen.json,
    )
    with bars:
        return batch.wait(on_progress=_Bars(bars).show)
