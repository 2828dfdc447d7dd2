"""A million units on a hundred thousand made-up hosts: time and memory of the what-if engine."""

import resource
import time

from idlegrid_server.whatif.behaviour import Behaviour
from idlegrid_server.whatif.grid import Grid, Settings
from idlegrid_server.whatif.population import Crowd, Published
from idlegrid_server.whatif.work import Batch
from idlegrid_shared.documents import Policy

from .figure import Figure, Measured, Options

HOSTS, UNITS = 100_000, 1_000_000
FULL_S = 60.0  # with fewer --seconds both are scaled down
CROWD = Crowd(
    (
        (0.02, Behaviour("liar", 0.3)),
        (0.01, Behaviour("ring", 0.3, ring=1, rejoins=True)),
        (0.01, Behaviour("flaky", 0.05)),
        (0.02, Behaviour("ghost", stays_s=5 * 3_600.0)),
    )
)


def million(options: Options) -> Measured:
    """Processor time of the whole run, in seconds; peak memory and what it came to beside it."""
    share = min(1.0, options.seconds / FULL_S)
    hosts, units = round(HOSTS * share), round(UNITS * share)
    began, cpu = time.monotonic(), time.process_time()
    grid = Grid(
        Batch(units, 2 * 3_600.0, Policy(deadline_s=3 * 86_400)),
        Published(CROWD),
        Settings(hosts),
        seed=options.seed,
    )
    told = grid.run()
    cpu_s = time.process_time() - cpu
    if told.ended != units:
        raise RuntimeError(f"only {told.ended} of {units} units ended")
    return Measured(
        cpu_s,
        {
            "hosts": hosts,
            "units": units,
            "wall_s": round(time.monotonic() - began, 1),
            "us_per_unit": round(1e6 * cpu_s / units, 1),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "events": told.events,
            "decisions": told.decisions,
            "tasks_per_unit": round(told.tasks_per_unit, 4),
            "wrong": told.wrong,
            "hosts_that_ever_were": told.hosts,
            "virtual_days": round(told.makespan_s / 86_400, 2),
            "ninety_percent_days": round(told.when_s(0.9) / 86_400, 2),
        },
    )


FIGURES = (
    Figure(
        name="simulate-million",
        what=f"processor time to simulate {UNITS:,} units on {HOSTS:,} hosts",
        unit="s",
        bar=600,
        better="lower",
        measure=million,
    ),
)
