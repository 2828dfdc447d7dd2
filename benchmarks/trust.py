"""Figures of trust: how much wrong science is accepted, and what it costs to keep it out.

The table of TRUST.md by the server's own decisions (see :mod:`.population`): 400 hosts of which a
share f lies together and comes back as often as it is caught, 40,000 units, every computed task
counted. `trust-table` prints all policies; the figures are those of the credibility policy.
"""

import multiprocessing
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import sqrt
from statistics import fmean, stdev

from idlegrid_shared.documents import Policy

from .figure import Figure, Measured, Options
from .population import Kind, Outcome, Population

HOSTS, UNITS, SEEDS = 400, 40_000, 20
#: Of Student's t with 19 degrees of freedom, one-sided.
T_95 = 1.729
OURS = Policy(replication="credibility")
POLICIES = {
    "quorum 2": Policy(),
    "quorum 3": Policy(quorum=3, replicas=3),
    "BOINC adaptive": Policy(replication="adaptive"),
    "credibility": OURS,
}


@dataclass(frozen=True)
class Case:
    """A share ``bad`` of the hosts lies on a share ``lies`` of the units."""

    bad: float
    lies: float
    kind: Kind = "plain"
    patience: int = 0  # tasks that it does honestly before
    hosts: int = HOSTS
    units: int = UNITS


CLEAN = Case(0.0, 0.0)
TABLE = (Case(0.02, 0.3), Case(0.05, 0.3), Case(0.05, 1.0), Case(0.1, 1.0))
#: Liars who wait until they are believed. About 1 / (finality + 1) is the best they can do.
PATIENT = tuple(Case(0.05, s, "patient", 20) for s in (0.05, 0.1, 0.2, 1.0))
AT_FIVE = (*(case for case in TABLE if case.bad == 0.05), *PATIENT)
#: One host of a hundred that is honest until it is believed, then lies all the time.
TURNCOAT = Case(0.01, 1.0, "patient", 25, hosts=100, units=100_000)


def _run(job: tuple[Policy, Case, int]) -> Outcome:
    policy, case, seed = job
    bad = round(case.hosts * case.bad)
    return Population(
        policy,
        honest=case.hosts - bad,
        bad=bad,
        units=case.units,
        seed=seed,
        kind=case.kind,
        lie_share=case.lies,
        patience=case.patience,
    ).run()


@dataclass
class Row:
    """What several seeds of one case came to."""

    policy: str
    case: Case
    wrong_mean: float
    wrong_limit: float  # upper 95 % limit of the mean
    cost: float
    lies_alone: int
    lies_final: int


def measure(cases: Iterable[tuple[str, Case]], options: Options, seeds: int = SEEDS) -> list[Row]:
    """Run every case with ``seeds`` seeds, on all processors."""
    rows = []
    with multiprocessing.Pool() as pool:
        for name, case in cases:
            jobs = [(POLICIES[name], case, options.seed * 1_000 + i) for i in range(seeds)]
            runs = pool.map(_run, jobs, chunksize=1)
            shares = [run.wrong / run.units for run in runs]
            spread = stdev(shares) / sqrt(seeds) if seeds > 1 else 0.0
            row = Row(
                name,
                case,
                fmean(shares),
                fmean(shares) + T_95 * spread,
                fmean(run.cost for run in runs),
                sum(run.lies_alone for run in runs),
                sum(run.lies_final for run in runs),
            )
            print(
                f"{name:<15} f={case.bad:<5} s={case.lies:<5} {case.kind:<8} "
                f"wrong {row.wrong_mean:.1e} (<= {row.wrong_limit:.1e})  x{row.cost:.3f}",
                file=sys.stderr,
                flush=True,
            )
            rows.append(row)
    return rows


def _wrong(options: Options) -> Measured:
    rows = measure([("credibility", case) for case in AT_FIVE], options)
    worst = max(row.wrong_limit for row in rows)
    return Measured(worst, {"seeds": SEEDS, "rows": [asdict(row) for row in rows]})


def _cost(options: Options) -> Measured:
    rows = measure([("credibility", case) for case in AT_FIVE], options, seeds=4)
    return Measured(max(row.cost for row in rows), {"rows": [asdict(row) for row in rows]})


def _clean(options: Options) -> Measured:
    more = [Case(0.0, 0.0, hosts=100, units=100 * n) for n in (100, 300, 1_000)]
    rows = measure([("credibility", case) for case in (CLEAN, *more)], options, seeds=2)
    by_length = {f"{row.case.units // row.case.hosts} units a host": row.cost for row in rows[1:]}
    costs = [row.cost for row in rows[1:]]
    falling = costs == sorted(costs, reverse=True)
    return Measured(rows[0].cost, {"longer": by_length, "falling": falling})


def _turncoat(options: Options) -> Measured:
    cases = [("credibility", TURNCOAT), ("BOINC adaptive", TURNCOAT)]
    ours, boinc = measure(cases, options, seeds=4)
    share = ours.lies_final / ours.lies_alone if ours.lies_alone else 0.0
    return Measured(
        share,
        {
            "lies_held": ours.lies_alone,
            "lies_final": ours.lies_final,
            "boinc_wrong_share_of_its_units": boinc.wrong_mean / TURNCOAT.bad,
        },
    )


def _table(options: Options) -> Measured:
    cases = [(name, case) for name in POLICIES for case in (CLEAN, *TABLE)]
    rows = measure(cases, options)
    own = [row for row in rows if row.policy == "credibility" and row.case.bad == 0.05]
    return Measured(
        max(row.wrong_limit for row in own), {"rows": [asdict(row) for row in rows], "seeds": SEEDS}
    )


FIGURES = (
    Figure(
        "trust-wrong",
        "upper 95 % limit of wrong units at finality, 5 % colluders who re-join, worst strategy",
        "of units",
        1e-3,
        "lower",
        _wrong,
    ),
    Figure(
        "trust-cost",
        "tasks computed for a unit, 5 % colluders who re-join, worst strategy",
        "tasks/unit",
        1.55,
        "lower",
        _cost,
    ),
    Figure(
        "trust-clean",
        "tasks computed for a unit without a bad host, 100 units a host",
        "tasks/unit",
        1.25,
        "lower",
        _clean,
    ),
    Figure(
        "trust-turncoat",
        "share of its lies that a host makes final which is honest until it is believed",
        "of its lies",
        0.02,
        "lower",
        _turncoat,
    ),
    Figure(
        "trust-table",
        "upper 95 % limit of wrong units at f = 5 %; prints fixed quorums and BOINC's rule beside",
        "of units",
        1e-3,
        "lower",
        _table,
    ),
)
