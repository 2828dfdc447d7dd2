"""A whole output: all files of a manifest, checked by themselves or compared with another's."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import BinaryIO, Literal, NamedTuple

from idlegrid_shared.manifest import Manifest, ManifestEntry

from .array import check_array, compare_arrays
from .arrays import check_arrays, compare_archives
from .fault import UnreadableError
from .limits import NOTE_CHARS_MAX, no_beat
from .rule import FileRule, Format, Validator, is_pattern
from .table import check_table, compare_tables
from .text import check_text, compare_texts
from .tree import check_tree, compare_trees

#: How the bytes of an output's file are got at; the stream can seek.
Opener = Callable[[ManifestEntry], AbstractContextManager[BinaryIO]]
Beat = Callable[[], None]
Outcome = Literal["good", "failed", "unreadable", "agree", "differ"]

_CHECK: dict[Format, Callable[[Validator, FileRule, BinaryIO, Beat], str]] = {
    "json": check_tree,
    "csv": check_table,
    "npy": check_array,
    "npz": check_arrays,
    "text": check_text,
}
_COMPARE: dict[Format, Callable[[Validator, FileRule, BinaryIO, BinaryIO, Beat], str]] = {
    "json": compare_trees,
    "csv": compare_tables,
    "npy": compare_arrays,
    "npz": compare_archives,
    "text": compare_texts,
}


class Finding(NamedTuple):
    """What came out, and why: the first breach or difference, as people read it."""

    outcome: Outcome
    note: str = ""


def _finding(outcome: Outcome, note: str) -> Finding:
    clean = "".join(c if c.isprintable() else "\ufffd" for c in note)
    return Finding(outcome, clean[:NOTE_CHARS_MAX])


def check_output(
    validator: Validator, manifest: Manifest, open_file: Opener, beat: Beat = no_beat
) -> Finding:
    """One output by itself: good, failed (a check says no) or unreadable.

    ``beat`` is called now and then; what it raises ends the work.
    """
    present = {entry.name for entry in manifest}
    for name, rule in validator.files.items():
        if not rule.optional and not is_pattern(name) and name not in present:
            return _finding("failed", f"the file {name} is missing")
    for entry in manifest:
        rule = validator.rule_for(entry.name)
        check = _CHECK.get(validator.format_of(entry.name))
        beat()
        if check is None:
            continue
        try:
            with open_file(entry) as stream:
                breach = check(validator, rule, stream, beat)
        except UnreadableError as error:
            return _finding("unreadable", f"{entry.name}: {error}")
        if breach:
            return _finding("failed", f"{entry.name}: {breach}")
    return Finding("good")


def compare_outputs(
    validator: Validator, a: Manifest, b: Manifest, open_file: Opener, beat: Beat = no_beat
) -> Finding:
    """Two outputs that are good by themselves: agree or differ. Symmetric."""
    ours, theirs = ({entry.name: entry for entry in manifest} for manifest in (a, b))
    for name in sorted(ours.keys() | theirs.keys()):
        rule = validator.rule_for(name)
        if rule.compare == "ignore":
            continue
        one, other = ours.get(name), theirs.get(name)
        if one is None or other is None:
            return _finding("differ", f"only one of them has the file {name}")
        beat()
        if one.sha256 == other.sha256:
            continue
        compare = _COMPARE.get(validator.format_of(name))
        if rule.compare == "exact" or compare is None:
            return _finding("differ", f"{name}: other bytes")
        try:
            with open_file(one) as x, open_file(other) as y:
                difference = compare(validator, rule, x, y, beat)
        except UnreadableError as error:
            return _finding("differ", f"{name}: {error}")
        if difference:
            return _finding("differ", f"{name}: {difference}")
    return Finding("agree")
