"""Trying on this machine whether a wall holds, before anything foreign is run behind it.

The program that tries to get out is this Python itself, with a few lines of our own: it must reach
its own folders, or the trial would prove nothing, and nothing else.
"""

import contextlib
import functools
import hashlib
import json
import os
import secrets
import sys
import tempfile
from pathlib import Path

import msgspec

from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.documents import Program
from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.sandbox.limits import Limits
from idlegrid_shared.sandbox.profile import current_profile

from .process import NativeProcess
from .wall import WALLS, Wall, missing, native_platform

TRIAL_S_MAX = 60.0
_LIMITS = Limits(
    memory_bytes=256 * 1024**2, max_ops=1, time_s=20.0, output_bytes=100_000, output_files=10
)

#: Each line of ``told`` is a door; what stands there afterwards is how far the program got.
_TRIAL = r"""
import ctypes, json, os, socket
canary, parent = CANARY, PARENT
told = {}
def door(name, act):
    try:
        act()
        told[name] = "open"
    except (OSError, MemoryError) as error:
        told[name] = "shut"
def reach(kind, protocol):
    socket.socket(kind, protocol).close()
def fork():
    if os.fork() == 0:
        os._exit(0)
    os.wait()
def claim():
    block = bytearray(2 << 30)
    block[::4096] = bytes(len(block[::4096]))
door("read a file outside", lambda: open(canary).read())
door("list its folder", lambda: os.listdir(os.path.dirname(canary)))
door("write beside it", lambda: open(canary + ".mine", "w").write("x"))
door("change its mode", lambda: os.chmod(canary, 0o777))
door("remove it", lambda: os.unlink(canary))
door("write an input", lambda: open("in/own", "w").write("x"))
door("open a TCP socket", lambda: reach(socket.AF_INET, socket.SOCK_STREAM))
door("open a UDP socket", lambda: reach(socket.AF_INET, socket.SOCK_DGRAM))
door("open a local socket", lambda: reach(socket.AF_UNIX, socket.SOCK_STREAM))
door("open a netlink socket", lambda: reach(16, socket.SOCK_RAW))
door("start a process", fork)
door("signal its parent", lambda: os.kill(parent, 0))
door("look into its parent", lambda: open(f"/proc/{parent}/environ", "rb").read())
door("make a named pipe", lambda: os.mkfifo("out/pipe"))
door("make a link", lambda: os.symlink(canary, "out/link"))
door("take more memory than allowed", claim)
own = open("in/own").read()
open("out/own", "w").write(own)
open("out/told", "w").write(json.dumps(told))
"""


class Offer(msgspec.Struct, frozen=True):
    """Whether native programs can be run here: the wall, or why there is none."""

    wall: Wall | None
    reason: str = ""

    @property
    def profile(self) -> str:
        """What this machine then offers, as `Machine.profiles` lists it."""
        return f"native-{native_platform()}"


@functools.lru_cache(maxsize=1)
def native_offer() -> Offer:
    """The best wall that holds here; tried once per process, in about a second."""
    reasons = []
    for wall in WALLS:
        reason = missing(wall) or try_wall(wall)
        if not reason:
            return Offer(wall)
        if reason not in reasons:
            reasons.append(reason)
    return Offer(None, "; ".join(reasons))


def try_wall(wall: Wall) -> str:
    """Let a program try to get out; why that wall does not hold, or "" if it does."""
    with contextlib.ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="idlegrid-trial")))
        except OSError as error:
            return f"the trial of {wall} could not be made: {error}"
        canary = folder / "outside" / "canary"
        try:
            canary.parent.mkdir()
            canary.write_text("canary")
            return _judge(wall, _run(wall, folder, canary), canary)
        except (OSError, ValueError) as error:
            return f"the trial of {wall} failed: {error}"


def _run(wall: Wall, folder: Path, canary: Path) -> dict[str, str]:
    """What the program told; raises ``ValueError`` if it did not come to its end."""
    interpreter = Path(os.path.realpath(sys.executable))
    word = secrets.token_hex(8)
    own = folder / "own"
    own.write_text(word)
    digest = hashlib.sha256(interpreter.read_bytes()).hexdigest()
    entry = ManifestEntry("trial", digest, interpreter.stat().st_size)
    text = _TRIAL.replace("CANARY", repr(str(canary))).replace("PARENT", str(os.getpid()))
    order = BoxOrder(
        program=Program(name="trial", module=entry, limits=_LIMITS),
        places={digest: str(interpreter)},
        args=("-S", "-c", text),
        inputs={"own": str(own)},
        output_dir=str(folder / "work"),
        seed=b"\0" * 32,
        profile=current_profile(),
        runtime="native",
        platform=native_platform(),
    )
    environment = {"PYTHONHOME": sys.base_prefix, "PYTHONDONTWRITEBYTECODE": "1"}
    shown = [sys.base_prefix, sys.base_exec_prefix]
    with NativeProcess(order, wall, shown=shown, environment=environment) as process:
        process.launch()
        outcome = process.wait(TRIAL_S_MAX)
    if outcome is None:
        raise ValueError("it did not come to an end")
    if outcome.status != "success":
        raise ValueError(f"{outcome.message} {outcome.stderr[-300:]}".strip())
    if (folder / "work" / "own").read_text() != word:
        raise ValueError("the program did not see its own folders")
    told: dict[str, str] = json.loads((folder / "work" / "told").read_text())
    return told


def _judge(wall: Wall, told: dict[str, str], canary: Path) -> str:
    opened = [name for name, state in told.items() if state != "shut"]
    if opened:
        return f"{wall} does not hold here: a program could {', '.join(opened)}"
    if sorted(path.name for path in canary.parent.iterdir()) != ["canary"]:
        return f"{wall} does not hold here: a program could change a folder outside"
    return "" if canary.read_text() == "canary" else f"{wall} does not hold here"
