"""A dishonest volunteer: computes, then alters a share of its outputs before it reports them.

The client itself holds no such code: this subclasses its one extension point. Which tasks are
altered depends on the task's name alone, so that a killed and restarted liar stays of one mind, and
every lie is written down for the demo to check.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

import click

from idlegrid_client.agent_loop import data_folder
from idlegrid_client.core.model import TaskState
from idlegrid_client.program import run_client
from idlegrid_client.runner.runner import Runner
from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.sandbox.job import Outcome

SHARE_VARIABLE = "DEMO_LIES_SHARE"
LOG_VARIABLE = "DEMO_LIES_LOG"


def lies_about(task: str, share: float) -> bool:
    """Whether this liar alters the outputs of ``task``."""
    draw = int.from_bytes(hashlib.sha256(task.encode()).digest()[:8], "big") / 2**64
    return draw < share


def alter(path: Path) -> None:
    """Change one digit of a file, in its last third, where nobody would look."""
    data = bytearray(path.read_bytes())
    for at in range(2 * len(data) // 3, len(data)):
        if chr(data[at]).isdigit():
            data[at] = ord("0") + (data[at] - ord("0") + 1) % 10
            break
    else:
        data += b"\n"
    path.write_bytes(data)


class DishonestRunner(Runner):
    """Alters ``maxima.csv`` of the tasks that it lies about."""

    def collect_outputs(
        self, task: TaskState, out: Path, outcome: Outcome
    ) -> tuple[ManifestEntry, ...]:
        """Lie, write the lie down, and report it with a straight face."""
        if lies_about(task.id, float(os.environ[SHARE_VARIABLE])):
            files = sorted(path for path in out.rglob("*") if path.is_file())
            with Path(os.environ[LOG_VARIABLE]).open("a", encoding="utf-8") as log:
                log.write(json.dumps({"task": task.id, "file": files[0].name}) + "\n")
                log.flush()
                os.fsync(log.fileno())
            alter(files[0])
        return super().collect_outputs(task, out, outcome)


@click.command(context_settings={"ignore_unknown_options": False})
@click.argument("verb", type=click.Choice(["run"]))
@click.option("--cores", type=int, default=1)
@click.option("--data", type=click.Path(path_type=Path), required=True)
def main(verb: str, cores: int, data: Path) -> None:
    """As `idlegrid-client run`, but not to be trusted."""
    del verb
    run_client(
        data_folder(data),
        cores=cores,
        echo=lambda line: print(line, flush=True),
        make_runner=DishonestRunner,
    )
    sys.exit(0)


if __name__ == "__main__":
    main()
