"""The runtime profile: everything about the engine that results or ops can depend on.

An app version names its profile; a host runs a task only with exactly that profile, and ops are
compared only within one. Relaxed SIMD, threads, several memories and 64-bit memories are always
off and therefore no fields: they cannot be asked for.
"""

import importlib.util
from typing import Literal

import msgspec

from .version import installed_version, major_of

KIB = 1024
STACK_BYTES_MIN = 64 * KIB
#: wasmtime refuses more than the 2 MiB of its own stacks.
STACK_BYTES_MAX = 2 * 1024 * KIB
STACK_BYTES = 1024 * KIB
MAJOR = 50

OptLevel = Literal["none", "speed", "speed_and_size"]


class ProfileError(ValueError):
    """A runtime profile that no host can have; the message says which value and why."""


class RuntimeProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The engine and its settings. Two hosts with equal profiles compute equal bytes and ops."""

    engine: Literal["wasmtime"] = "wasmtime"
    #: Major version: the price of an instruction in fuel may change with it.
    major: int = MAJOR
    opt_level: OptLevel = "speed"
    #: The depth of recursion at which a guest traps depends on this.
    max_wasm_stack_bytes: int = STACK_BYTES
    #: Makes the bits of NaN equal on all processors, at two to four times the run time.
    nan_canonical: bool = False
    simd: bool = True

    def __post_init__(self) -> None:
        """Refuse impossible values; raises :class:`ProfileError`."""
        if self.major < 1:
            raise ProfileError(f"wasmtime major version {self.major} must be at least 1")
        if not STACK_BYTES_MIN <= self.max_wasm_stack_bytes <= STACK_BYTES_MAX:
            raise ProfileError(
                f"a wasm stack of {self.max_wasm_stack_bytes} bytes is outside "
                f"{STACK_BYTES_MIN} to {STACK_BYTES_MAX}"
            )
        if self.max_wasm_stack_bytes % KIB:
            raise ProfileError(
                f"a wasm stack of {self.max_wasm_stack_bytes} bytes is no multiple of {KIB}"
            )

    @property
    def name(self) -> str:
        """A short name, different for different profiles, such as ``wasmtime50-speed-stack1m``."""
        kib = self.max_wasm_stack_bytes // KIB
        stack = f"{kib // KIB}m" if kib % KIB == 0 else f"{kib}k"
        text = f"{self.engine}{self.major}-{self.opt_level}-stack{stack}"
        return text + ("-nan" if self.nan_canonical else "") + ("" if self.simd else "-nosimd")

    def differences(self, other: "RuntimeProfile") -> list[str]:
        """In what the two profiles differ, one sentence part for each; empty if they are equal."""
        return [
            f"{field} is {getattr(self, field)}, not {getattr(other, field)}"
            for field in self.__struct_fields__
            if getattr(self, field) != getattr(other, field)
        ]


def current_profile() -> RuntimeProfile:
    """The profile that this installation runs by default."""
    return RuntimeProfile(major=installed_major())


def installed_major() -> int:
    """The major version of the installed wasmtime, without loading it."""
    spec = importlib.util.find_spec("wasmtime")
    return major_of(installed_version(spec.origin if spec and spec.origin else ""))


def can_run(profile: RuntimeProfile) -> bool:
    """Whether this installation can run programs that were made for ``profile``.

    All other settings are chosen for each run; only the engine's version is given.
    """
    return profile.major == installed_major()
