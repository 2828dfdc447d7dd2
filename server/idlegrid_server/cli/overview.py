"""``idlegrid-server status``, ``incidents`` and ``recount``: how the project does."""

import time
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from idlegrid_server.health import Condition, judge, worst
from idlegrid_server.project import Project, open_project
from idlegrid_server.store.command import Store
from idlegrid_server.store.recount import recount
from idlegrid_server.store.sql.account import INCIDENTS_NEWEST
from idlegrid_server.store.sql.batch import BATCH_COUNTS
from idlegrid_server.store.sql.host import HOST_COUNTS
from idlegrid_server.store.sql.job import JOB_COUNTS
from idlegrid_server.store.sql.unit import UNITS_DUE_COUNT
from idlegrid_server.store_access import opened_store

from .group import folder_argument, json_option, print_json, print_table

SEEN_US = 24 * 3600 * 1_000_000
BEHIND_MAX = 100_000
SIGNS = {"ok": "well", "warning": "WARNING", "error": "ERROR"}


class Status(msgspec.Struct, frozen=True):
    """The state of a project at one moment."""

    name: str
    url: str
    served: bool
    processes: dict[str, int]
    restarts: dict[str, int]
    batches: dict[str, int]
    hosts: dict[str, int]
    hosts_seen_today: int
    tasks_in_progress: int
    units_due: int
    jobs: dict[str, int]
    level: str
    health: list[Condition]


class Incident(msgspec.Struct, frozen=True):
    """Something that went wrong, and how often."""

    code: str
    source: str
    text: str
    count: int
    first: str
    last: str


@click.command()
@folder_argument
@json_option
def status(folder: Path, as_json: bool) -> None:
    """Show processes, work and health, in words."""
    project = open_project(folder)
    health = judge(project)  # before this command itself holds the project
    with opened_store(project) as store:
        state = _status(project, store, health)
    if as_json:
        print_json(state)
        return
    click.echo(f"“{state.name}” at {state.url}, {'served' if state.served else 'not served'}.")
    for role, pid in state.processes.items():
        again = state.restarts.get(role, 0)
        click.echo(f"  {role:<8} pid {pid}" + (f", restarted {again} times" if again else ""))
    click.echo(f"Batches: {_counts(state.batches, 'none yet')}.")
    click.echo(
        f"Hosts: {_counts(state.hosts, 'none yet')}; {state.hosts_seen_today} seen within a day, "
        f"{state.tasks_in_progress} tasks in progress."
    )
    click.echo(f"Work units that wait for a pass: {state.units_due}.")
    click.echo(f"Jobs of the server: {_counts(state.jobs, 'none')}.")
    click.echo("Health:")
    for condition in state.health:
        click.echo(f"  {SIGNS[condition.level]}: {condition.text}")


@click.command()
@folder_argument
@click.option("--limit", type=click.IntRange(1, 1000), default=50, help="How many, newest first.")
@json_option
def incidents(folder: Path, limit: int, as_json: bool) -> None:
    """Show what was refused at the door and what broke; equal ones are counted."""
    project = open_project(folder)
    with opened_store(project) as store, store.reading() as db:
        found = [
            Incident(
                row.code, row.source, row.text, row.times, _time(row.first_at), _time(row.last_at)
            )
            for row in db.fetch_all(INCIDENTS_NEWEST, limit=limit)
        ]
    if as_json:
        print_json(found)
        return
    print_table(
        ("LAST", "TIMES", "CODE", "SOURCE", "WHAT"),
        (
            (i.last, i.count, i.code, i.source, i.text.splitlines()[0] if i.text else "")
            for i in found
        ),
        "Nothing went wrong that anybody noticed.",
    )


@click.command("recount")
@folder_argument
@json_option
def recount_(folder: Path, as_json: bool) -> None:
    """Recompute every counter and check every rule from the rows; ends with 1 if one is broken.

    Reads the whole database: on a large one that takes its time, and harms nobody.
    """
    project = open_project(folder)
    with opened_store(project) as store, store.reading() as db:
        broken = recount(db, project.config.dispatch.distinct)
    if as_json:
        print_json(broken)
    else:
        for sentence in broken:
            click.echo(sentence)
        click.echo(f"{len(broken)} broken rules." if broken else "Everything adds up.")
    if broken:
        raise click.exceptions.Exit(1)


def _status(project: Project, store: Store, health: list[Condition]) -> Status:
    now = time.time_ns() // 1000
    served = all(condition.code != "not_served" for condition in health)
    running = project.running()
    with store.reading() as db:
        hosts = db.fetch_all(HOST_COUNTS, since=now - SEEN_US)
        batches = dict(db.fetch_all(BATCH_COUNTS))
        jobs = {f"{kind} {state}": n for kind, state, n in db.fetch_all(JOB_COUNTS)}
        due = db.fetch_one(UNITS_DUE_COUNT, now=now, limit=BEHIND_MAX)
    return Status(
        name=project.config.project.name,
        url=project.url,
        served=served,
        processes=running.processes if running and served else {},
        restarts=running.restarts if running and served else {},
        batches=batches,
        hosts={state: count for state, count, _, _ in hosts},
        hosts_seen_today=sum(seen for _, _, seen, _ in hosts),
        tasks_in_progress=sum(held for _, _, _, held in hosts),
        units_due=due[0] if due else 0,
        jobs=jobs,
        level=worst(health),
        health=health,
    )


def _counts(counts: dict[str, int], empty: str) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or empty


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
