"""One transition table for each kind of object. What is not in it cannot happen.

Keyed (from, to); the value says in a word or two which edge it is. The empty string is "not yet
made". The edges of BOINC.md D3 that each row stands for are listed in docs/lifecycle.md.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

Kind = Literal["unit", "task", "verdict", "stage", "batch", "host"]
Table = Mapping[tuple[str, str], str]


class InvalidTransition(Exception):  # noqa: N818  the field's name for it
    """A step that no table allows. Carries the object's story, as lines of its event log."""

    def __init__(self, kind: str, before: str, after: str, story: Sequence[str] = ()) -> None:
        self.kind, self.before, self.after, self.story = kind, before, after, tuple(story)
        lines = "".join(f"\n  {line}" for line in self.story) or " (no story)"
        super().__init__(f"a {kind} cannot go from {before or 'nothing'} to {after}:{lines}")


UNIT: Table = MappingProxyType(
    {
        ("", "open"): "made",
        ("open", "provisional"): "a single result, held for finality",
        ("open", "valid"): "quorum",
        ("provisional", "valid"): "final",
        ("provisional", "open"): "reopened",
        ("valid", "assimilated"): "output indexed",
        ("valid", "open"): "reopened",
        ("assimilated", "open"): "reopened",
        ("open", "failed"): "given up",
        ("provisional", "cancelled"): "cancelled",
        ("open", "cancelled"): "cancelled",
        ("failed", "open"): "rescued by a late result, or reopened",
        ("assimilated", "retired"): "removed",
        ("failed", "retired"): "removed",
        ("cancelled", "retired"): "removed",
    }
)

TASK: Table = MappingProxyType(
    {
        ("", "unsent"): "made",
        ("unsent", "in_progress"): "sent",
        ("unsent", "unneeded"): "decided without it",
        ("in_progress", "success"): "reported",
        ("in_progress", "error"): "reported",
        ("in_progress", "aborted"): "stopped by the volunteer",
        ("in_progress", "timed_out"): "deadline",
        ("in_progress", "lost"): "its host left",
        ("timed_out", "success"): "reported late",
        ("timed_out", "error"): "reported late",
        ("timed_out", "aborted"): "reported late",
        ("success", "error"): "the validator could not read it",
        ("error", "success"): "another validator is to read it",
    }
)

VERDICT: Table = MappingProxyType(
    {
        ("", "pending"): "returned",
        ("pending", "valid"): "judged",
        ("pending", "invalid"): "judged",
        ("pending", "inconclusive"): "no quorum",
        ("pending", "too_late"): "unit retired",
        ("inconclusive", "valid"): "judged",
        ("inconclusive", "invalid"): "judged",
        ("inconclusive", "too_late"): "unit retired",
        ("valid", "inconclusive"): "unit reopened",
        ("invalid", "inconclusive"): "unit reopened",
        ("valid", "invalid"): "judged anew",
        ("invalid", "valid"): "judged anew",
    }
)

STAGE: Table = MappingProxyType(
    {
        ("", "waiting"): "made",
        ("waiting", "running"): "started",
        ("running", "complete"): "all units ended",
        ("complete", "running"): "a unit reopened",
        ("running", "failed"): "too many failures",
        ("waiting", "cancelled"): "batch ended",
        ("running", "cancelled"): "batch ended",
    }
)

_BATCH_ENDS = ("failed", "cancelled")
BATCH: Table = MappingProxyType(
    {
        ("", "draft"): "made",
        ("", "checking"): "submitted",
        ("draft", "checking"): "submitted",
        ("draft", "cancelled"): "cancelled",
        ("checking", "canary"): "first units",
        ("checking", "running"): "checked",
        ("canary", "running"): "canaries passed",
        ("running", "combining"): "last map stage done",
        ("running", "complete"): "answered",
        ("running", "complete_with_failures"): "answered",
        ("combining", "running"): "next map stage",
        ("combining", "complete"): "answered",
        ("combining", "complete_with_failures"): "answered",
        ("complete", "running"): "reopened",
        ("complete_with_failures", "running"): "reopened",
        **{
            (live, end): end
            for live in ("checking", "canary", "running", "combining", "paused")
            for end in _BATCH_ENDS
        },
        **{(live, "paused"): "paused" for live in ("checking", "canary", "running", "combining")},
        **{("paused", live): "resumed" for live in ("checking", "canary", "running", "combining")},
        **{
            (end, "retired"): "removed"
            for end in ("complete", "complete_with_failures", *_BATCH_ENDS)
        },
    }
)

_HOST_LIVE = ("new", "probation", "trusted", "quarantined")
HOST: Table = MappingProxyType(
    {
        ("", "new"): "enrolled",
        ("new", "probation"): "first result",
        ("probation", "trusted"): "proven",
        ("trusted", "probation"): "to be proven again",
        **{(live, "quarantined"): "results differ" for live in ("new", "probation", "trusted")},
        ("quarantined", "probation"): "released",
        **{(live, "banned"): "banned" for live in _HOST_LIVE},
        ("banned", "probation"): "unbanned",
        **{(live, "retired"): "left" for live in (*_HOST_LIVE, "banned")},
    }
)

TABLES: Mapping[Kind, Table] = MappingProxyType(
    {
        "unit": UNIT,
        "task": TASK,
        "verdict": VERDICT,
        "stage": STAGE,
        "batch": BATCH,
        "host": HOST,
    }
)

#: States that nothing leaves but retirement or an explicit reopening.
BATCH_ENDED = frozenset({"complete", "complete_with_failures", "failed", "cancelled", "retired"})
#: Batches whose units may still be decided.
BATCH_LIVE = frozenset({"checking", "canary", "running", "combining", "paused"})


def is_allowed(kind: Kind, before: str, after: str) -> bool:
    """Whether the table of ``kind`` has this step."""
    return (before, after) in TABLES[kind]


def check_transition(kind: Kind, before: str, after: str, story: Sequence[str] = ()) -> None:
    """Raise :class:`InvalidTransition` unless the table of ``kind`` has this step."""
    if (before, after) not in TABLES[kind]:
        raise InvalidTransition(kind, before, after, story)
