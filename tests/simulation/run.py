"""One seed from start to end: a time under faults, then the faults stop and all must end well."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import idlegrid_client.faults
import idlegrid_server.faults
from idlegrid_client import agent_loop
from idlegrid_server.whatif.population import Published
from idlegrid_server.whatif.timeline import Timeline

from .behaviour import Behaviour
from .belief import Belief
from .bound import look_at_bounds
from .host import Known, SimHost, client_reached
from .idle import Work
from .invariant import (
    Watch,
    check_deadlines,
    check_deletion,
    check_end,
    check_expiry,
    check_order,
    check_receipt,
    check_recovered,
    rows,
)
from .mix import CALM, LYING, Mix, draw_mix
from .network import Network
from .project import copy_project, scratch, token
from .scientist import ENDED, Scientist
from .server import SimServer
from .world import US, BrokenRule, World

LOOK_EVERY_S = 60.0
HEAL_S = 5 * 3_600.0  # deadlines, and a backoff of an hour, several times over
STEPS_MAX = 200_000
GHOST_AFTER_S = 120.0
VOUCH_EVERY_S = 60.0
DAY_S = 86_400.0
WRONG_CLOCKS_S = (-30 * DAY_S, -2 * DAY_S, -900.0, 900.0, 2 * DAY_S, 8 * DAY_S, 400 * DAY_S)
JUMP_S = (-3_600.0, 3_600.0)  # of a host's clock
SERVER_JUMP_S = (-120.0, 120.0)
#: A day of a host that comes and goes takes so long here.
SHORT_DAY_S = 1_200.0


@dataclass
class Told:
    """What a seed came to, for those who count."""

    seed: int
    mix: Mix
    happened: int = 0
    server_kills: int = 0
    client_kills: int = 0
    receipts: int = 0
    singles: int = 0  # results of one host that were held
    continued: int = 0  # tasks that went on from another host's checkpoint
    virtual_s: float = 0.0
    states: list[str] = field(default_factory=list)


class SeedFailed(AssertionError):  # noqa: N818 - what happened is its name
    """A seed broke a rule; the message has all that is needed to see it again."""


def run_seed(seed: int, mix: Mix | None = None) -> Told:
    """Run one seed, with a ``mix`` of the caller's instead of its own; raises `SeedFailed`."""
    world = World(seed)
    mix = mix or draw_mix(world.rng)
    told = Told(seed, mix)
    root = scratch()
    simulation: Simulation | None = None
    try:
        with _no_sync():
            simulation = Simulation(world, mix, root)
            with (
                idlegrid_server.faults.installed(simulation.server.reached),
                idlegrid_client.faults.installed(client_reached),
            ):
                simulation.run()
                simulation.tell(told)
    except Exception as error:
        raise SeedFailed(
            f"seed {seed}: {type(error).__name__}: {error}\n{mix}\nthe last events:\n"
            f"{world.story()}\nagain: python -m tests.simulation --start {seed} --seeds 1"
        ) from error
    finally:
        if simulation is not None:
            simulation.close()
        shutil.rmtree(root, ignore_errors=True)
    return told


@contextmanager
def _no_sync() -> Iterator[None]:
    """No power goes off here, only processes die: what was written stays written."""
    with (
        mock.patch.object(os, "fsync", return_value=None),
        mock.patch.object(agent_loop, "DISK_RETRY_S", 0.0),
    ):
        yield


