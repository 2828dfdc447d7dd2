"""The agent at work: one loop takes events, lets the core decide, and carries out what it says.

All that lasts (network, sandboxes, transfers) happens in other threads, which answer with events.
The loop alone changes the state and writes tasks down, so what the core decided in an order is on
the disk in that order.
"""

import os
import queue
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from idlegrid_shared.wire import Machine

from .contact import Contact
from .core import instruction as do
from .core.agent import handle
from .core.event import CommandGiven, Event, MachineChanged, ProjectAttached, Started, Timer
from .core.limit import HEARTBEAT_S, LEAVE_MEMORY_S, MEMORY_KEEP_BYTES, US
from .core.model import AgentState, TaskState
from .journal import Entry, Journal
from .layout import DataFolder, ProjectFolder
from .machine.facts import disk_free_bytes, memory_free_bytes, read_machine
from .machine.orphan import end_orphan
from .permission import load_permission, offered_profiles
from .runner.runner import Runner
from .status import make_status, write_status
from .store_state import LoadedProject, delete_project, load_project, save_host
from .store_task import forget_task, save_task
from .transfer.file_work import FileWork
from .transfer.pool import TransferPool

STATUS_EVERY_S = 1.0
LOOK_ROUND_S = 60.0  # for commands and changes of the machine, at rest
LOOK_ROUND_BUSY_S = 5.0  # the same while tasks run, and during a pause
DISK_RETRY_S = 5.0
CLOSE_WAIT_S = 1.0
CACHE_BYTES_MAX = 4 * 1024**3

Clock = Callable[[], int]


def system_clock() -> int:
    """µs UTC."""
    return time.time_ns() // 1000


class DiskRefusedError(RuntimeError):
    """The agent was stopped while it waited for room on the disk."""


@dataclass
class AgentOptions:
    """What the volunteer sets.

    ``until_idle`` ends the agent when there is nothing left to do; ``leave`` names a project to be
    left at once, and ends it then; ``time_s_max`` ends it in any case. During a pause tasks leave
    memory after ``leave_memory_s``, or when less than ``memory_keep_bytes`` are free.
    """

    cores: int
    memory_bytes: int
    leave_memory_s: float = LEAVE_MEMORY_S
    memory_keep_bytes: int = MEMORY_KEEP_BYTES
    until_idle: bool = False
    leave: str = ""
    time_s_max: float | None = None
    cache_bytes_max: int = CACHE_BYTES_MAX
    clock: Clock = system_clock
    rng: random.Random = field(default_factory=random.SystemRandom)
    echo: Callable[[str], None] | None = None


