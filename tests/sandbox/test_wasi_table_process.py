"""Arguments, clock, random bytes, waiting, leaving, sockets: every answer, asked for by wasm."""

import struct

import pytest

from idlegrid_shared.sandbox.clock import EPOCH_NS, STEP_NS
from idlegrid_shared.sandbox.randomness import SeededStream

from .guest import GuestDesk
from .wasi_case import NONE, OUT, RESULT, STDIN, WILD, Case, case, hold

WAITS, EVENTS = 6000, 7000
CLOCK, READ, WRITE = 0, 1, 2


def timer(
    desk: GuestDesk, *, clock: int = 1, timeout_ns: int = 500, flags: int = 0, kind: int = CLOCK
) -> None:
    """One subscription to a clock."""
    desk.put(WAITS, struct.pack("<QB7xI4xQQH6x", 77, kind, clock, timeout_ns, 0, flags))


def descriptor(desk: GuestDesk, fd: int) -> None:
    """One subscription to reading from a descriptor."""
    desk.put(WAITS, struct.pack("<QB7xI28x", 77, READ, fd))


def event(desk: GuestDesk) -> tuple[int, ...]:
    """(userdata, errno, kind, bytes, flags) of the one event that was told."""
    assert desk.u32(RESULT) == 1
    return struct.unpack("<QHB5xQH6x", desk.get(EVENTS, 32))


CASES = [
    case(
        "args_get",
        "SUCCESS",
        "pointers and text",
        RESULT,
        5000,
        check=lambda d: d.get(5000, 12) == b"program\0one\0" and d.u32(RESULT + 4) == 5008,
    ),
    case("args_get", "FAULT", "wild pointer", RESULT, WILD),
    case(
        "args_sizes_get",
        "SUCCESS",
        "count and bytes",
        RESULT,
        RESULT + 4,
        check=lambda d: (d.u32(RESULT), d.u32(RESULT + 4)) == (2, 12),
    ),
    case("args_sizes_get", "FAULT", "wild pointer", RESULT, WILD),
    case(
        "environ_get",
        "SUCCESS",
        "the job's variables only",
        RESULT,
        5000,
        check=lambda d: d.get(5000, 4) == b"A=1\0",
    ),
    case("environ_get", "FAULT", "wild pointer", WILD, 5000),
    case(
        "environ_sizes_get",
        "SUCCESS",
        "count and bytes",
        RESULT,
        RESULT + 4,
        check=lambda d: (d.u32(RESULT), d.u32(RESULT + 4)) == (1, 4),
    ),
    case("environ_sizes_get", "FAULT", "wild pointer", WILD, RESULT),
    *[
        case(
            "clock_res_get",
            "SUCCESS",
            f"clock {number}",
            number,
            RESULT,
            check=lambda d: d.u64(RESULT) == STEP_NS,
        )
        for number in range(4)
    ],
    case("clock_res_get", "INVAL", "unknown clock", 4, RESULT),
    case("clock_res_get", "FAULT", "wild pointer", 0, WILD),
    case(
        "clock_time_get",
        "SUCCESS",
        "the date begins in 2020",
        0,
        1,
        RESULT,
        check=lambda d: d.u64(RESULT) == EPOCH_NS,
    ),
    *[
        case(
            "clock_time_get",
            "SUCCESS",
            f"clock {number} begins at 0",
            number,
            1,
            RESULT,
            check=lambda d: d.u64(RESULT) == 0,
        )
        for number in (1, 2, 3)
    ],
    case("clock_time_get", "INVAL", "unknown clock", 4, 1, RESULT),
    case("clock_time_get", "FAULT", "wild pointer", 0, 1, WILD),
    case(
        "poll_oneoff",
        "SUCCESS",
        "a timer, in virtual time",
        WAITS,
        EVENTS,
        1,
        RESULT,
        before=timer,
        check=lambda d: event(d) == (77, 0, CLOCK, 0, 0) and d.world.clock.elapsed_ns == 500,
    ),
    case(
        "poll_oneoff",
        "SUCCESS",
        "a descriptor is ready",
        WAITS,
        EVENTS,
        1,
        RESULT,
        before=lambda d: descriptor(d, STDIN),
        check=lambda d: event(d) == (77, 0, READ, 0, 0),
    ),
    case(
        "poll_oneoff",
        "SUCCESS",
        "a wrong descriptor is told by its event",
        WAITS,
        EVENTS,
        1,
        RESULT,
        before=lambda d: descriptor(d, NONE),
        check=lambda d: event(d) == (77, 8, READ, 0, 0),
    ),
    case("poll_oneoff", "INVAL", "nothing to wait for", WAITS, EVENTS, 0, RESULT),
    case("poll_oneoff", "INVAL", "too much to wait for", WAITS, EVENTS, 1025, RESULT),
    case(
        "poll_oneoff",
        "INVAL",
        "unknown clock",
        WAITS,
        EVENTS,
        1,
        RESULT,
        before=lambda d: timer(d, clock=4),
    ),
    case(
        "poll_oneoff",
        "INVAL",
        "unknown kind of event",
        WAITS,
        EVENTS,
        1,
        RESULT,
        before=lambda d: timer(d, kind=3),
    ),
    case(
        "poll_oneoff",
        "INVAL",
        "unknown flag of a timer",
        WAITS,
        EVENTS,
        1,
        RESULT,
        before=lambda d: timer(d, flags=2),
    ),
    case("poll_oneoff", "FAULT", "wild pointer", WAITS, WILD, 1, RESULT, before=timer),
    case("proc_exit", "exit", "the run ends", 3),
    case("proc_raise", "NOSYS", "there are no signals", 9),
    case(
        "random_get",
        "SUCCESS",
        "from the seed",
        RESULT,
        16,
        check=lambda d: d.get(RESULT, 16) == SeededStream(b"seed").draw(16),
    ),
    case("random_get", "FAULT", "wild pointer", WILD, 16),
    case("sched_yield", "SUCCESS", "nothing to do"),
    case("sock_accept", "NOTSOCK", "a file", OUT, 0, RESULT),
    case("sock_accept", "BADF", "no such descriptor", NONE, 0, RESULT),
    case("sock_recv", "NOTSOCK", "a file", OUT, 0, 0, 0, RESULT, RESULT),
    case("sock_recv", "BADF", "no such descriptor", NONE, 0, 0, 0, RESULT, RESULT),
    case("sock_send", "NOTSOCK", "a file", OUT, 0, 0, 0, RESULT),
    case("sock_send", "BADF", "no such descriptor", NONE, 0, 0, 0, RESULT),
    case("sock_shutdown", "NOTSOCK", "a stream", STDIN, 3),
    case("sock_shutdown", "BADF", "no such descriptor", NONE, 3),
]


@pytest.mark.parametrize("one", CASES, ids=str)
def test_the_table_of_calls_about_the_process(stage: GuestDesk, one: Case) -> None:
    hold(stage, one)
