"""Arguments, variables, clock, random bytes and waiting, as the guest sees them."""

import struct

import pytest

from idlegrid_shared.sandbox import abi
from idlegrid_shared.sandbox.clock import EPOCH_NS, STEP_NS
from idlegrid_shared.sandbox.fault import GuestExit
from idlegrid_shared.sandbox.randomness import PAGE_BYTES, SeededStream

from .guest import Desk


def strings(desk: Desk, what: str) -> list[bytes]:
    assert desk.call(f"{what}_sizes_get", 100, 104) == 0
    count, size = desk.u32(100), desk.u32(104)
    assert desk.call(f"{what}_get", 200, 1000) == 0
    starts = [desk.u32(200 + 4 * i) for i in range(count)]
    texts = desk.get(1000, size).split(b"\0")[:-1]
    assert starts == [1000 + sum(len(t) + 1 for t in texts[:i]) for i in range(count)]
    return texts


def test_arguments() -> None:
    desk = Desk(args=["program", "", "zwölf"])
    assert strings(desk, "args") == [b"program", b"", "zwölf".encode()]


def test_variables_are_the_jobs_in_a_fixed_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDLEGRID_SECRET", "hush")
    assert strings(Desk(env={"B": "2", "A": "1=1"}), "environ") == [b"A=1=1", b"B=2"]
    assert strings(Desk(), "environ") == []


def test_the_clock_moves_only_when_it_is_looked_at() -> None:
    desk = Desk()
    for turn in range(3):
        assert desk.call("clock_time_get", 0, 0, 100) == 0
        assert desk.u64(100) == EPOCH_NS + turn * STEP_NS
    assert desk.call("clock_time_get", 1, 0, 100) == 0
    assert desk.u64(100) == 3 * STEP_NS
    assert desk.call("clock_time_get", 9, 0, 100) == abi.INVALID
    assert desk.call("clock_res_get", 1, 100) == 0
    assert desk.u64(100) == STEP_NS


def clock_wait(desk: Desk, address: int, number: int, timeout_ns: int, *, absolute: bool) -> None:
    entry = struct.pack("<QB7xI4xQQH6x", number, 0, 1, timeout_ns, 0, int(absolute))
    desk.put(address, entry)


def test_sleeping_takes_virtual_time_only() -> None:
    """A sleep of a day returns at once, and the clock has moved by a day."""
    desk = Desk()
    day_ns = 86_400 * 10**9
    clock_wait(desk, 1000, 77, day_ns, absolute=False)
    assert desk.call("poll_oneoff", 1000, 2000, 1, 100) == 0
    assert desk.u32(100) == 1
    assert struct.unpack("<QHB5xQH6x", desk.get(2000, 32)) == (77, 0, 0, 0, 0)
    assert desk.call("clock_time_get", 1, 0, 100) == 0
    assert desk.u64(100) == day_ns


def test_the_nearest_timer_fires_first() -> None:
    desk = Desk()
    clock_wait(desk, 1000, 1, 500, absolute=False)
    clock_wait(desk, 1048, 2, 300, absolute=True)
    clock_wait(desk, 1096, 3, 400, absolute=False)
    assert desk.call("poll_oneoff", 1000, 2000, 3, 100) == 0
    assert desk.u32(100) == 1
    assert desk.u64(2000) == 2
    assert desk.world.clock.elapsed_ns == 300


def test_descriptors_are_always_ready() -> None:
    desk = Desk()
    clock_wait(desk, 1000, 1, 10**9, absolute=False)
    desk.put(1048, struct.pack("<QB7xI28x", 2, abi.EVENT_WRITE, 1))
    desk.put(1096, struct.pack("<QB7xI28x", 3, abi.EVENT_READ, 99))
    assert desk.call("poll_oneoff", 1000, 2000, 3, 100) == 0
    assert desk.u32(100) == 2
    assert struct.unpack("<QHB5xQH6x", desk.get(2000, 32)) == (2, 0, abi.EVENT_WRITE, 0, 0)
    assert struct.unpack("<QHB5xQH6x", desk.get(2032, 32)) == (3, abi.BAD_FD, abi.EVENT_READ, 0, 0)
    assert desk.world.clock.elapsed_ns == 0


@pytest.mark.parametrize("count", [0, 1025])
def test_waiting_for_nothing_or_too_much(count: int) -> None:
    assert Desk().call("poll_oneoff", 1000, 2000, count, 100) == abi.INVALID


def test_random_bytes_do_not_depend_on_how_they_are_drawn() -> None:
    """Two libraries may ask for the same bytes in other portions; a checkpoint resumes inside."""
    whole = SeededStream(b"seed").draw(3 * PAGE_BYTES)
    parts = SeededStream(b"seed")
    assert b"".join(parts.draw(size) for size in (1, 7, PAGE_BYTES, 5000)) == whole[:9104]
    assert SeededStream(b"seed", position=parts.position).draw(100) == whole[9104:9204]


def test_the_stream_of_a_seed_never_changes() -> None:
    """Written down from the definition: a change would part old replicas from new ones."""
    assert SeededStream(b"seed").draw(16).hex() == "58408701faa215e3422d720dac751859"


def test_seeds_do_not_run_into_each_other() -> None:
    assert SeededStream(b"a").draw(32) != SeededStream(b"a\0").draw(32)


def test_leaving() -> None:
    with pytest.raises(GuestExit) as caught:
        Desk().call("proc_exit", 2**32 - 1)
    assert caught.value.code == 2**32 - 1


@pytest.mark.parametrize("name", ["sock_accept", "sock_recv", "sock_send", "sock_shutdown"])
def test_there_are_no_sockets(name: str) -> None:
    desk = Desk()
    letters = {"sock_accept": 3, "sock_recv": 6, "sock_send": 5, "sock_shutdown": 2}
    assert desk.call(name, 1, *[0] * (letters[name] - 1)) == abi.NOT_SOCKET
    assert desk.call(name, 50, *[0] * (letters[name] - 1)) == abi.BAD_FD


def test_small_calls() -> None:
    desk = Desk()
    assert desk.call("sched_yield") == 0
    assert desk.call("proc_raise", 9) == abi.NO_SYSCALL
    assert desk.call("fd_sync", 1) == 0


def test_a_clock_at_the_end_of_time_stands_still() -> None:
    """Two sleeps of 584 years: the time must still fit the 64 bits that the guest reads."""
    desk = Desk()
    for _ in range(3):
        clock_wait(desk, 1000, 1, 2**64 - 1, absolute=False)
        assert desk.call("poll_oneoff", 1000, 2000, 1, 100) == 0
    for clock in range(4):
        assert desk.call("clock_time_get", clock, 0, 100) == 0
    before = desk.u64(100)
    assert desk.call("clock_time_get", 3, 0, 100) == 0
    assert desk.u64(100) == before > 2**63
    assert desk.call("clock_time_get", 0, 0, 100) == 0
    assert desk.u64(100) == 2**64 - 1
