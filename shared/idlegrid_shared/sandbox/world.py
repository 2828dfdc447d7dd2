"""Everything a guest can see or change, in one place."""

import math
from collections.abc import Callable

from .clock import VirtualClock
from .descriptor import Descriptors
from .filesystem import FileSystem
from .log import TailLog
from .memory import GuestMemory
from .randomness import SeededStream


class World:
    """The guest's memory, files, clock, random stream, arguments and log.

    All state but the memory is plain data inside these objects: a checkpoint needs nothing else.
    """

    def __init__(
        self,
        files: FileSystem,
        *,
        args: list[str],
        env: dict[str, str],
        seed: bytes,
        log_bytes: int,
        on_progress: Callable[[float], None] | None = None,
    ) -> None:
        self.memory = GuestMemory()
        self.files = files
        self.descriptors = Descriptors(files)
        self.clock = VirtualClock()
        self.random = SeededStream(seed)
        self.log = TailLog(log_bytes)
        self.args = [text.encode() + b"\0" for text in args]
        self.env = [f"{name}={env[name]}".encode() + b"\0" for name in sorted(env)]
        #: The fraction done, 0 to 1, as the guest last said.
        self.progress = 0.0
        self.on_progress = on_progress

    def tell_progress(self, fraction: float) -> None:
        """The guest says how much is done. Not a number counts as no news."""
        if not math.isnan(fraction):
            self.progress = min(1.0, max(0.0, fraction))
            if self.on_progress is not None:
                self.on_progress(self.progress)
