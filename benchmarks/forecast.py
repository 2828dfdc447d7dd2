"""Whether the forecast keeps its word: how many of 200 simulated batches end by its P90."""

import statistics
from random import Random

from idlegrid_server.domain.forecast import forecast
from idlegrid_server.whatif.population import Published

from .batch_life import MOMENTS, RESTLESS, SCHOOL, SERVERS, Moment, live
from .figure import Figure, Measured, Options

FIRST_SEED = 900_000  # tuning has its own, and its own kind of hosts
BATCHES = 200
LOW, HIGH = 0.85, 0.95


def _kept(moments: list[Moment]) -> dict[str, object]:
    """Shares that P50 and P90 kept, and how wide the range is, of moments that had a forecast."""
    p50 = p90 = 0
    widths, leads = [], []
    for moment in moments:
        found = forecast(moment.seen)
        if found is None:
            continue
        end = moment.seen.now + moment.rest
        p50 += end <= found.p50_at
        p90 += end <= found.p90_at
        widths.append((found.p90_at - found.p50_at) / max(1, moment.rest))
        leads.append((found.p90_at - moment.seen.now) / max(1, found.p50_at - moment.seen.now))
    count = len(widths)
    if not count:
        return {"moments": 0}
    return {
        "moments": count,
        "p50_keeps": round(p50 / count, 3),
        "p90_keeps": round(p90 / count, 3),
        "width_in_times_of_the_rest_median": round(statistics.median(widths), 2),
        "p90_in_times_of_p50_median": round(statistics.median(leads), 2),
    }


def _population(kind: int, seed: int) -> list[Moment]:
    """A batch on one of four kinds of hosts, none of which was used for tuning."""
    if kind == 0:
        return live(RESTLESS, seed, Published())  # as the literature has them
    return live((RESTLESS, SCHOOL, SERVERS)[kind - 1], seed)


KINDS = ("published", "restless", "school", "servers")


def measure(options: Options) -> Measured:
    """One forecast for each batch, at a share of it drawn by its seed; all moments beside it."""
    drawn: list[list[Moment]] = [[] for _ in KINDS]
    every: list[Moment] = []
    seed = FIRST_SEED + options.seed * 10_000
    while sum(len(moments) for moments in drawn) < BATCHES:
        kind = seed % len(KINDS)
        moments = [m for m in _population(kind, seed) if forecast(m.seen) is not None]
        if moments:
            drawn[kind].append(Random(seed).choice(moments))
            every += moments
        seed += 1
    told = _kept([moment for moments in drawn for moment in moments])
    by_kind = {name: _kept(moments) for name, moments in zip(KINDS, drawn, strict=True)}
    by_share = {
        f"at_{share:.0%}": _kept([m for m in every if m.share == share]) for share in MOMENTS
    }
    share = float(str(told["p90_keeps"]))
    # The bar has two sides: a forecast that everybody keeps says nothing.
    return Measured(
        abs(share - (LOW + HIGH) / 2), {"batches": BATCHES, **told, **by_kind, **by_share}
    )


FIGURES = (
    Figure(
        name="forecast-coverage",
        what=f"how far from 90 % of {BATCHES} batches on hosts not used for tuning keep their P90",
        unit="",
        bar=(HIGH - LOW) / 2,
        better="lower",
        measure=measure,
    ),
)
