"""One program to run, whatever its runtime."""

from collections.abc import Mapping

import msgspec

from idlegrid_shared.documents import PLATFORM_WASM, Checkpoint, Program, Runtime
from idlegrid_shared.sandbox.profile import RuntimeProfile


class BoxOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to run, with which files, and where its outputs go. Host paths throughout."""

    program: Program
    #: SHA-256 → host file, for everything that the program (and its interpreter) needs.
    places: Mapping[str, str]
    args: tuple[str, ...] = ()
    #: Guest name → host file, read-only.
    inputs: Mapping[str, str] = {}
    #: Host folder for the output files; made if missing, filled only after success.
    output_dir: str
    #: Of the work unit, never of the task.
    seed: bytes
    profile: RuntimeProfile
    runtime: Runtime = "wasm"
    platform: str = PLATFORM_WASM
    #: Folder for compiled modules; None compiles anew every time.
    cache_dir: str | None = None
    checkpoint: Checkpoint = "none"
    #: Folder for checkpoints; without it none are written.
    checkpoint_dir: str | None = None
    #: A checkpoint to continue from, and what the work is, by a hash: no other is continued.
    resume: str | None = None
    work: str = ""
    #: Python: the program of the runtime's release that interprets the sources.
    interpreter: Program | None = None
