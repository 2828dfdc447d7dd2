"""What `status` shows: from a running agent's file, or from what lies in the folder."""

from .attach import attached_links
from .core.model import IN_MEMORY
from .layout import DataFolder
from .lock import is_locked
from .status import FORMAT, ProjectStatus, Status, read_status
from .store_state import Link


def current_status(folder: DataFolder) -> Status:
    """The newest status. If no client runs, what the last one left, with that said."""
    last = read_status(folder.status)
    alive = is_locked(folder.lock)
    if last is not None and alive and last.running:
        return last
    links = attached_links(folder)
    why = "The client is not running: start it with `idlegrid-client run`."
    if not links:
        why = "No project is attached: use `idlegrid-client attach` with a project's link."
    elif alive:
        why = "The client is starting."
    old = {p.fingerprint: p for p in last.projects} if last is not None else {}
    return Status(
        format=FORMAT,
        at=last.at if last is not None else 0,
        pid=0,
        running=False,
        data=str(folder.root),
        cores=last.cores if last is not None else 0,
        why=why,
        projects=[_at_rest(old.get(link.fingerprint), link, folder, why) for link in links],
    )


def describe(project: ProjectStatus) -> list[str]:
    """A project in lines for the terminal."""
    lines = [
        f"{project.name}  {project.url}  {project.fingerprint[:8]}",
        f"  {project.why}",
        f"  {project.running} running, "
        + (f"{project.suspended} suspended, " if project.suspended else "")
        + f"{project.ready} ready, {project.fetching} being fetched, "
        f"{project.waiting} results waiting for delivery, {project.delivered} delivered",
    ]
    for task in project.tasks:
        if task.phase == "running":
            label = " ".join(part for part in (task.app, task.batch) if part)
            left = f", {_span(task.left_s)} left" if task.left_s is not None else ""
            lines.append(f"  {task.progress:4.0%}{left}  {label}  {task.id}")
    return lines


def _span(seconds: float) -> str:
    """About so long, as people say it."""
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 1.5 * size:
            return f"about {round(seconds / size)} {unit}"
    return "about a minute" if seconds >= 45 else "less than a minute"


def _at_rest(
    known: ProjectStatus | None, link: Link, folder: DataFolder, why: str
) -> ProjectStatus:
    if known is None:
        known = ProjectStatus(
            name=link.name,
            url=link.url,
            fingerprint=link.fingerprint,
            folder=str(folder.project(link.fingerprint).root),
        )
    for task in known.tasks:
        if task.phase in IN_MEMORY:
            task.phase = "ready"
    known.ready += known.running + known.suspended
    known.running, known.suspended, known.why = 0, 0, why
    return known
