"""``idlegrid-server whatif``: how a batch would fare, before anybody computes it."""

import time
from pathlib import Path
from typing import get_args

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from idlegrid_server.project import open_project
from idlegrid_server.store.sql.host import HOST_LIKENESSES
from idlegrid_server.store_access import opened_store
from idlegrid_server.whatif.behaviour import Behaviour
from idlegrid_server.whatif.grid import Settings
from idlegrid_server.whatif.likeness import HOSTS_MIN, likenesses
from idlegrid_server.whatif.population import Crowd, Population, Published, Resembling, Traits
from idlegrid_server.whatif.question import Answer, Question, ask
from idlegrid_server.whatif.work import Batch
from idlegrid_shared.documents import Policy, Replication

from .group import json_option, print_json

LOOKED_BACK_US = 30 * 86_400 * 1_000_000
HOSTS_READ_MAX = 100_000
SHARE = click.FloatRange(0, 1)


@click.command()
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), required=False)
@click.option("--hosts", type=click.IntRange(1, 1_000_000), help="Hosts at any time.")
@click.option("--units", type=click.IntRange(1, 10_000_000), required=True, help="Work units.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    required=True,
    help="Seconds that a unit computes on one core of the mean (here: the usual) host.",
)
@click.option(
    "--replication",
    type=click.Choice(get_args(Replication)),
    default="fixed",
    show_default=True,
    help="How results come to be believed.",
)
@click.option("--quorum", type=int, default=2, show_default=True, help="Results that must agree.")
@click.option("--replicas", type=int, help="Tasks made at first; the quorum if not given.")
@click.option("--deadline-h", type=float, default=24.0, show_default=True, help="Hours a task has.")
@click.option("--liars", type=SHARE, default=0.0, help="Share of hosts that lie, each for himself.")
@click.option("--ring", type=SHARE, default=0.0, help="Share of hosts that lie in agreement.")
@click.option("--lies", type=SHARE, default=0.3, show_default=True, help="Share of false results.")
@click.option("--runs", type=click.IntRange(1, 10_000), default=20, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Equal seeds, equal answers.")
@json_option
def whatif(
    folder: Path | None,
    hosts: int | None,
    units: int,
    seconds: float,
    replication: Replication,
    quorum: int,
    replicas: int | None,
    deadline_h: float,
    liars: float,
    ring: float,
    lies: float,
    runs: int,
    seed: int,
    as_json: bool,
) -> None:
    """Say how a batch would fare: when it is done, what it costs, how much of it is wrong.

    With DIR the hosts resemble those that the project has seen within 30 days; without, those of
    the literature. Nothing is changed anywhere.
    """
    policy = Policy(
        replication=replication,
        quorum=quorum,
        replicas=quorum if replicas is None else replicas,
        max_tasks=max(10, 5 * quorum),
        max_successes=max(6, 3 * quorum),
        deadline_s=round(deadline_h * 3_600),
    )
    try:
        policy.check()
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None
    crowd = Crowd(
        (
            (liars, Behaviour("liar", lies)),
            (ring, Behaviour("ring", lies, ring=1, rejoins=True)),
        )
    )
    if liars + ring > 1:
        raise click.UsageError("--liars and --ring are shares of all hosts: together at most 1.")
    own = [] if folder is None else _own_hosts(folder)
    population: Population = Resembling(own, crowd) if own else Published(crowd)
    question = Question(
        Batch(units, seconds, policy),
        population,
        Settings(hosts or len(own) or 100),
        runs=runs,
        seed=seed,
    )
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=as_json) as bar:
        task = bar.add_task("runs", total=runs)
        answer = ask(question, lambda outcome: bar.advance(task))
    if as_json:
        print_json(answer)
    else:
        _show(answer, "like this project's" if own else "as published figures have them")


def _own_hosts(folder: Path) -> list[Traits]:
    since = time.time_ns() // 1_000 - LOOKED_BACK_US
    with opened_store(open_project(folder)) as store, store.reading() as db:
        rows = db.fetch_all(HOST_LIKENESSES, since=since, limit=HOSTS_READ_MAX)
    found = likenesses(rows)
    if len(found) >= HOSTS_MIN:
        return found
    click.echo(
        f"Only {len(found)} hosts of this project have returned results within 30 days, and "
        f"{HOSTS_MIN} are needed to resemble them; published figures are used instead.",
        err=True,
    )
    return []


def _show(answer: Answer, kind: str) -> None:
    title = f"{answer.units:,} units on {answer.hosts:,} hosts {kind}, {answer.runs} runs"
    table = Table(title=title, show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column()
    for name, text in (
        ("all done", _range(answer.makespan_h_p50, answer.makespan_h_p90)),
        ("90 % done", _range(answer.nine_tenths_h_p50, answer.nine_tenths_h_p90)),
        ("tasks per unit", f"{answer.tasks_per_unit:.2f}"),
        ("tasks in vain", f"{answer.wasted_share:.1%}"),
        ("of all tasks", f"errors {answer.errors_share:.1%}, late {answer.timed_out_share:.1%}"),
        ("wrong units", f"{answer.wrong:,} (at most {answer.wrong_max:.1e} of all, 95 %)"),
        ("failed units", f"{answer.failed:,}"),
        ("hosts caught", f"{answer.hosts_caught:,}"),
    ):
        table.add_row(name, text)
    Console().print(table)
    if answer.ended_share < 1:
        click.echo(f"{1 - answer.ended_share:.0%} of the runs had no end within a year.")


def _range(p50: float | None, p90: float | None) -> str:
    return f"P50 {_hours(p50)}, P90 {_hours(p90)}"


def _hours(hours: float | None) -> str:
    if hours is None:
        return "never"
    return f"{hours:.1f} h" if hours < 72 else f"{hours / 24:.1f} days"
