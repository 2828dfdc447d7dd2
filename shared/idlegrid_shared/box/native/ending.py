"""How a native program ended, in plain words."""

from idlegrid_shared.sandbox.job import Outcome, Reason
from idlegrid_shared.sandbox.limits import Limits

#: Signals by their numbers on Linux, where alone this is used.
_SIGNALS: dict[int, tuple[Reason, str]] = {
    4: ("trap", "it came to an instruction that this processor does not have"),
    6: ("trap", "it gave up by itself (abort)"),
    7: ("trap", "it used a bad address"),
    8: ("trap", "it divided by zero, or the like"),
    9: ("worker_died", "it was ended from outside, maybe for want of memory"),
    11: ("trap", "it used an address that is not its own"),
    24: ("time_limit", "it used up its time of computing"),
    25: ("output_limit", "it wrote a file larger than its limit"),
    31: ("trap", "it made a system call of another kind of machine"),
}


def explain_end(code: int, limits: Limits, peak_bytes: int) -> Outcome:
    """The outcome for an exit code; a negative one is a signal's, as Python tells it.

    A failure with nearly all memory in use is put down to the memory.
    """
    if code == 0:
        return Outcome(status="success", reason="ok", message="the program ended normally")
    if code > 0:
        reason: Reason = "exit_code"
        message = f"the program ended with exit code {code}"
    else:
        reason, why = _SIGNALS.get(-code, ("trap", "a signal ended it"))
        message = f"the program was stopped: {why} (signal {-code})"
    if reason in ("exit_code", "trap") and peak_bytes > limits.memory_bytes // 16 * 15:
        message += f", with its memory of {limits.memory_bytes} bytes used up"
        reason = "memory_limit"
    return Outcome(status="error", reason=reason, message=message, exit_code=code)
