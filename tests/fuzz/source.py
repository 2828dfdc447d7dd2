"""Turning the bytes of a fuzzer into choices: the same bytes always make the same choices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


class Source:
    """Bytes that are used up from the front; at their end every choice is the first."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def __bool__(self) -> bool:
        """Whether any bytes are left."""
        return self.at < len(self.data)

    def number(self, below: int) -> int:
        """A number from 0 to ``below`` - 1, of one byte or, for large ranges, of four."""
        size = 1 if below <= 256 else 4
        part = self.data[self.at : self.at + size]
        self.at += size
        return int.from_bytes(part, "little") % below

    def choice(self, options: Sequence[T]) -> T:
        """One of ``options``."""
        return options[self.number(len(options))]

    def take(self, size: int) -> bytes:
        """The next bytes, up to ``size``."""
        part = self.data[self.at : self.at + size]
        self.at += size
        return part


@dataclass(frozen=True)
class Target:
    """Something to be fuzzed: ``run`` raises, by an assertion or otherwise, when it finds a bug."""

    name: str
    run: Callable[[bytes], None]
    seeds: list[bytes] = field(default_factory=list)
