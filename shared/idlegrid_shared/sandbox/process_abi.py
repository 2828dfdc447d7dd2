"""WASI functions about the process: arguments, clock, random bytes, waiting, exit, sockets."""

import struct
from collections.abc import Callable

from . import abi
from .clock import STEP_NS
from .fault import GuestExit, WasiError
from .world import World

RANDOM_PIECE_BYTES = 1 << 20
SUBSCRIPTIONS_MAX = 1024

# userdata, kind; then a clock (id, timeout, precision, flags) or a descriptor in its place
_CLOCK = struct.Struct("<QB7xI4xQQH6x")
_DESCRIPTOR = struct.Struct("<QB7xI28x")
_EVENT = struct.Struct("<QHB5xQH6x")


def _write_strings(world: World, texts: list[bytes], table: int, buffer: int) -> None:
    joined = b"".join(texts)
    world.memory.span(table, 4 * len(texts))
    world.memory.write(buffer, joined)
    for index, text in enumerate(texts):
        world.memory.write_u32(table + 4 * index, buffer)
        buffer += len(text)


def _write_sizes(world: World, texts: list[bytes], count: int, size: int) -> None:
    world.memory.span(size, 4)
    world.memory.write_u32(count, len(texts))
    world.memory.write_u32(size, sum(map(len, texts)))


def args_get(world: World, table: int, buffer: int) -> None:
    """The arguments; the first is the program's name."""
    _write_strings(world, world.args, table, buffer)


def args_sizes_get(world: World, count: int, size: int) -> None:
    """How many arguments, and their bytes."""
    _write_sizes(world, world.args, count, size)


def environ_get(world: World, table: int, buffer: int) -> None:
    """The job's variables, sorted by name; nothing of the host's."""
    _write_strings(world, world.env, table, buffer)


def environ_sizes_get(world: World, count: int, size: int) -> None:
    """How many variables, and their bytes."""
    _write_sizes(world, world.env, count, size)


def clock_res_get(world: World, clock: int, result: int) -> None:
    """The step of the virtual clock in nanoseconds."""
    if clock >= abi.CLOCK_IDS:
        raise WasiError(abi.INVALID)
    world.memory.write_u64(result, STEP_NS)


def clock_time_get(world: World, clock: int, precision: int, result: int) -> None:
    """The virtual time. All clocks run alike; realtime starts at a fixed date."""
    if clock >= abi.CLOCK_IDS:
        raise WasiError(abi.INVALID)
    world.memory.span(result, 8)
    world.memory.write_u64(result, world.clock.look(clock == abi.CLOCK_REALTIME))


def random_get(world: World, buffer: int, size: int) -> None:
    """The next bytes of the work unit's stream."""
    span = world.memory.span(buffer, size)
    for start in range(0, size, RANDOM_PIECE_BYTES):
        data = world.random.draw(min(RANDOM_PIECE_BYTES, size - start))
        span[start : start + len(data)] = data


def _due(world: World, subscription: bytes) -> tuple[int, int] | None:
    """(userdata, nanoseconds until due) of a clock; None for a descriptor. Raises ``WasiError``."""
    userdata, kind, clock, timeout, _, flags = _CLOCK.unpack(subscription)
    if kind in (abi.EVENT_READ, abi.EVENT_WRITE):
        return None
    if kind != abi.EVENT_CLOCK or clock >= abi.CLOCK_IDS:
        raise WasiError(abi.INVALID)
    if flags & ~abi.CLOCK_ABSOLUTE:
        raise WasiError(abi.INVALID)
    if flags & abi.CLOCK_ABSOLUTE:
        timeout = max(0, timeout - world.clock.now(clock == abi.CLOCK_REALTIME))
    return userdata, timeout


def _ready(world: World, subscription: bytes) -> bytes:
    """The event of a descriptor: all are always ready, or wrong."""
    userdata, kind, number = _DESCRIPTOR.unpack(subscription)
    try:
        found = world.descriptors.get(number)
    except WasiError as error:
        return _EVENT.pack(userdata, error.code, kind, 0, 0)
    left = found.node.length - found.position if found.node and kind == abi.EVENT_READ else 0
    return _EVENT.pack(userdata, 0, kind, max(0, left), 0)


def poll_oneoff(world: World, subscriptions: int, events: int, count: int, result: int) -> None:
    """Wait, in virtual time only: descriptors are ready at once, else the next timer is."""
    if not 0 < count <= SUBSCRIPTIONS_MAX:
        raise WasiError(abi.INVALID)
    world.memory.span(result, 4)
    world.memory.span(events, count * abi.EVENT_BYTES)
    table = world.memory.read(subscriptions, count * abi.SUBSCRIPTION_BYTES)
    parts = [
        table[at : at + abi.SUBSCRIPTION_BYTES]
        for at in range(0, len(table), abi.SUBSCRIPTION_BYTES)
    ]
    timers = []
    happened = []
    for part in parts:
        timer = _due(world, part)
        if timer is None:
            happened.append(_ready(world, part))
        else:
            timers.append(timer)
    wait = 0 if happened else min(timeout for _, timeout in timers)
    world.clock.advance(wait)
    for userdata, timeout in timers:
        if timeout <= wait:
            happened.append(_EVENT.pack(userdata, 0, abi.EVENT_CLOCK, 0, 0))
    world.memory.write(events, b"".join(happened))
    world.memory.write_u32(result, len(happened))


def proc_exit(world: World, code: int) -> None:
    """End the program."""
    raise GuestExit(code)


def proc_raise(world: World, signal: int) -> None:
    """There are no signals."""
    raise WasiError(abi.NO_SYSCALL)


def sched_yield(world: World) -> None:
    """Nothing to do: there is one thread."""


def _no_socket(world: World, fd: int, *others: int) -> None:
    """There are no sockets, whatever the descriptor."""
    world.descriptors.get(fd)
    raise WasiError(abi.NOT_SOCKET)


#: name → (parameters as ``i`` = 32 and ``I`` = 64 bits, function)
FUNCTIONS: dict[str, tuple[str, Callable[..., None]]] = {
    "args_get": ("ii", args_get),
    "args_sizes_get": ("ii", args_sizes_get),
    "clock_res_get": ("ii", clock_res_get),
    "clock_time_get": ("iIi", clock_time_get),
    "environ_get": ("ii", environ_get),
    "environ_sizes_get": ("ii", environ_sizes_get),
    "poll_oneoff": ("iiii", poll_oneoff),
    "proc_exit": ("i", proc_exit),
    "proc_raise": ("i", proc_raise),
    "random_get": ("ii", random_get),
    "sched_yield": ("", sched_yield),
    "sock_accept": ("iii", _no_socket),
    "sock_recv": ("iiiiii", _no_socket),
    "sock_send": ("iiiii", _no_socket),
    "sock_shutdown": ("ii", _no_socket),
}
