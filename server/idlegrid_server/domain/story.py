"""A line of the event log in plain words. What the log can say, this can tell.

A reason is a code of :mod:`.reason`, a note of :data:`NOTE`, or a person's own words: those are
told as such, and only where people can give them.
"""

from collections.abc import Mapping

from .credit import MICRO
from .reason import BATCH, HOST, TASK, UNIT

#: What it means that an object of a kind comes to a state.
STATE: Mapping[str, Mapping[str, str]] = {
    "unit": {
        "open": "It needs results",
        "provisional": "Accepted for now",
        "valid": "Accepted",
        "assimilated": "In the answer",
        "failed": "Given up",
        "cancelled": "Cancelled",
        "retired": "Removed",
    },
    "task": {
        "unsent": "Waits to be sent",
        "in_progress": "Sent",
        "success": "Returned",
        "error": "Failed",
        "timed_out": "Given up",
        "aborted": "Stopped",
        "unneeded": "Not needed",
        "lost": "Lost",
    },
    "verdict": {
        "pending": "Waits for a verdict",
        "valid": "Judged right",
        "invalid": "Judged wrong",
        "inconclusive": "Not decided",
        "too_late": "Too late to be judged",
    },
    "stage": {
        "waiting": "Waits for the stage before it",
        "running": "Runs",
        "complete": "Complete",
        "failed": "Failed",
        "cancelled": "Cancelled",
    },
    "batch": {
        "draft": "Written down",
        "checking": "Its table is being checked",
        "canary": "Its first units are tried",
        "running": "Runs",
        "paused": "Paused",
        "combining": "Results are being combined",
        "complete": "Complete",
        "complete_with_failures": "Complete, with failures",
        "failed": "Failed",
        "cancelled": "Cancelled",
        "retired": "Removed",
    },
    "host": {
        "new": "New",
        "probation": "On probation",
        "trusted": "Trusted",
        "quarantined": "In quarantine",
        "banned": "Banned",
        "retired": "Gone",
    },
}

#: Lines about an object that stays as it is, by the whole note or its first words.
NOTE: Mapping[str, str] = {
    "sent again": "Its computer had lost it, so it was offered to it again.",
    "continues": "It goes on from what another computer had done.",
    "booked": "Credit for it waits until it is final: nobody else has computed it yet.",
    "void": "The credit that waited for it is void.",
    "units created": "Units were made.",
    "units": "More units may go out.",
    "validated": "The validator looked at its outputs.",
    "validator_changed": "Its owner gave it another validator.",
    "urgency": "An admin said how urgent it is.",
    "share": "An admin said how much of the grid it may have.",
    "cap": "An admin said how many tasks of it may be out at a time.",
    "answer": "An answer was made.",
    "created": "The account was made.",
    "password changed": "A new password was set.",
    "disabled": "The account was shut out.",
    "enabled": "The account was let in again.",
    "version": "A version was published or withdrawn.",
    "now belongs to": "It changed hands.",
    "house": "An admin made it one of the project's own.",
    "no house": "An admin made it a volunteer's host again.",
}

CODES: Mapping[str, Mapping[str, str]] = {
    "unit": UNIT,
    "task": TASK,
    "verdict": TASK,
    "stage": BATCH,
    "batch": BATCH,
    "host": HOST,
}
FINDINGS_TOLD = 3
#: Of these people may say why in their own words.
OWN_WORDS = frozenset({"stage", "batch", "host", "account", "app"})


def reason_words(kind: str, reason: str) -> str:
    """A reason in a sentence; "" for none. Raises ``KeyError`` for a code that does not exist."""
    if not reason:
        return ""
    code, _, more = reason.partition(": ")
    codes = CODES.get(kind, {})
    if reason in codes:
        return codes[reason]
    if code in codes:
        return f"{codes[code]} {_ended(more)}"
    for note, words in NOTE.items():
        if reason == note or reason.startswith(note + " "):
            return words if reason == note else f"{words[:-1]}: {reason}."
    if kind in OWN_WORDS:
        return f"In words: {_ended(reason)}"
    raise KeyError(f"no sentence for the reason {reason!r} of a {kind}")


def _ended(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def step_words(
    kind: str, before: str | None, after: str, reason: str, detail: Mapping[str, object] | None
) -> str:
    """What a line of the log says, in one or two sentences."""
    why = reason_words(kind, reason)
    if before == after:
        return _noted(why or f"{STATE[kind][after]}.", reason, detail or {})
    state = STATE[kind][after]
    if kind == "unit" and after == "open" and before is not None:
        state = "Opened again"
    elif kind == "task" and before == "timed_out":
        state += " late"
    if kind == "task" and after == "success" and reason == "ok":
        why = ""
    return f"{state}: {why}" if why else f"{state}."


def _noted(words: str, reason: str, detail: Mapping[str, object]) -> str:
    micro = detail.get("micro")
    if reason in ("booked", "void") and isinstance(micro, int):
        return f"{words[:-1]} ({micro / MICRO:,.2f})."
    ops = detail.get("ops")
    if reason == "continues" and isinstance(ops, int):
        return f"{words[:-1]}, {ops:,} ops in."
    found = detail.get("found")
    if reason == "validated" and isinstance(found, list):
        return f"{words[:-1]}: {_findings(found)}."
    told = [f"{name.replace('_', ' ')} {value}" for name, value in detail.items() if value]
    if reason in ("urgency", "share", "cap") and told:
        return f"{words[:-1]}: {', '.join(told)}."
    count = detail.get("count")
    if reason == "units created" and isinstance(count, int):
        return f"{count:,} units were made."
    return words


def _findings(found: list[dict[str, str]]) -> str:
    """What a validator found, each of it in a few words."""
    parts = []
    for one in found[:FINDINGS_TOLD]:
        subject = "two outputs " if "a" in one else "an output is "
        note = f" ({one['note']})" if one.get("note") else ""
        parts.append(f"{subject}{one.get('found', '')}{note}")
    if len(found) > FINDINGS_TOLD:
        parts.append(f"{len(found) - FINDINGS_TOLD} more")
    return "; ".join(parts)


def state_words(kind: str, state: str) -> str:
    """A state in a word or two."""
    return STATE[kind][state]
