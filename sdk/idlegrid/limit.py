"""The limits of a program, as ``[programs.NAME]`` gives them."""

from idlegrid_shared.sandbox.limits import LimitError, Limits

from .fault import AppFileError
from .section import Section

# Enough for a first program; each can be raised in app.toml up to the sandbox's own caps.
DEFAULT_LIMITS = Limits(
    memory_bytes=256 * 1024**2,
    max_ops=10**12,
    time_s=3600.0,
    output_bytes=64 * 1024**2,
    output_files=100,
)


def read_limits(section: Section) -> Limits:
    """The limits in a section, those not given by default; raises :class:`AppFileError`."""
    default = DEFAULT_LIMITS
    try:
        return Limits(
            memory_bytes=section.integer("memory_bytes", "268435456", default.memory_bytes),
            max_ops=section.integer("max_ops", "1_000_000_000_000", default.max_ops),
            time_s=section.number("time_s", "3600", default.time_s),
            output_bytes=section.integer("output_bytes", "67108864", default.output_bytes),
            output_files=section.integer("output_files", "100", default.output_files),
            log_bytes=section.integer("log_bytes", "65536", default.log_bytes),
        )
    except LimitError as error:
        raise AppFileError(f"{section.path}: [{section.name}] {error}") from error
