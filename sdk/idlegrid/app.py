"""An app as its folder tells it: values only. :mod:`.appfile` reads them from ``app.toml``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from idlegrid_shared.documents import Checkpoint, Homogeneous, Policy, Runtime
from idlegrid_shared.requirement import Requirements
from idlegrid_shared.sandbox.limits import Limits
from idlegrid_shared.sandbox.profile import RuntimeProfile
from idlegrid_shared.validator import Validator

Placement = Literal["server"]


class ProgramSource(msgspec.Struct, frozen=True):
    """One program. What is given for it depends on the runtime: see :mod:`idlegrid.program`.

    wasm: C or C++ ``sources`` to compile, the ``cargo`` file of a Rust package, or a finished
    ``module``; exactly one of the three.
    python: ``module`` is the script, or the folder of all its files.
    native: ``sources``, or ``executables``; exactly one of the two.
    container: ``module`` is the folder that becomes its image, or the archive of one.
    """

    name: str
    runtime: Runtime
    limits: Limits
    #: Relative to the app's folder, with ``/``.
    sources: tuple[str, ...] = ()
    module: Path | None = None
    cargo: Path | None = None
    #: Further options for the compiler, after our own.
    flags: tuple[str, ...] = ()
    #: What is started, as the runtime knows it.
    start: str = ""
    #: Native: where it runs, as ``linux-x86_64``; with ``executables``, exactly those that it has.
    platforms: tuple[str, ...] = ()
    executables: Mapping[str, Path] = {}
    #: Container: what is started in the image, and its first arguments.
    command: tuple[str, ...] = ()
    #: What a host must have to be given its units; None: what every host has.
    requires: Requirements | None = None
    #: How its outputs are compared; None: byte by byte.
    validator: Validator | None = None
    #: python: modules to import although they do not work whole in the sandbox.
    allowed: tuple[str, ...] = ()


class OnFailure(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a failed unit does to its batch: stop it, or be skipped up to a number or a share."""

    mode: Literal["stop", "skip"]
    max_units: int | None = None
    max_share: float | None = None

    def allows(self, failed: int, units: int) -> bool:
        """Whether a batch of ``units`` goes on after ``failed`` of them failed: never after all."""
        if failed == 0:
            return True
        if self.mode == "stop" or failed >= units:
            return False
        if self.max_units is not None and failed > self.max_units:
            return False
        return self.max_share is None or failed <= self.max_share * units


class Split(msgspec.Struct, frozen=True):
    """How a table becomes work units: one row, one unit."""

    program: str
    table: Path | None
    #: Templates such as ``{column}``; one for each argument of the program.
    args: tuple[str, ...]
    #: Files that every unit reads: guest name → host file.
    inputs: Mapping[str, Path]
    #: Files of single units: guest name → template of a path, relative to the table.
    files: Mapping[str, str]
    on_failure: OnFailure
    #: Template of the manifest's hash where a row's answer is known; "" = of none.
    known: str = ""


class Combine(msgspec.Struct, frozen=True):
    """The step that turns all outputs into one answer."""

    program: str
    args: tuple[str, ...]
    inputs: Mapping[str, Path]
    placement: Placement


class App(msgspec.Struct, frozen=True):
    """All that ``app.toml`` says, checked."""

    folder: Path
    name: str
    version: str
    summary: str
    profile: RuntimeProfile
    programs: Mapping[str, ProgramSource]
    policy: Policy
    split: Split
    combine: Combine | None
    #: The declared plot as plain data, already checked; drawn when the answer is there.
    plot: Mapping[str, Any] | None
    #: Of its programs, unless they say otherwise.
    runtime: Runtime = "wasm"
    checkpoint: Checkpoint = "none"
    migrate: bool = False
    homogeneous: Homogeneous = ""
    #: The runtime of its Python programs, by its name in the catalogue; "" if it has none.
    python: str = ""

    @property
    def platforms(self) -> tuple[str, ...]:
        """Native and container: a release is made for each of these; others have just one."""
        found = {name for program in self.programs.values() for name in program.platforms}
        return tuple(sorted(found))