class Agent:
    """One running client. ``runner`` may be a subclass: see :class:`Runner`."""

    def __init__(
        self, data: DataFolder, options: AgentOptions, runner: Runner | None = None
    ) -> None:
        data.make()
        self._data = data
        self._options = options
        self._clock = options.clock
        self._runner = runner or Runner(data.compiled)
        self._journal = Journal(data, options.echo)
        self._mail: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._contacts: dict[str, Contact] = {}
        self._pool = self._make_pool()
        self._files = FileWork(self._pool, self.post, options.cache_bytes_max, self._needed_files)
        self._offered: tuple[str, ...] = ()
        self._stop_asked = False
        self._fault: BaseException | None = None
        self._ended = False
        self._wait_until = 0
        self._status_at_s = 0.0
        self._status_old = True
        self._looked_at_s = self._born_s = time.monotonic()
        self._state = AgentState(
            cores=options.cores,
            memory_bytes=options.memory_bytes,
            machine=self._read_machine(),
            disk_free_bytes=disk_free_bytes(data.root),
            memory_free_bytes=memory_free_bytes(),
            memory_keep_bytes=options.memory_keep_bytes,
            leave_memory_s=options.leave_memory_s,
            paused=data.paused.exists(),
        )

    @property
    def state(self) -> AgentState:
        """What the agent knows now: a value, safe to read from anywhere."""
        return self._state

    def post(self, event: Event) -> None:
        """Tell the agent something; safe from any thread."""
        self._mail.put(event)

    def stop(self) -> None:
        """Ask for a clean end; safe from any thread and from a signal handler."""
        self._stop_asked = True
        self._mail.put(CommandGiven("stop"))

    def fail(self, fault: BaseException) -> None:
        """A thread met a fault of this program: end, and raise it from :meth:`run`."""
        self._fault = fault
        self.stop()

    def run(self) -> None:
        """Work until stopped. The caller holds the data folder's lock.

        Raises :class:`DiskRefusedError`, and what :meth:`fail` was told.
        """
        try:
            self._start()
            while not self._ended:
                event = self._next_event()
                if event is not None:
                    self._handle(event)
                self._look_round()
                self._tell_status()
                if not self._state.stopping and self._is_over():
                    self._handle(CommandGiven("stop"))
        finally:
            self._close()
        if self._fault is not None:
            raise self._fault

    # --- the loop

    def _start(self) -> None:
        projects, tasks = [], []
        for folder in self._data.attached():
            loaded = load_project(folder, self._clock(), self._say)
            if loaded is None:
                continue
            for task in loaded.tasks:
                if end_orphan(folder.task(task.id).process):
                    self._say(f"a process left by a former run of task {task.id} was ended")
            self._open(loaded)
            projects.append(loaded.state)
            tasks.extend(loaded.tasks)
        self._handle(Started(tuple(projects), tuple(tasks)))
        if self._options.leave in self._state.projects:
            self._handle(CommandGiven("leave", self._options.leave))

    def _open(self, loaded: LoadedProject) -> None:
        fingerprint = loaded.state.fingerprint
        contact = self._make_contact(self._data.project(fingerprint), loaded)
        contact.offered = self._offered
        self._contacts[fingerprint] = contact
        contact.start()

    def _make_contact(self, folder: ProjectFolder, loaded: LoadedProject) -> Contact:
        return Contact(folder, loaded, self.post)

    def _next_event(self) -> Event | None:
        wait_s = (self._wait_until - self._clock()) / US
        wait_s = min(max(wait_s, 0.0), self._pause_s())
        if self._status_old:
            wait_s = min(wait_s, STATUS_EVERY_S)
        try:
            return self._mail.get(timeout=wait_s)
        except queue.Empty:
            now = self._clock()
            # The core never waits longer than a heartbeat; if it seems to, the clock was set back.
            set_back = self._wait_until - now > (HEARTBEAT_S + LOOK_ROUND_S) * US
            return Timer() if now >= self._wait_until or set_back else None

    def _pause_s(self) -> float:
        busy = self._state.in_memory() or self._state.paused or self._options.time_s_max is not None
        return LOOK_ROUND_BUSY_S if busy else LOOK_ROUND_S

    def _handle(self, event: Event) -> None:
        self._state, instructions = handle(self._state, event, self._clock(), self._options.rng)
        self._status_old = True
        for instruction in instructions:
            self._carry_out(instruction)

    def _is_over(self) -> bool:
        """Whether what the agent was started for is done."""
        options = self._options
        if options.time_s_max is not None and time.monotonic() > self._born_s + options.time_s_max:
            return True
        if options.leave:
            return options.leave not in self._state.projects
        return options.until_idle and self._is_idle()

    def _is_idle(self) -> bool:
        """Nothing here, and every server had nothing to give when it was asked last."""
        if self._state.tasks:
            return False
        return all(
            p.blocked or (not p.busy and p.pending is None and p.last_wanted and not p.last_given)
            for p in self._state.projects.values()
        )

    def _look_round(self) -> None:
        """Now and then: new projects, commands of `attach` and `detach`, the machine's facts."""
        now_s = time.monotonic()
        if now_s - self._looked_at_s < self._pause_s():
            return
        self._looked_at_s = now_s
        for folder in self._data.attached():
            if folder.root.name not in self._contacts:
                loaded = load_project(folder, self._clock(), self._say)
                if loaded is not None:
                    self._open(loaded)
                    self._handle(ProjectAttached(loaded.state))
        for path in sorted(self._data.commands.glob("*.leave")):
            if path.stem in self._state.projects:
                self._handle(CommandGiven("leave", path.stem))
            path.unlink(missing_ok=True)
        paused = self._data.paused.exists()
        if paused != self._state.paused:
            self._handle(CommandGiven("pause" if paused else "resume"))
        facts = (self._read_machine(), disk_free_bytes(self._data.root), memory_free_bytes())
        known = self._state
        if facts != (known.machine, known.disk_free_bytes, known.memory_free_bytes):
            self._handle(MachineChanged(*facts))

    def _read_machine(self) -> Machine:
        """The machine's facts; what it offers is believed by contacts and runner from here on."""
        offered = offered_profiles(load_permission(self._data))
        if offered != self._offered:
            self._offered = offered
            self._runner.offer(offered)
            for contact in self._contacts.values():
                contact.offered = offered
        options = self._options
        return read_machine(self._data.root, options.cores, options.memory_bytes, offered)

    def _tell_status(self, *, now: bool = False) -> None:
        due = time.monotonic() - self._status_at_s >= STATUS_EVERY_S
        if not self._status_old or not (due or now):
            return
        status = make_status(self._state, self._clock(), os.getpid(), self._data.root)
        try:
            write_status(self._data.status, status)
        except OSError as error:
            self._say(f"the status file cannot be written: {error}")
        self._status_at_s = time.monotonic()
        self._status_old = False

    def _close(self) -> None:
        self._runner.close(CLOSE_WAIT_S)
        self._pool.close()
        for contact in self._contacts.values():
            contact.close()
        self._pool.join(CLOSE_WAIT_S / 4)
        for contact in self._contacts.values():
            contact.join(CLOSE_WAIT_S / 4 / len(self._contacts))
        self._status_old = True
        self._tell_status(now=True)

    def _make_pool(self) -> TransferPool:
        return TransferPool()

    # --- instructions

    def _carry_out(self, order: do.Instruction) -> None:
        match order:
            case do.SaveTask(task):
                folder = self._data.project(task.project)
                self._persist(lambda: save_task(folder, task))
            case do.ForgetTask(project, task_id, why):
                folder = self._data.project(project)
                self._persist(lambda: forget_task(folder, task_id))
                self._log("info", "task_gone", f"done with: {why}", project, task_id)
            case do.SaveProject(project_state):
                folder = self._data.project(project_state.fingerprint)
                self._persist(lambda: save_host(folder, project_state))
            case do.ForgetProject(project):
                self._forget_project(project)
            case do.Notify(level, code, text, project, task_id):
                self._log(level, code, text, project, task_id)
            case do.Wait(until):
                self._wait_until = until
            case do.Exit():
                self._ended = True
            case _:
                self._run_or_transfer(order)

    def _run_or_transfer(self, order: do.Instruction) -> None:
        match order:
            case do.StartTask(project, task_id):
                self._start_task(self._state.tasks[(project, task_id)])
            case do.PrepareRuntime(project, task_id, _):
                self._prepare_runtime(self._state.tasks[(project, task_id)])
            case do.StopPreparing():
                self._runner.stop_preparing()
            case do.SuspendTask(project, task_id):
                self._runner.suspend((project, task_id))
            case do.ResumeTask(project, task_id):
                self._runner.resume((project, task_id))
            case do.LeaveMemory(project, task_id, anyway):
                self._runner.leave((project, task_id), anyway=anyway)
            case do.StopTask(project, task_id):
                self._runner.stop((project, task_id))
            case _:
                self._contact_or_transfer(order)

    def _contact_or_transfer(self, order: do.Instruction) -> None:
        match order:
            case do.SendExchange():
                contact = self._contacts[order.project]
                contact.send(order, {t.id: t for t in self._state.tasks_of(order.project)})
            case do.CloseExchange():
                contact = self._contacts[order.project]
                self._persist(lambda: contact.close_exchange(order))
            case do.Enrol():
                self._contacts[order.project].enrol(order, self._state.machine)
            case do.NewDeviceKey():
                self._contacts[order.project].renew_key(order)
            case do.Download():
                self._files.download(self._contacts[order.project], order)
            case do.Upload():
                self._files.upload(self._contacts[order.project], order)
            case do.SendCheckpoint():
                self._files.send_checkpoint(self._contacts[order.project], order)
            case _:
                raise AssertionError(f"no hand for instruction {order!r}")

    def _start_task(self, task: TaskState) -> None:
        contact = self._contacts[task.project]
        if contact.trust is None:
            raise AssertionError("a task was to start without verified signatures")
        what = f"{task.app} {task.version}" + (f", {task.batch}" if task.batch else "")
        self._log("info", "task_started", f"started: {what}", task.project, task.id)
        self._runner.start(
            contact.folder, task, contact.trust, contact.signed_releases(), self.post
        )

    def _prepare_runtime(self, task: TaskState) -> None:
        contact = self._contacts[task.project]
        text = f"compiling {task.runtime_name} for this computer, once"
        self._log("info", "runtime_compiling", text, task.project)
        self._runner.prepare(contact.folder, task, contact.signed_releases(), self.post)

    def _forget_project(self, fingerprint: str) -> None:
        contact = self._contacts.pop(fingerprint)
        contact.close()
        contact.join(CLOSE_WAIT_S)
        delete_project(self._data, fingerprint)
        self._log("info", "project_left", "the project is detached", fingerprint)

    def _persist(self, write: Callable[[], None]) -> None:
        """Write, and insist: what the core decided next relies on it.

        While the disk refuses (it is full), nothing else is done; a stop ends the waiting, and
        the next start goes on from what was written before.
        """
        told = False
        while True:
            try:
                write()
                return
            except OSError as error:
                if not told:
                    text = f"the disk refuses ({error}): make room; nothing is lost meanwhile"
                    self._log("error", "disk", text)
                told = True
            if self._stop_asked:
                raise DiskRefusedError(
                    "the disk refused to the end; the last step is done again at the next start"
                )
            time.sleep(DISK_RETRY_S)

    def _needed_files(self, fingerprint: str) -> set[str]:
        return {f.sha256 for t in self._state.tasks_of(fingerprint) for f in t.files}

    def _say(self, text: str) -> None:
        self._log("warning", "repair", text)

    def _log(self, level: str, code: str, text: str, project: str = "", task: str = "") -> None:
        self._journal.write(Entry(self._clock(), level, code, text, project, task))


def data_folder(path: Path) -> DataFolder:
    """The data folder at ``path``, absolute."""
    return DataFolder(path.absolute())
