"""One line of the table of WASI calls: a call that a guest makes on a set stage, and its answer."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from idlegrid_shared.sandbox.fault import GuestExit, Refused

from .guest import MEMORY_BYTES, GuestDesk

#: The errno of the specification (witx ``errno``, in its order) that arise in this layer.
ERRNO = {
    "SUCCESS": 0,
    "BADF": 8,
    "EXIST": 20,
    "FAULT": 21,
    "FBIG": 22,
    "ILSEQ": 25,
    "INVAL": 28,
    "ISDIR": 31,
    "MFILE": 33,
    "NAMETOOLONG": 37,
    "NOENT": 44,
    "NOSYS": 52,
    "NOTDIR": 54,
    "NOTEMPTY": 55,
    "NOTSOCK": 57,
    "NOTSUP": 58,
    "PERM": 63,
    "ROFS": 69,
    "SPIPE": 70,
    "NOTCAPABLE": 76,
}
#: Answers that end the run instead of returning to the guest.
ENDINGS = ("exit", "output_limit", "file_limit")

# The descriptors of the stage.
STDIN, STDOUT, STDERR, ROOT = 0, 1, 2, 3
OUT, IN, FOLDER, NONE = 4, 5, 6, 99
#: A pointer to a vector of one buffer of four bytes, where results go, and a wild pointer.
VECTOR, RESULT, WILD = 2000, 3000, MEMORY_BYTES - 1
SIZE_HUGE = 1 << 63


class P(bytes):
    """A path: the guest passes its address and its length."""


@dataclass(frozen=True)
class Case:
    """``function`` called with ``arguments`` answers ``outcome``; ``when`` says why, in words."""

    function: str
    outcome: str
    when: str
    arguments: tuple[int | P, ...] = ()
    before: Callable[[GuestDesk], object] | None = None
    check: Callable[[GuestDesk], object] | None = None
    settings: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.function}-{self.outcome}-{self.when}"


def case(
    function: str, outcome: str, when: str, *arguments: int | bytes | P, **more: object
) -> Case:
    """A case whose byte strings are paths."""
    passed = tuple(P(a) if isinstance(a, bytes) else a for a in arguments)
    return Case(function, outcome, when, passed, **more)  # type: ignore[arg-type]


def set_stage(folder: Path, settings: dict[str, int]) -> GuestDesk:
    """/in/a of ten digits, /out/x of six letters (open as OUT), /out/d (open as FOLDER) with y."""
    (folder / "a").write_text("0123456789")
    desk = GuestDesk(
        {"a": folder / "a", "deep/b": folder / "a"},
        args=["program", "one"],
        env={"A": "1"},
        **({"output_bytes": 10_000, "output_files": 10} | settings),
    )
    assert desk.create("out/x") == OUT
    assert desk.write(OUT, b"abcdef") == 0
    assert desk.open("in/a") == (0, IN)
    assert desk.on_path("path_create_directory", "out/d") == 0
    assert desk.open("out/d", how=2) == (0, FOLDER)
    assert desk.call("fd_close", desk.create("out/d/y")) == 0
    desk.put(VECTOR, struct.pack("<II", 4000, 4))
    return desk


def play(desk: GuestDesk, one: Case) -> str:
    """Make the call; returns the outcome by its name."""
    if one.before is not None:
        one.before(desk)
    numbers: list[int] = []
    place = 30_000
    for argument in one.arguments:
        if isinstance(argument, P):
            desk.put(place, argument)
            numbers += [place, len(argument)]
            place += 15_000
        else:
            numbers.append(argument)
    try:
        errno = desk.call(one.function, *numbers)
    except GuestExit:
        return "exit"
    except Refused as refusal:
        return refusal.reason
    return next(name for name, number in ERRNO.items() if number == errno)


def hold(desk: GuestDesk, one: Case) -> None:
    """The test itself: the outcome is the one in the table, and its effect is there."""
    outcome = play(desk, one)
    assert outcome == one.outcome, f"{one.function}: {one.when}: {outcome}, not {one.outcome}"
    if one.check is not None:
        assert one.check(desk), f"{one.function}: {one.when}: the effect is not there"
