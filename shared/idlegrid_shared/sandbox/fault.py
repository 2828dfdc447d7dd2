"""The four ways in which a host call can end other than with success."""

from . import abi

#: What a worker answers to an order for a checkpoint that was taken back in time.
TAKEN_BACK = "it was taken back"


class WasiError(Exception):
    """An errno for the guest (preview 1 numbering, see :mod:`.abi`); the guest goes on running."""

    def __init__(self, code: int) -> None:
        super().__init__(f"errno {code}")
        self.code = code


class GuestExit(Exception):  # noqa: N818 (an exit is no error)
    """The guest called ``proc_exit``; ``code`` is its unsigned 32-bit exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit {code}")
        self.code = code


class Refused(Exception):  # noqa: N818 (a verdict, with its reason)
    """The run ends here. ``reason`` is one of :data:`idlegrid_shared.sandbox.job.Reason`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class HostFault(Refused):
    """The host, and not the program, failed: an unreadable input, a full disk."""

    def __init__(self, message: str) -> None:
        super().__init__("host_error", message)


def bad_address() -> WasiError:
    """The error for a pointer or length that leaves the guest's memory."""
    return WasiError(abi.FAULT)
