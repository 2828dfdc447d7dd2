"""What a run came to."""

import math
from array import array
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """Counts of tasks by how they ended, and of units; times in seconds from the start.

    Tasks that were sent = ``valid`` + ``invalid`` + ``undecided`` + ``errors`` + ``timed_out`` +
    those still ``out``. ``surplus``: valid ones beyond what the unit needed, so computed in vain.
    """

    units: int
    sent: int = 0
    valid: int = 0
    invalid: int = 0
    undecided: int = 0
    errors: int = 0
    timed_out: int = 0
    refused: int = 0  # came too late for their owner to be heard
    surplus: int = 0
    out: int = 0
    accepted: int = 0
    wrong: int = 0  # accepted, and not right
    failed: int = 0
    events: int = 0
    decisions: int = 0
    hosts: int = 0  # that ever were
    caught: int = 0  # hosts of whom a result was found invalid
    finished_s: "array[float]" = field(default_factory=lambda: array("d"), repr=False)

    @property
    def ended(self) -> int:
        """Units that ended."""
        return self.accepted + self.failed

    @property
    def makespan_s(self) -> float:
        """When the last unit ended; infinite if one has not."""
        return max(self.finished_s, default=0.0) if self.ended >= self.units else math.inf

    def when_s(self, share: float) -> float:
        """When that share of the units had ended; infinite if it has not."""
        wanted = max(1, math.ceil(share * self.units))
        if self.ended < wanted:
            return math.inf
        return sorted(self.finished_s)[wanted - 1]

    @property
    def tasks_per_unit(self) -> float:
        """Every task sent, per accepted unit."""
        return self.sent / self.accepted if self.accepted else math.inf

    @property
    def wasted(self) -> int:
        """Tasks that no accepted result rests on."""
        return self.sent - self.valid + self.surplus - self.out
