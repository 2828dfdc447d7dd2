"""What the sandbox and the agent cost beside the computing itself: starting, and watching."""

import statistics
import tempfile
import time
from pathlib import Path

import psutil

from examples.demo.stage import Stage
from examples.programs.zoo import PROGRAMS
from idlegrid.way import CRANELIFT
from idlegrid_shared.box.open import open_box

from .figure import Figure, Measured, Options
from .zoo_run import Prepared

STARTS_MIN = 20
POLL_S = 0.0005
WAIT_S = 120.0
LOOK_S = 0.05
#: After the task: its outputs are hashed, sent and acknowledged.
AFTER_S = 3.0
#: One unit of it takes about a second for so many days, eight steps each.
DAYS_A_SECOND = 1_000_000


def ready(options: Options) -> Measured:
    """Milliseconds from the start of a worker to that of its program, compiled before."""
    prepared = Prepared(PROGRAMS["planets"])
    args = ("2000000", "1")  # it shall still run when its processor time is read
    prepared.run(args, CRANELIFT)
    times: list[float] = []
    spent: list[float] = []
    until = time.monotonic() + options.seconds / 4
    while len(times) < STARTS_MIN or time.monotonic() < until:
        with open_box(prepared.order(args)) as box:
            began = time.perf_counter()
            box.launch()
            while not box.progress.started:
                if time.perf_counter() - began > WAIT_S:
                    raise RuntimeError(f"the worker did not start: {box.wait(0)}")
                time.sleep(POLL_S)
            times.append(1000 * (time.perf_counter() - began))
            spent.append(_spent_ms(box.pid))
            box.wait(WAIT_S)
    detail: dict[str, object] = {
        "starts": len(times),
        "best_ms": round(min(times), 1),
        "p90_ms": round(statistics.quantiles(times, n=10)[8], 1),
        "cpu_ms_best": round(min(spent), 1),
        "load_1min": round(psutil.getloadavg()[0], 1),
    }
    return Measured(statistics.median(times), detail)


def _spent_ms(pid: int | None) -> float:
    """Processor time of all threads of a process up to now; on a busy machine it says more."""
    return sum(
        int(path.read_text("ascii").split()[0]) / 1e6
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat")
    )


def overhead(options: Options) -> Measured:
    """The agent's own processor time ÷ that of the task it runs, at a real server."""
    with tempfile.TemporaryDirectory(prefix="bench-agent-") as name:
        stage = Stage(Path(name) / "stage")
        try:
            return _overhead(stage, options.seconds)
        finally:
            stage.kill_all()


def _overhead(stage: Stage, seconds: float) -> Measured:
    app = PROGRAMS["planets"].folder
    table = stage.folder / "one.csv"
    table.write_text(f"days,steps_per_day\n{int(DAYS_A_SECOND * seconds)},8\n", "utf-8")
    stage.start_server()
    stage.scientist("login", stage.url, "--token", stage.token)
    stage.scientist("keys", "init", "--no-passphrase")
    public = stage.scientist("keys", "show", "--public").strip()
    stage.server_command("publisher", "allow", str(stage.project), public, "--app", "planets")
    client = stage.add_client("volunteer")
    if client.process is None:
        raise RuntimeError("the client did not start")
    stage.scientist("batch", "submit", str(app), "--table", str(table), "--yes")
    agent = psutil.Process(client.process.pid)
    worker = _first_worker(agent)
    before, began = _cpu_s(agent), time.monotonic()
    task_s = 0.0
    while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
        task_s = _cpu_s(worker)
        time.sleep(LOOK_S)
    ran_s = time.monotonic() - began
    time.sleep(AFTER_S)
    own_s = _cpu_s(agent) - before
    detail: dict[str, object] = {
        "agent_cpu_s": round(own_s, 2),
        "task_cpu_s": round(task_s, 2),
        "task_wall_s": round(ran_s, 2),
    }
    return Measured(100 * own_s / task_s, detail)


def _first_worker(agent: psutil.Process) -> psutil.Process:
    """The sandbox worker of the agent's first task, as soon as it computes."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        for child in agent.children():
            if "idlegrid_shared.sandbox.worker" in " ".join(child.cmdline()):
                return child
        time.sleep(LOOK_S)
    raise RuntimeError("the client got no task")


def _cpu_s(process: psutil.Process) -> float:
    """Processor seconds of a process without its children; as far as known if it has ended."""
    times = process.cpu_times()
    return float(times.user + times.system)


FIGURES = (
    Figure(
        name="worker-ready",
        what="from the start of a sandbox worker to that of its program, compiled before, median",
        unit="ms",
        bar=60,
        better="lower",
        measure=ready,
    ),
    Figure(
        name="agent-overhead",
        what="the agent's own processor time ÷ that of the task it runs",
        unit="%",
        bar=1,
        better="lower",
        measure=overhead,
    ),
)
