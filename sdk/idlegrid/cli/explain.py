"""``idlegrid explain``: the whole story of one thing, in plain words."""

import click
from rich.table import Table
from rich.text import Text

from idlegrid.grid import Grid
from idlegrid.reply import Story

from .connection import project_option
from .screen import Screen, json_option, pass_screen

KINDS = ("unit", "task", "host", "batch", "account")
#: How a step ended, by the state that it led to; what is not here is neither good nor bad.
GOOD = frozenset(("valid", "assimilated", "complete", "trusted", "success"))
BAD = frozenset(
    ("failed", "error", "invalid", "timed_out", "lost", "quarantined", "banned", "too_late")
)


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name", metavar="ID")
@project_option
@json_option
@pass_screen
def explain(screen: Screen, grid: Grid, kind: str, name: str) -> None:
    """Tell why KIND ID stands where it stands, from its first day on.

    ID is as lists show it; a unit is also found as BATCH_ID:INDEX. You see what is yours.
    """
    story = grid.explain(kind, name)
    screen.result(story, lambda: show_story(screen, story))


def show_story(screen: Screen, story: Story) -> None:
    """The headline, what it waits for, the facts, and the steps by day."""
    out = screen.out
    out.print(Text(f"{story.kind} {story.id}", style="dim"))
    out.print(Text(story.headline, style="bold"))
    for line in story.now:
        out.print(Text(f"  · {line}"))
    facts = Table.grid(padding=(0, 2))
    for name, value in story.facts.items():
        if value is not None:
            facts.add_row(Text(name, style="dim"), Text(_value(value)))
    out.print()
    out.print(facts)
    if story.steps:
        out.print()
    day = ""
    for step in story.steps:
        date, _, time = step.at.rstrip("Z").partition("T")
        if date != day:
            day = date
            out.print(Text(date, style="bold"))
        out.print(_line(time[:8], step.now, step.text, step.object, step.who, story.id))
    if story.truncated:
        out.print(Text("…and more: only the first steps are shown.", style="dim"))


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _line(time: str, state: str, text: str, subject: str, who: str, story: str) -> Text:
    colour = "green" if state in GOOD else "red" if state in BAD else "cyan"
    line = Text(f"  {time} ", style="dim")
    line.append("● ", style=colour)
    line.append(text, style="default")
    about = who if subject == story else f"{subject}, {who}"
    line.append(f"  ({about})", style="dim")
    return line
