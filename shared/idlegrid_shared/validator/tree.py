"""JSON outputs: rules by the path of a field, ``results/0/mean``; ``*`` is any name or place.

A rule holds for all that stands below its field, until a rule of a longer path begins. NaN and
Infinity are read, since many programs write them; a name that stands twice is refused.
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from .fault import UnreadableError
from .limits import BEAT_EVERY, JSON_BYTES_MAX, NUMBER_CHARS_MAX, read_whole, short
from .number import Column, near
from .rule import PLAIN, FieldRule, FileRule, Validator

_KINDS: dict[str, tuple[type, ...]] = {
    "number": (int, float),
    "integer": (int,),
    "text": (str,),
    "boolean": (bool,),
    "list": (list,),
    "object": (dict,),
}
ABSENT = object()
FLOAT_CHARS_MAX = 400


def read_tree(stream: BinaryIO) -> Any:
    """The document; raises :class:`UnreadableError`."""
    data = read_whole(stream, JSON_BYTES_MAX)
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
        )
    except UnreadableError:
        raise
    except UnicodeDecodeError as error:
        raise UnreadableError("it is no UTF-8 text") from error
    except RecursionError as error:
        raise UnreadableError("lists and objects stand too deep in each other") from error
    except ValueError as error:
        raise UnreadableError(f"it is no JSON: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise UnreadableError(f"the name {short(twice)} stands twice in one object")
    return found


def _integer(text: str) -> int:
    if len(text) > NUMBER_CHARS_MAX:
        raise UnreadableError(f"a number has more than {NUMBER_CHARS_MAX} digits")
    return int(text)


def _float(text: str) -> float:
    if len(text) > FLOAT_CHARS_MAX:
        raise UnreadableError(f"a number has more than {FLOAT_CHARS_MAX} characters")
    return float(text)


@dataclass(slots=True)
class _Node:
    """Rules by path, one segment after the other."""

    below: "dict[str, _Node]" = field(default_factory=dict)
    name: str = ""  # of the rule that ends here
    rule: FieldRule | None = None
    required: bool = False  # some rule from here on


def _paths(rule: FileRule) -> _Node:
    root = _Node()
    for name, own in rule.fields.items():
        node = root
        for segment in split_path(name):
            node = node.below.setdefault(segment, _Node())
            node.required |= own.required
        node.name, node.rule = name, own
    return root


def split_path(name: str) -> list[str]:
    """The segments of a path; ``~1`` stands for a slash inside a name, ``~0`` for a tilde."""
    segments = name.removeprefix("/").split("/")
    return [segment.replace("~1", "/").replace("~0", "~") for segment in segments]


def _tell(place: Any) -> str:
    """Where ``place``, (parent's place, own name), lies."""
    names = []
    while place is not None:
        place, name = place
        names.append(str(name))
    return "/".join(reversed(names[:20])) or "the document"


@dataclass(slots=True)
class _Step:
    """One value of one or both documents, and the rule that holds for it."""

    place: Any
    nodes: list[_Node]
    rule: FieldRule
    name: str  # of the rule
    a: Any
    b: Any = ABSENT

    def at(self, name: str | int, a: Any, b: Any = ABSENT) -> "_Step":
        """One member below."""
        nodes: list[_Node] = []
        if self.nodes:
            exact = [n.below[str(name)] for n in self.nodes if str(name) in n.below]
            any_ = [n.below["*"] for n in self.nodes if "*" in n.below and str(name) != "*"]
            nodes = exact + any_
        for node in nodes:
            if node.rule is not None:
                return _Step((self.place, name), nodes, node.rule, node.name, a, b)
        return _Step((self.place, name), nodes, self.rule, self.name, a, b)

    def members(self) -> "Iterator[_Step]":
        """What stands below it, in both documents if there are two, as far as a rule may care."""
        a, b = self.a, self.b
        alone = b is ABSENT
        if alone and not self.rule.looks_at_numbers and not self.rules_below():
            return
        if isinstance(a, dict):
            for name, value in a.items():
                if alone:
                    yield self.at(name, value)
                elif isinstance(b, dict) and name in b:
                    yield self.at(name, value, b[name])
        elif isinstance(a, list) and alone:
            for i, value in enumerate(a):
                yield self.at(i, value)
        elif isinstance(a, list) and isinstance(b, list):
            for i, (value, other) in enumerate(zip(a, b, strict=False)):
                same = type(value) is type(other) and value == other
                if not same or isinstance(value, (dict, list)):
                    yield self.at(i, value, other)

    def rules_below(self) -> bool:
        """Whether some longer path goes on here."""
        return any(node.below for node in self.nodes)


def _walk(rule: FileRule, beat: Callable[[], None], a: Any, b: Any = ABSENT) -> Iterator[_Step]:
    """Every value, parents first; in memory as deep as the document, never as wide."""
    stack = [iter([_Step(None, [_paths(rule)], PLAIN, "", a, b)])]
    count = 0
    while stack:
        step = next(stack[-1], None)
        if step is None:
            stack.pop()
            continue
        count += 1
        if count % BEAT_EVERY == 0:
            beat()
        yield step
        stack.append(step.members())


def check_tree(
    validator: Validator, rule: FileRule, stream: BinaryIO, beat: Callable[[], None]
) -> str:
    """The first breach of a check, in words, or nothing; raises :class:`UnreadableError`."""
    summed = ((name, own) for name, own in rule.fields.items() if own.sum is not None)
    columns = {name: Column(own, name) for name, own in summed}
    for step in _walk(rule, beat, read_tree(stream)):
        breach = _look(step, columns)
        if breach:
            return breach
    return next((breach for c in columns.values() if (breach := c.end())), "")


def _look(step: _Step, columns: dict[str, Column]) -> str:
    """Checks on one value: its type, what must stand below it, and its number."""
    value = step.a
    for node in step.nodes:
        own = node.rule
        if own is not None and own is step.rule and own.type and not _is(own.type, value):
            return f"{_tell(step.place)} is {_kind(value)}, not {own.type}"
        for segment, below in node.below.items():
            if segment != "*" and below.required and not _has(value, segment):
                return f"{_tell((step.place, segment))} is missing"
    if not step.rule.looks_at_numbers or isinstance(value, (dict, list)):
        return ""
    if not _is_number(value):
        return f"{_tell(step.place)} is {_kind(value)}, not a number"
    column = columns.get(step.name)
    if column is None:
        column = columns[step.name] = Column(step.rule, "")
    column.take(value, _tell(step.place) if step.place else "the document")
    return column.breach


def _is(kind: str, value: Any) -> bool:
    if kind == "integer" and isinstance(value, float):
        return math.isfinite(value) and value.is_integer()
    return isinstance(value, _KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _has(value: Any, segment: str) -> bool:
    if isinstance(value, dict):
        return segment in value
    return isinstance(value, list) and segment.isdecimal() and int(segment) < len(value)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list"}
    return kinds.get(type(value), "an object")


def compare_trees(
    validator: Validator, rule: FileRule, a: BinaryIO, b: BinaryIO, beat: Callable[[], None]
) -> str:
    """The first difference, in words, or nothing; raises :class:`UnreadableError`."""
    for step in _walk(rule, beat, read_tree(a), read_tree(b)):
        difference = _differ(validator, rule, step)
        if difference:
            return f"{_tell(step.place)}: {difference}"
    return ""


def _differ(validator: Validator, file: FileRule, step: _Step) -> str:
    a, b = step.a, step.b
    ignored = step.rule.compare == "ignore"
    if ignored and not step.rules_below():
        return ""
    if isinstance(a, dict) and isinstance(b, dict):
        for name in sorted(a.keys() ^ b.keys()):
            if step.at(name, None).rule.compare != "ignore":
                return f"only one of them has {short(name)}"
        return ""
    if isinstance(a, list) and isinstance(b, list):
        return "" if len(a) == len(b) else f"{len(a)} members and {len(b)}"
    if _is_number(a) and _is_number(b):
        if ignored:
            return ""
        exact = step.rule.compare == "exact"
        rel, abs_ = (0.0, 0.0) if exact else validator.tolerance(file, step.rule)
        return "" if near(a, b, rel, abs_) else f"{a!r} and {b!r}"
    if type(a) is not type(b):
        return f"{_kind(a)} and {_kind(b)}"
    return "" if a == b or ignored else f"{short(a)} and {short(b)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
