"""How long the end of a batch is: makespan ÷ what its first 90 % would have led one to expect."""

import statistics

from idlegrid_server.domain.model import UnitPlan
from idlegrid_server.domain.tail import TailSnapshot
from idlegrid_server.whatif.grid import Grid, Settings
from idlegrid_server.whatif.outcome import Outcome
from idlegrid_server.whatif.population import Published
from idlegrid_server.whatif.rules import PRODUCTION, Rules
from idlegrid_server.whatif.work import Batch
from idlegrid_shared.documents import Policy

from .figure import Figure, Measured, Options

UNITS = 5_000
HOSTS = 200
UNIT_S = 3_600.0
SEEDS = 20
#: Other batches, told beside the figure: units, hosts, seconds a unit, quorum.
OTHERS = ((2_000, 200, 3_600.0, 2), (5_000, 200, 3_600.0, 1), (20_000, 300, 1_800.0, 2))
OTHER_SEEDS = 5


class WithoutTail(Rules):
    """The same server, but that the last units get no more copies than the others."""

    def tail(self, tail: TailSnapshot, now: int) -> tuple[UnitPlan, ...]:
        """None."""
        del tail, now
        return ()


def life(
    seed: int, units: int, hosts: int, unit_s: float, quorum: int, rules: Rules = PRODUCTION
) -> Outcome:
    """One batch on hosts with published speeds, availability, errors and lives."""
    policy = Policy(quorum=quorum, replicas=quorum, deadline_s=2 * 86_400)
    return Grid(
        Batch(units, unit_s, policy), Published(), Settings(hosts=hosts), seed=seed, rules=rules
    ).run()


def factor(outcome: Outcome) -> float:
    """Makespan over the extrapolation of the moment at which 90 % had ended."""
    return outcome.makespan_s / (outcome.when_s(0.9) / 0.9)


def _told(outcomes: list[Outcome]) -> dict[str, object]:
    factors = sorted(factor(outcome) for outcome in outcomes)
    return {
        "median": round(statistics.median(factors), 3),
        "p90": round(factors[max(0, round(0.9 * len(factors)) - 1)], 3),
        "worst": round(factors[-1], 3),
        "makespan_h_median": round(statistics.median(o.makespan_s for o in outcomes) / 3_600, 1),
        "t90_h_median": round(statistics.median(o.when_s(0.9) for o in outcomes) / 3_600, 1),
        "tasks_per_unit": round(statistics.fmean(o.tasks_per_unit for o in outcomes), 3),
    }


def measure(options: Options) -> Measured:
    """The 90th percentile over seeds; the same seeds without the tail's copies beside it."""
    seeds = range(options.seed, options.seed + SEEDS)
    ours = [life(seed, UNITS, HOSTS, UNIT_S, 2) for seed in seeds]
    few = list(seeds)[:OTHER_SEEDS]
    bare = [life(seed, UNITS, HOSTS, UNIT_S, 2, WithoutTail()) for seed in few]
    factors = sorted(factor(outcome) for outcome in ours)
    others = {
        f"{units}_units_{hosts}_hosts_{unit_s / 3600:g}_h_quorum_{quorum}": _told(
            [life(seed, units, hosts, unit_s, quorum) for seed in few]
        )
        for units, hosts, unit_s, quorum in OTHERS
    }
    return Measured(
        factors[round(0.9 * SEEDS) - 1],
        {
            "units": UNITS,
            "hosts": HOSTS,
            "unit_h": UNIT_S / 3600,
            "seeds": SEEDS,
            "with_tail": _told(ours),
            "without_tail": _told(bare),
            "others": others,
        },
    )


FIGURES = (
    Figure(
        name="tail-makespan",
        what="makespan ÷ (time of 90 % ÷ 0.9), heavy-tailed hosts, 90th percentile of 20 seeds",
        unit="×",
        bar=1.3,
        better="lower",
        measure=measure,
    ),
)