class Simulation:
    """All that takes part in one seed."""

    def __init__(self, world: World, mix: Mix, root: Path) -> None:
        self.world = world
        self.mix = mix
        project = copy_project(root / "project")
        self.server = SimServer(world, project, mix)
        self.network = Network(world, self.server, mix.faults)
        known = Known(project.fingerprint, project.delegations())
        self.hosts = []
        for number, kind in enumerate(mix.hosts):
            behaviour = Behaviour(world, kind, number, mix.task_s)
            subnet = 0 if mix.shared_subnet and number == 1 else number
            address = f"10.0.{subnet}.{number + 1}"
            host = SimHost(self.network, behaviour, root / f"host{number}", address, known)
            host.on_deletion = lambda host, task: check_deletion(self.server, host, task)
            host.on_receipt = lambda host, receipt: check_receipt(self.server, host, receipt)
            host.on_start = lambda host: check_expiry(self.server, host)
            host.on_run = lambda host, task, job: check_order(self.server, host, task, job)
            self.hosts.append(host)
            self._plan_fate(host)
        self.scientists = [
            Scientist(self.network, token(project), batch, number)
            for number, batch in enumerate(mix.batches)
        ]
        if mix.traits:
            self._give_traits()
        self.watch = Watch(self.server, mix)
        self.server.on_reply = self.watch.at_reply
        self.belief = Belief(self.server)
        self.server.on_pass = self.belief.at_pass
        self.work = Work(self.server)
        self.server.on_exchange = self.watch.at_exchange
        self.faulty = True

    def _plan_fate(self, host: SimHost) -> None:
        rng = self.world.rng
        if host.behaviour.kind == "ghost":
            self.world.after(rng.expovariate(1 / GHOST_AFTER_S), lambda: host.die(None))
        if host.behaviour.kind == "clock":
            host.set_clock(round(rng.choice(WRONG_CLOCKS_S) * US))
        if host.behaviour.kind == "restored":
            at = rng.uniform(30, 300)
            self.world.after(at, host.save_backup)
            self.world.after(at + rng.uniform(30, 300), host.restore_backup)

    def _give_traits(self) -> None:
        """Hosts are as fast and as often on as those that were counted; a day is short here."""
        population, rng = Published(), self.world.rng
        for host in self.hosts:
            traits = population.draw(rng)
            host.behaviour.speed = min(4.0, max(0.2, traits.speed))
            line = Timeline(traits, 0.0, rng)
            self._go_off(host, line, 0.0)

    def _go_off(self, host: SimHost, line: Timeline, at: float) -> None:
        """The host is switched off when its time is over, and on again when it comes."""
        off, on = line.next_off(at, self.world.rng)
        scale = SHORT_DAY_S / DAY_S

        def act() -> None:
            if self.faulty and not host.gone:
                if host.agent is not None:
                    host.die((on - off) * scale)
                self._go_off(host, line, on)

        if off * scale < self.mix.fault_time_s:
            self.world.at(self.world.start + round(off * scale * US), act)

    def run(self) -> None:
        """Faults, then peace; rules are looked at all the time."""
        self._kill_now_and_then()
        if self.mix.vouched:
            self.world.after(VOUCH_EVERY_S, self._vouch)
        end = self.world.now + round(self.mix.fault_time_s * US)
        self._go_on(end)
        self._heal()
        end = self.world.now + round(HEAL_S * US)
        while self.world.now < end and not self._is_over():
            self._go_on(self.world.now + round(LOOK_EVERY_S * US))
            late_us = round((2 * self.mix.sweep_s + 10) * US)
            now = self.server.clock()
            check_deadlines(self.server, now, late_us)
            check_recovered(self.server, now - late_us)
            self.work.look(self.hosts)
        self._look()
        check_end(self.server, self.hosts, self.mix)

    def _go_on(self, until: int) -> None:
        look_at = self.world.now + round(LOOK_EVERY_S * US)
        while self.world.step(until):
            if self.world.happened > STEPS_MAX:
                raise BrokenRule(f"no end after {STEPS_MAX} events")
            if self.world.now >= look_at:
                self._look()
                look_at = self.world.now + round(LOOK_EVERY_S * US)
        self._look()

    def _look(self) -> None:
        self.watch.look()
        with self.server.reading() as db:
            self.belief.look(db)
            look_at_bounds(db)

    def _kill_now_and_then(self) -> None:
        faults, rng = self.mix.faults, self.world.rng

        def kill_server() -> None:
            if self.faulty:
                self.server.arm()
                self.world.after(rng.expovariate(1 / faults.server_kill_s), kill_server)

        def kill_client() -> None:
            if self.faulty:
                rng.choice(self.hosts).arm()
                self.world.after(rng.expovariate(1 / faults.client_kill_s), kill_client)

        def jump() -> None:
            if self.faulty:
                place = rng.randrange(len(self.hosts) + 1)
                if place == len(self.hosts):
                    self.server.skew += round(rng.uniform(*SERVER_JUMP_S) * US)
                    self.world.tell(f"the server's clock is {self.server.skew / US:.0f} s ahead")
                else:
                    host = self.hosts[place]
                    host.set_clock(host.skew + round(rng.uniform(*JUMP_S) * US))
                self.world.after(rng.expovariate(1 / faults.clock_jump_s), jump)

        if faults.clock_jump_s:
            self.world.after(rng.expovariate(1 / faults.clock_jump_s), jump)
        if faults.server_kill_s:
            self.world.after(rng.expovariate(1 / faults.server_kill_s), kill_server)
        if faults.client_kill_s:
            self.world.after(rng.expovariate(1 / faults.client_kill_s), kill_client)

    def _vouch(self) -> None:
        """An admin takes those who do not lie for the project's own, as soon as they are there."""
        devices = [h.device for h in self.hosts if h.behaviour.kind not in LYING]
        with closing(sqlite3.connect(self.server.project.layout.database)) as database, database:
            database.executemany(
                "UPDATE host SET house = 1 WHERE device = ? AND house = 0", [(d,) for d in devices]
            )
        self.world.after(VOUCH_EVERY_S, self._vouch)

    def _heal(self) -> None:
        """No fault from now on; what is down comes up by itself."""
        self.world.tell("the faults stop")
        self.faulty = False
        self.network.faults = self.server.faults = CALM
        self.server.disarm()
        for host in self.hosts:
            host.disarm()
        self.server.revive()

    def _is_over(self) -> bool:
        if not self.server.up or not all(s.batch and s.steered for s in self.scientists):
            return False
        if any(scientist.look()["state"] not in ENDED for scientist in self.scientists):
            return False
        alive = [host for host in self.hosts if host.counts]
        if any(host.agent is None or host.agent.state.tasks for host in alive):
            return False
        return self.server.count("SELECT COUNT(*) FROM task WHERE state = 'in_progress'") == 0

    def tell(self, told: Told) -> None:
        """Fill in what it came to."""
        told.happened = self.world.happened
        told.server_kills = self.server.kills
        told.client_kills = sum(host.kills for host in self.hosts)
        told.receipts = sum(len(host.receipts) for host in self.hosts)
        told.singles = self.belief.singles
        with self.server.reading() as db:
            ((told.continued,),) = rows(db, "SELECT COUNT(resumed_from) FROM task")  # type: ignore[assignment]
        told.virtual_s = (self.world.now - self.world.start) / US
        told.states = [str(scientist.look()["state"]) for scientist in self.scientists]

    def close(self) -> None:
        """Let go of everything."""
        for scientist in self.scientists:
            scientist.close()
        self.server.close()
