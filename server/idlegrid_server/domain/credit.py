"""Credit: what a result is worth. Counted and agreed, never claimed alone.

One credit is 4.32e11 ops. BOINC's cobblestone is 1/200 of a day at 1 GFLOPS: 86,400 × 1e9 / 200
operations; we count wasm instructions instead of FLOPs and keep the size.

The rules:

1. A result is *worth* its ops; where ops are not counted (native and container programs), its
   processor time × the measured speed of its host.
2. All agreeing results of a unit are worth the same: the least of them, so that nobody gains by
   claiming more. Where ops are not counted, at most ``AGREED_TIMES_MAX`` of the stage's 90th
   percentile so far.
3. A single result is worth its claim, but no more than that 90th percentile; before there is one,
   no more than a fast computer can do while the server waited (its own clock, not a claim).
4. It is booked as pending, paid when the unit is final, and void when the unit is opened again.
5. Who returned in the first half of the time gets it whole; from there on a tenth is lost
   evenly until the deadline, and no more after it.
6. Who began a replica that another finished gets the share of ops that it had done by then.
7. A result is paid once.
"""

from collections.abc import Iterable, Sequence

from .model import TaskSnapshot, UnitSnapshot, Value

OPS_PER_CREDIT = 432_000_000_000
MICRO = 1_000_000
OPS_PER_MICRO = OPS_PER_CREDIT // MICRO
US = 1_000_000

#: Of programs whose ops are not counted: an agreed unit may be so many times the 90th percentile.
AGREED_TIMES_MAX = 2
#: What a fast computer does in a second: some four times the best core that we know of.
OPS_PER_SECOND_MAX = 20_000_000_000
#: Ops in a second of a host that has not shown yet how fast it is, while no other has either.
OPS_PER_SECOND_FIRST = 1_000_000_000
#: Below this the server's clock says nothing (a report that came with the next request).
HELD_US_MIN = 60 * US

PPM = 1_000_000
LATE_PPM = 100_000  # what is lost at the deadline: a tenth
WHOLE_PPM = 500_000  # the part of the time in which nothing is lost: half


class Worked(Value, frozen=True):
    """A host's work on a task, as far as it bears on credit. Times are µs.

    ``ops_before``: where the work began that it went on from; 0 if it began anew.
    """

    task_id: int
    host_id: int | None
    account_id: int | None
    ops: int = 0
    sent_at: int | None = None
    deadline_at: int | None = None
    received_at: int | None = None
    ops_before: int = 0


class Share(Value, frozen=True):
    """A part of a result's credit: ``base_micro`` by the work, ``micro`` of it is paid."""

    of_task: int
    host_id: int | None
    account_id: int | None
    base_micro: int
    micro: int


def credit_micro(ops: int) -> int:
    """Micro-credits for ``ops`` instructions; equal for equal work."""
    return max(0, ops) * MICRO // OPS_PER_CREDIT


def held_us(sent_at: int | None, received_at: int | None) -> int:
    """How long the server waited for a result, by its own clock."""
    if sent_at is None or received_at is None:
        return HELD_US_MIN
    return max(HELD_US_MIN, received_at - sent_at)


def claimed_micro(task: TaskSnapshot, *, metered: bool) -> int:
    """What a result would be worth if its report were believed.

    ``metered``: its ops are counted by the sandbox. If not, it took so much processor time, but no
    more than all cores of its host have had while the server waited.
    """
    if metered:
        return credit_micro(task.ops)
    waited = held_us(task.sent_at, task.received_at)
    running = min(max(0, task.took_us), max(1, task.cores) * waited)
    speed = min(task.ops_per_second or OPS_PER_SECOND_FIRST, OPS_PER_SECOND_MAX)
    return credit_micro(running * speed // US)


def agreed_micro(claims: Iterable[int], *, metered: bool, p90_micro: int | None = None) -> int:
    """What each of several agreeing results is worth."""
    least = min(claims, default=0)
    if metered or p90_micro is None:
        return least
    return min(least, AGREED_TIMES_MAX * p90_micro)


def single_credit(claim_micro: int, p90_micro: int | None, waited_us: int) -> int:
    """What a single result is worth: nobody else did it, so its ops are a claim.

    ``p90_micro``: the 90th percentile of what agreed units of its stage were worth so far.
    """
    if p90_micro is not None:
        return min(claim_micro, p90_micro)
    return min(claim_micro, credit_micro(waited_us * OPS_PER_SECOND_MAX // US))


def worth(group: Sequence[TaskSnapshot], unit: UnitSnapshot) -> int:
    """What each result of an accepted group is worth: rules 1 to 3."""
    claims = [claimed_micro(task, metered=unit.metered) for task in group]
    if len(group) > 1:
        return agreed_micro(claims, metered=unit.metered, p90_micro=unit.p90_micro)
    (task,) = group
    return single_credit(claims[0], unit.p90_micro, held_us(task.sent_at, task.received_at))


def promptness_ppm(sent_at: int | None, deadline_at: int | None, received_at: int | None) -> int:
    """The part of its credit that a result gets for when it came, in millionths."""
    if sent_at is None or deadline_at is None or received_at is None or deadline_at <= sent_at:
        return PPM
    used = min(PPM, max(0, received_at - sent_at) * PPM // (deadline_at - sent_at))
    late = max(0, used - WHOLE_PPM)
    return PPM - LATE_PPM * late // (PPM - WHOLE_PPM)


def split(base_micro: int, chain: Sequence[Worked]) -> tuple[Share, ...]:
    """Who gets what of one result; the bases add up to ``base_micro``.

    ``chain`` is the task that was reported, then the one that it went on from, and so on to the
    first. Each gets the part of the ops that were done while it had the work; the finisher's ops
    are all. Promptness is the finisher's: the others returned nothing, and lose nothing.
    """
    finisher = chain[0]
    total = max(1, finisher.ops)
    shares: list[Share] = []
    left, above = base_micro, total
    for place, work in enumerate(chain):
        begun_at = min(work.ops_before, above) if place + 1 < len(chain) else 0
        part = left if place + 1 == len(chain) else base_micro * (above - begun_at) // total
        left -= part
        above = begun_at
        paid = part
        if place == 0:
            prompt = promptness_ppm(work.sent_at, work.deadline_at, work.received_at)
            paid = part * prompt // PPM
        shares.append(Share(work.task_id, work.host_id, work.account_id, part, paid))
    return tuple(shares)
