"""Plain text with numbers in it: the words must be equal, the numbers near."""

import re
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import BinaryIO

from .limits import BEAT_EVERY, short, text_lines
from .number import Column, near, read_number
from .rule import FileRule, Validator
from .table import count_breach

#: What parts words and numbers; a number inside a word ("x12", "5km") is part of the word.
_BETWEEN = re.compile(r"([\s,;:=()\[\]{}<>|\"']+)")


def _lines(rule: FileRule, stream: BinaryIO) -> Iterator[str]:
    return (line for line in text_lines(stream) if not line.startswith(rule.skip))


def check_text(
    validator: Validator, rule: FileRule, stream: BinaryIO, beat: Callable[[], None]
) -> str:
    """The first breach of a check, in words, or nothing; raises ``UnreadableError``."""
    own = rule.field("*")
    column = Column(own, "")
    count = 0
    for line in _lines(rule, stream):
        count += 1
        if count % BEAT_EVERY == 0:
            beat()
        if own.looks_at_numbers:
            for word in _BETWEEN.split(line)[::2]:
                number = read_number(word)
                if number is not None:
                    column.take(number, f"line {count}")
            if column.breach:
                return column.breach
    return column.end() or count_breach(rule, count)


def compare_texts(
    validator: Validator, rule: FileRule, a: BinaryIO, b: BinaryIO, beat: Callable[[], None]
) -> str:
    """The first difference, in words, or nothing; raises ``UnreadableError``."""
    own = rule.field("*")
    rel, abs_ = validator.tolerance(rule, own)
    if own.compare == "exact":
        rel = abs_ = 0.0
    for count, (x, y) in enumerate(zip_longest(_lines(rule, a), _lines(rule, b)), 1):
        if count % BEAT_EVERY == 0:
            beat()
        if x is None or y is None:
            return f"only one of them has line {count}"
        if x != y and own.compare != "ignore":
            difference = _differ(x, y, rel, abs_)
            if difference:
                return f"line {count}: {difference}"
    return ""


def _differ(x: str, y: str, rel: float, abs_: float) -> str:
    ours, theirs = _BETWEEN.split(x.strip()), _BETWEEN.split(y.strip())
    if len(ours) != len(theirs):
        return f"{short(x)} and {short(y)}"
    for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
        if p == q:
            continue
        if i % 2:
            # How many blanks there are is a matter of the numbers' width.
            if "".join(p.split()) != "".join(q.split()):
                return f"{short(p)} and {short(q)}"
            continue
        one, other = read_number(p), read_number(q)
        if one is None or other is None or not near(one, other, rel, abs_):
            return f"{short(p)} and {short(q)}"
    return ""
