"""Compiles hostile.c and runs it behind a wall."""

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import msgspec

from idlegrid_shared.box.native.process import NativeProcess
from idlegrid_shared.box.native.wall import Wall, native_platform
from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.documents import Program
from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.sandbox.job import Outcome
from idlegrid_shared.sandbox.limits import Limits
from idlegrid_shared.sandbox.profile import current_profile

SOURCE = Path(__file__).parent / "programs" / "hostile.c"
LIMITS = Limits(
    memory_bytes=64 * 1024**2, max_ops=1, time_s=2.0, output_bytes=4_000_000, output_files=20
)
WALL_S = 4.0


def compile_hostile(target: Path, *, static: bool = True) -> Path:
    """The program as an executable of this machine."""
    how = ["-static"] if static else []
    command = ["gcc", *how, "-O1", "-o", str(target), str(SOURCE), "-lpthread"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return target


def make_order(executable: Path, folder: Path, *args: str, **limits: Any) -> BoxOrder:
    """An order to run it, with one input, into ``folder``/out."""
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / "own"
    own.write_text("an input\n")
    digest = hashlib.sha256(executable.read_bytes()).hexdigest()
    entry = ManifestEntry("hostile", digest, executable.stat().st_size)
    own_limits = msgspec.structs.replace(LIMITS, **limits)
    return BoxOrder(
        program=Program(name="hostile", module=entry, limits=own_limits),
        places={digest: str(executable)},
        args=args,
        inputs={"own": str(own)},
        output_dir=str(folder / "out"),
        seed=b"\x07" * 32,
        profile=current_profile(),
        runtime="native",
        platform=native_platform(),
    )


def run_hostile(wall: Wall, order: BoxOrder, wall_s: float = WALL_S) -> Outcome:
    """Run it to its end."""
    with NativeProcess(order, wall, wall_factor=0.0, wall_grace_s=wall_s) as process:
        process.launch()
        outcome = process.wait(100)
    assert outcome is not None
    return outcome
