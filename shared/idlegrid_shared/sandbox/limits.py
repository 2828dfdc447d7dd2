"""What one run may use. Every limit has an upper cap, so that none can be switched off."""

import msgspec

MEMORY_BYTES_MIN = 64 * 1024
MEMORY_BYTES_MAX = 4 * 1024**3
OPS_MAX = 10**18
TIME_S_MAX = 90 * 24 * 3600.0
#: Outputs stay in memory until the run has succeeded.
OUTPUT_BYTES_MAX = 1024**3
OUTPUT_FILES_MAX = 10_000
LOG_BYTES = 64 * 1024
LOG_BYTES_MAX = 1024 * 1024


class LimitError(ValueError):
    """A limit outside its bounds; the message names it, its value and the bounds."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of one run. ``LimitError`` is raised for a value outside the bounds.

    They come from the app version and the work unit, never from the host: a program can notice how
    much memory it gets, so replicas must get the same.
    """

    #: Linear memory of the guest.
    memory_bytes: int
    #: Deterministic instruction count (fuel).
    max_ops: int
    #: Seconds of processor time of the guest.
    time_s: float
    #: All output files together, standard output included.
    output_bytes: int
    output_files: int
    #: How much of the end of standard error is kept.
    log_bytes: int = LOG_BYTES

    def __post_init__(self) -> None:
        """Check every bound; raises :class:`LimitError`."""
        bounds: dict[str, tuple[float, float]] = {
            "memory_bytes": (MEMORY_BYTES_MIN, MEMORY_BYTES_MAX),
            "max_ops": (1, OPS_MAX),
            "time_s": (0.01, TIME_S_MAX),
            "output_bytes": (0, OUTPUT_BYTES_MAX),
            "output_files": (0, OUTPUT_FILES_MAX),
            "log_bytes": (1, LOG_BYTES_MAX),
        }
        for name, (lowest, highest) in bounds.items():
            value = getattr(self, name)
            if not lowest <= value <= highest:
                raise LimitError(f"{name} is {value}; it must be from {lowest} to {highest}")
