"""What goes into one run of the sandbox, and what comes out."""

from typing import Literal

import msgspec

from idlegrid_shared.manifest import Manifest

from .limits import Limits
from .profile import RuntimeProfile

SEED_BYTES_MAX = 1024
ARGUMENT_BYTES_MAX = 128 * 1024
INPUT_FILES_MAX = 10_000

Reason = Literal[
    "ok",
    # errors of the program
    "exit_code",  # it ended with an exit code other than 0
    "trap",  # it did what wasm forbids: unreachable, division by zero, a wild pointer
    "stack_overflow",
    "out_of_ops",
    "memory_limit",
    "time_limit",
    "output_limit",
    "file_limit",
    "process_limit",  # native, container: more threads or processes than it may have
    "bad_output",  # native, container: a link, a device, a name that no manifest takes
    # errors of what was handed over
    "bad_module",  # no valid module for this profile, or not the one named by its hash
    "bad_import",  # it wants functions that the sandbox does not offer
    "bad_input",
    "profile_mismatch",  # this host cannot run that profile
    "bad_checkpoint",  # it is damaged, or belongs to other work
    # errors of the host
    "host_error",  # an unreadable input, a full disk
    "killed",  # stopped by its owner
    "worker_died",  # the subprocess ended without a word
]


#: Whether a run can be continued later: not at all; from files that the program itself keeps in
#: /checkpoint; or at any host call, without the program's help.
CheckpointMode = Literal["none", "app", "auto"]

#: What runs a module: machine code made by Cranelift, or Pulley, wasmtime's interpreter.
Executor = Literal["native", "pulley"]


class JobError(ValueError):
    """A job that cannot be started; the message says what is wrong with it."""


class GapTrial(msgspec.Struct, frozen=True, kw_only=True):
    """Run a program only until it is known whether it goes too long without a host call.

    It is ended in the first way longer than ``gap_s_max``, else at the first host call after
    ``time_s``, both in processor seconds. The outcome says ``killed`` then.
    """

    gap_s_max: float
    time_s: float


class SandboxJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One program to run. Equal jobs, apart from folders, give equal bytes and ops."""

    #: Host path of the wasm module, and the SHA-256 (hex) it must have.
    module: str
    module_sha256: str
    #: argv[0], and the arguments after it.
    program: str
    args: list[str] = []
    env: dict[str, str] = {}
    #: Name below /in → host file, read-only.
    inputs: dict[str, str] = {}
    #: Guest path → host file, and guest folder → pack, both read-only: see :mod:`.mounts`.
    mounts: dict[str, str] = {}
    packs: dict[str, str] = {}
    #: Offer the control files below /dev/idlegrid: see :mod:`.control`.
    control: bool = False
    #: The function that is the program: without parameters; its result, if any, is the exit code.
    start: str = "_start"
    #: Host file that the program reads as standard input; none: it is empty.
    stdin: str | None = None
    #: Host folder for the output files; made if missing, written only after success.
    output_dir: str
    #: Of the work unit, never of the task: replicas must draw the same random bytes.
    seed: bytes
    limits: Limits
    profile: RuntimeProfile
    #: Folder for compiled modules, made for the owner only; None compiles anew every time.
    cache_dir: str | None = None
    #: Only compile the module into the cache: a large runtime takes a minute or more, once.
    compile_only: bool = False
    #: Threads that compile; 0: one for each processor.
    compile_threads: int = 0
    #: Pulley is many times slower and only proves that results do not depend on the processor. It
    #: is no part of a profile, so that no project can ask it of a host: the depth of recursion at
    #: which a program traps is another there.
    executor: Executor = "native"
    #: ``auto`` wants a module that was instrumented for it.
    checkpoint: CheckpointMode = "none"
    #: Folder for checkpoints, made if missing; without it none are written.
    checkpoint_dir: str | None = None
    #: A checkpoint of the same work, to go on from.
    resume: str | None = None
    #: A hash, or any other name, of what the inputs hold: part of what makes work the same.
    work: str = ""
    #: Measure how long the program goes without a host call; costs a little at each of them.
    measure_gaps: bool = False
    #: Measure them, and end the run as soon as enough is known of them.
    gap_trial: GapTrial | None = None

    def __post_init__(self) -> None:
        """Check what is cheap to check here; raises :class:`JobError`."""
        if not self.seed or len(self.seed) > SEED_BYTES_MAX:
            raise JobError(
                f"the seed has {len(self.seed)} bytes; it must have 1 to {SEED_BYTES_MAX}"
            )
        if len(self.inputs) > INPUT_FILES_MAX:
            raise JobError(f"{len(self.inputs)} inputs are more than {INPUT_FILES_MAX}")
        texts = [self.program, *self.args, *(f"{k}={v}" for k, v in self.env.items())]
        if any("\0" in text for text in texts):
            raise JobError("an argument or variable contains a zero character")
        if any(not name or "=" in name for name in self.env):
            raise JobError("the name of a variable is empty or contains =")
        optional = [self.stdin, self.cache_dir, self.checkpoint_dir, self.resume]
        mounted = [*self.mounts.values(), *self.packs.values(), *filter(None, optional)]
        paths = [self.module, self.output_dir, *self.inputs.values(), *mounted]
        if any("\0" in path for path in paths):
            raise JobError("a path contains a zero character")
        if self.checkpoint == "none" and (self.checkpoint_dir or self.resume):
            raise JobError('a run with checkpoint "none" neither keeps nor takes checkpoints')
        try:
            size = sum(len(text.encode()) + 1 for text in texts)
        except UnicodeEncodeError as error:
            raise JobError("an argument or variable is not valid text") from error
        if size > ARGUMENT_BYTES_MAX:
            raise JobError(
                f"arguments and variables have {size} bytes, more than {ARGUMENT_BYTES_MAX}"
            )


class Progress(msgspec.Struct, frozen=True):
    """The newest report of a running program."""

    #: As the program says, 0 to 1.
    fraction: float = 0.0
    ops: int = 0
    peak_memory_bytes: int = 0
    #: False while the module is still being compiled.
    started: bool = False
    #: Ops of the checkpoint that it goes on from: once it is back there, and 0 before.
    resumed_ops: int = 0


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint that lies durably on the disk."""

    path: str
    bytes: int
    sha256: str
    #: Ops that the program had used there, and the fraction done as it said.
    ops: int
    fraction: float
    #: Seconds until the program came to a safepoint, and until the file was written.
    waited_s: float
    took_s: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended."""

    status: Literal["success", "error"]
    reason: Reason
    #: In plain words, for people.
    message: str
    exit_code: int = 0
    #: Fuel used; comparable only within one runtime profile.
    ops: int = 0
    #: Wall time of the program without the time it was suspended; compilation is not in it.
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    #: Linear memory at its largest.
    peak_memory_bytes: int = 0
    #: The longest way between two host calls, in ops and in processor seconds; 0 unless measured.
    gap_ops: int = 0
    gap_s: float = 0.0
    #: The end of standard error.
    stderr: str = ""
    #: Files in ``output_dir``, sorted by name; empty unless the run succeeded.
    outputs: Manifest = ()
