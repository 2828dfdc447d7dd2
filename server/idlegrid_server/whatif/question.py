"""The question of an admin, and the answer: the same grid several times over, with percentiles."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import msgspec

from .grid import Grid, Settings
from .outcome import Outcome
from .population import Population
from .rules import PRODUCTION, Rules
from .work import Batch

Z95 = 1.96


@dataclass(frozen=True)
class Question:
    """How does ``batch`` fare with ``hosts`` machines of ``population``? Asked ``runs`` times."""

    batch: Batch
    population: Population
    settings: Settings
    runs: int = 20
    seed: int = 0
    rules: Rules = PRODUCTION


class Answer(msgspec.Struct, frozen=True):
    """Times in hours from the submission; None where fewer runs than that came to an end.

    ``wrong`` are accepted units that are not right, over all runs; ``wrong_max`` is the upper 95 %
    limit of their share of the accepted ones.
    """

    runs: int
    units: int
    hosts: int
    ended_share: float  # of the runs, within the time
    makespan_h_p50: float | None
    makespan_h_p90: float | None
    nine_tenths_h_p50: float | None  # when 90 % of the units had ended
    nine_tenths_h_p90: float | None
    tasks_per_unit: float
    wasted_share: float  # of the tasks sent
    wrong: int
    wrong_max: float
    failed: int
    errors_share: float
    timed_out_share: float
    hosts_caught: int


def ask(question: Question, progress: Callable[[Outcome], None] | None = None) -> Answer:
    """Answer a question; ``progress`` is told of each run."""
    outcomes = []
    for run in range(question.runs):
        outcome = Grid(
            question.batch,
            question.population,
            question.settings,
            seed=question.seed + run,
            rules=question.rules,
        ).run()
        outcomes.append(outcome)
        if progress is not None:
            progress(outcome)
    return summarize(outcomes, question.settings.hosts)


def summarize(outcomes: Sequence[Outcome], hosts: int) -> Answer:
    """What several runs of one question say together."""
    sent = sum(o.sent for o in outcomes)
    accepted = sum(o.accepted for o in outcomes)
    makespans = [o.makespan_s for o in outcomes]
    nine_tenths = [o.when_s(0.9) for o in outcomes]
    return Answer(
        runs=len(outcomes),
        units=outcomes[0].units,
        hosts=hosts,
        ended_share=fmean(math.isfinite(s) for s in makespans),
        makespan_h_p50=_hours(percentile(makespans, 0.5)),
        makespan_h_p90=_hours(percentile(makespans, 0.9)),
        nine_tenths_h_p50=_hours(percentile(nine_tenths, 0.5)),
        nine_tenths_h_p90=_hours(percentile(nine_tenths, 0.9)),
        tasks_per_unit=sent / accepted if accepted else math.inf,
        wasted_share=sum(o.wasted for o in outcomes) / sent if sent else 0.0,
        wrong=sum(o.wrong for o in outcomes),
        wrong_max=upper_share(sum(o.wrong for o in outcomes), accepted),
        failed=sum(o.failed for o in outcomes),
        errors_share=sum(o.errors for o in outcomes) / sent if sent else 0.0,
        timed_out_share=sum(o.timed_out for o in outcomes) / sent if sent else 0.0,
        hosts_caught=sum(o.caught for o in outcomes),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def upper_share(found: int, of: int) -> float:
    """The upper 95 % limit (two-sided) of a share by Wilson's score interval (Wilson, 1927)."""
    if not of:
        return 1.0
    share, z2 = found / of, Z95**2
    middle = share + z2 / (2 * of)
    wide = Z95 * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return min(1.0, (middle + wide) / (1 + z2 / of))


def _hours(seconds: float) -> float | None:
    return seconds / 3_600 if math.isfinite(seconds) else None
