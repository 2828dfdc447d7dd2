"""Exchanges a second and their latency, on the full path, beside passes and a submission."""

import threading
import time

from .figure import Figure, Measured, Options
from .load import LoadGenerator
from .project import APPS, BenchProject

HOSTS = 1_000
SUBMITTED = 100_000
SPARE = 1.5  # units stored beforehand, per exchange expected


def _measure(
    options: Options, connections: int, expected_rate: float
) -> tuple[LoadGenerator, Measured]:
    units = int(expected_rate * options.seconds / 2 * SPARE / len(APPS)) + 2 * HOSTS
    project = BenchProject(HOSTS, units)
    try:
        with project.served():
            warm = LoadGenerator(
                ("127.0.0.1", project.port), project.hosts, connections, seed=options.seed
            )
            warm.online_keys = frozenset({_online_key(project)})
            warm.run(min(5.0, options.seconds / 4))
            load = LoadGenerator(
                ("127.0.0.1", project.port), project.hosts, connections, seed=options.seed + 1
            )
            load.online_keys = warm.online_keys
            submission = threading.Thread(
                target=project.submit, args=(APPS[0], SUBMITTED), daemon=True
            )
            before = project.server_cpu_s()
            submission.start()
            tally = load.run(options.seconds)
            after = project.server_cpu_s()
            submission.join(60)
            time.sleep(2)
        recount = project.recount()
    finally:
        project.remove()
    cpu = {name: round(after.get(name, 0) - before.get(name, 0), 2) for name in after}
    detail: dict[str, object] = {
        "connections": connections,
        "seconds": round(load.elapsed_s, 1),
        "exchanges": tally.exchanges,
        "accepted": tally.accepted,
        "sent": tally.sent,
        "receipts_verified": tally.verified,
        "without_work": tally.empty,
        "errors": tally.errors,
        "p50_ms": round(load.tally.latency_ms(0.5), 2),
        "p99_ms": round(load.tally.latency_ms(0.99), 2),
        "max_ms": round(load.tally.latency_ms(1.0), 2),
        "generator_cpu_s": round(load.cpu_s, 2),
        "server_cpu_s": {name: s for name, s in cpu.items() if s > 0},
        "recount": recount.strip(),
    }
    return load, Measured(tally.exchanges / load.elapsed_s, detail)


def _online_key(project: BenchProject) -> str:
    return project.project.online_key.verify_key.encode().hex()


def rate(options: Options) -> Measured:
    """Exchanges a second with 8 hosts at once."""
    return _measure(options, 8, 2_000)[1]


def latency(options: Options) -> Measured:
    """The 99th percentile of an exchange with 32 hosts at once, in ms."""
    load, measured = _measure(options, 32, 2_000)
    measured.detail["exchanges_per_s"] = round(measured.figure, 1)
    measured.figure = load.tally.latency_ms(0.99)
    return measured


FIGURES = (
    Figure(
        name="exchange-rate-8",
        what="exchanges with 1 result reported and 1 task sent, 8 hosts at once, "
        "while passes run and 100,000 units are submitted",
        unit="exchanges/s",
        bar=1_000,
        better="higher",
        measure=rate,
    ),
    Figure(
        name="exchange-p99-32",
        what="99th percentile of such an exchange, 32 hosts at once",
        unit="ms",
        bar=150,
        better="lower",
        measure=latency,
    ),
)
