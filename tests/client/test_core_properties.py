"""Whatever happens in whatever order, the client keeps its word: rules of TRUST on random lives.

Safety rules are checked after every event; at the end the faults stop, and everything must come to
its end (liveness).
"""

import random
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idlegrid_client.core import event as ev
from idlegrid_client.core import instruction as do
from idlegrid_client.core.agent import handle
from idlegrid_client.core.limit import (
    LEAVE_MEMORY_S,
    LEAVE_RETRY_S,
    MEMORY_KEEP_BYTES,
    START_TRIES_MAX,
)
from idlegrid_client.core.model import UNFINISHED, AgentState, FileNeed, Result
from idlegrid_shared.wire import Machine

from .story import T0, US, WEEK, P, offer, project, success

CORES = 3
MEMORY = 250
STEPS_AFTER = 3_000

LETTERS = "abcdefgh"
PROBLEMS = (
    ("busy", 503),
    ("unknown_host", 401),
    ("conflict", 409),
    ("clone", 409),
    ("malformed", 400),
)


class World:
    """A server, a network, disks and sandboxes that do whatever the draw says."""

    def __init__(self, seed: int, faulty: bool) -> None:
        self.draw = random.Random(seed)
        self.faulty = faulty
        self.now = T0
        self.state = AgentState(cores=CORES, memory_bytes=MEMORY, machine=Machine())
        self.rng = random.Random(seed + 1)
        self.exchange: do.SendExchange | None = None
        self.sent: do.SendExchange | None = None  # the first sending of the open request
        self.enrol = self.key = False
        self.downloads: set[str] = set()
        self.uploads: set[tuple[str, str, str]] = set()
        self.sandboxes: set[tuple[str, str]] = set()
        self.still: set[tuple[str, str]] = set()  # those that stand still
        self.leaving: set[tuple[str, str]] = set()  # those that were told to leave memory
        self.still_since: dict[tuple[str, str], int] = {}
        self.compiling: str = ""
        self.compiled: set[str] = set()
        self.verified: set[str] = set()
        self.receipted: set[str] = set()
        self.excused: set[str] = set()  # cancelled, refused, or another machine's: may go
        self.saved_results: dict[str, Result] = {}
        self.given = 0
        self.wait_until = T0

    # --- the rules, in words

    def carry_out(self, instructions: list[do.Instruction]) -> None:  # noqa: C901 (a table)
        for order in instructions:
            match order:
                case do.SendExchange():
                    assert self.exchange is None, "two exchanges were under way at once"
                    self._check_repeat(order)
                    self.exchange = order
                case do.CloseExchange():
                    self.sent = None
                case do.Enrol():
                    assert not self.enrol, "two enrolments were under way at once"
                    assert self.exchange is None, "an enrolment began during an exchange"
                    self.enrol = True
                case do.NewDeviceKey():
                    self.key = True
                case do.SaveTask(task):
                    if task.result is not None:
                        self.saved_results[task.id] = task.result
                case do.ForgetTask(_, task, _):
                    self._check_forget(task)
                case do.Download(_, sha256):
                    assert sha256 not in self.downloads, "a file was fetched twice at a time"
                    self.downloads.add(sha256)
                case do.Upload(place, task, sha256):
                    key = (place, task, sha256)
                    assert key not in self.uploads, "an output was sent twice at a time"
                    self.uploads.add(key)
                case do.PrepareRuntime(place, task, runtime):
                    self._check_prepare(place, task, runtime)
                case do.StartTask(place, task):
                    self._check_start(place, task)
                case do.StopPreparing(runtime):
                    assert self.compiling == runtime, "what is not compiled was stopped"
                    self.compiling = ""
                case do.SuspendTask(place, task):
                    self._check_suspend((place, task))
                case do.ResumeTask(place, task):
                    assert (place, task) in self.still, "a task was resumed that computes"
                    self.still.discard((place, task))
                case do.LeaveMemory(place, task, anyway):
                    assert not anyway, "nobody stopped the agent"
                    self._check_leave((place, task))
                case do.StopTask(place, task):
                    self._end((place, task))
                case do.Wait(until):
                    assert until >= self.now, "the agent waits for the past"
                    self.wait_until = until
        assert isinstance(instructions[-1], do.Wait), "the agent did not say how long to wait"

    def _check_suspend(self, key: tuple[str, str]) -> None:
        assert key in self.sandboxes, "a task was suspended that has no sandbox"
        assert key not in self.still, "a task was suspended twice"
        assert key not in self.leaving, "a task was suspended while it leaves memory"
        self.still.add(key)
        self.still_since[key] = self.now

    def _check_leave(self, key: tuple[str, str]) -> None:
        assert key in self.still, "a task left memory that did not stand still"
        assert self.state.tasks[key].checkpoints, "a task that cannot be saved was to leave memory"
        self.still.discard(key)
        self.leaving.add(key)

    def _check_pause(self) -> None:
        """After every event: the pause holds, and nobody outstays it who could be saved."""
        if not self.state.paused:
            assert not self.still, "tasks stand still although nobody paused"
            return
        computing = self.sandboxes - self.still - self.leaving
        assert not computing, f"{computing} compute during the pause"
        assert not self.compiling, "an interpreter is compiled during the pause"
        for key in self.still:
            task = self.state.tasks[key]
            stayed_s = (self.now - self.still_since[key]) / US
            assert not task.checkpoints or stayed_s < max(LEAVE_MEMORY_S, LEAVE_RETRY_S), (
                f"{task.id} stands in memory for {stayed_s} s"
            )
            due = max(self.now, task.leave_at, task.retry_at)
            assert not task.checkpoints or self.wait_until <= due, "the agent sleeps too long"

    def _end(self, key: tuple[str, str]) -> None:
        self.sandboxes.discard(key)
        self.still.discard(key)
        self.leaving.discard(key)

    def _check_repeat(self, order: do.SendExchange) -> None:
        if self.sent is None:
            assert not order.again, "a request was repeated that was never sent"
            self.sent = order
            unknown = set(order.reports) - set(self.saved_results)
            assert not unknown, f"{unknown} were reported before their result was saved"
        else:
            assert order.again, "a new request was sent while one was unanswered"
            assert order.request_id == self.sent.request_id, "a request changed its id"

    def _check_forget(self, task: str) -> None:
        result = self.saved_results.get(task)
        if result is not None and result.outcome == "success":
            assert task in self.receipted or task in self.excused, (
                f"the finished result of {task} was deleted without a receipt"
            )

    def _check_prepare(self, place: str, task: str, runtime: str) -> None:
        assert not self.compiling, "two interpreters were compiled at once"
        assert runtime not in self.compiled, "an interpreter was compiled again"
        assert self.state.tasks[(place, task)].runtime == runtime
        self.compiling = runtime

    def _check_start(self, place: str, task: str) -> None:
        assert not self.state.paused, f"{task} was started during a pause"
        assert task in self.verified, f"{task} was started and never verified"
        assert (place, task) not in self.sandboxes, f"{task} was started twice"
        assert self.now < self.state.projects[place].timestamp_expires_at, "stale, yet started"
        runtime = self.state.tasks[(place, task)].runtime
        assert not runtime or runtime in self.compiled, "a task was started before its interpreter"
        self.sandboxes.add((place, task))
        assert len(self.sandboxes) <= CORES, "more tasks run than there are cores"
        memory = sum(self.state.tasks[key].memory_bytes for key in self.sandboxes)
        if self.compiling:
            memory += self.state.runtimes[self.compiling].memory_bytes
        assert memory <= MEMORY, "tasks and compiling take more memory than allowed"

    # --- what happens

    def tell(self, event: ev.Event) -> None:
        self.state, instructions = handle(self.state, event, self.now, self.rng)
        self.carry_out(instructions)
        held = {t.key for t in self.state.in_memory()}
        assert held == self.sandboxes, "the agent's idea of what is in memory is wrong"
        running = {t.key for t in self.state.running()}
        assert running == self.sandboxes - self.still - self.leaving, "nor what computes"
        self._check_pause()

    def chance(self, share: float) -> bool:
        return self.faulty and self.draw.random() < share

    def step(self) -> None:
        choices: list[Any] = [self.let_time_pass]
        if self.exchange is not None:
            choices += [self.answer] * 2
        if self.enrol:
            choices.append(self.answer_enrolment)
        if self.key:
            choices.append(self.renew_key)
        if self.downloads:
            choices.append(self.finish_download)
        if self.uploads:
            choices.append(self.finish_upload)
        if self.sandboxes - self.still:
            choices.append(self.finish_task)
        if self.leaving:
            choices += [self.leave_memory] * 2
        if self.faulty:
            choices.append(self.pause_or_resume)
            choices.append(self.change_memory)
        if self.compiling:
            choices.append(self.finish_compiling)
        if self.faulty:
            choices.append(self.restart)
        self.draw.choice(choices)()

    def let_time_pass(self) -> None:
        if self.faulty and self.draw.random() < 0.05:
            self.now += self.draw.randrange(10 * 86_400) * US
        else:
            self.now = max(self.now, min(self.wait_until, self.now + 3600 * US))
        self.tell(ev.Timer())

    def answer(self) -> None:
        sent, self.exchange = self.exchange, None
        assert sent is not None
        if self.chance(0.2):
            self.tell(ev.ExchangeFailed(P, "no answer"))
        elif self.chance(0.15):
            code, status = self.draw.choice(
                [
                    ("busy", 503),
                    ("unknown_host", 401),
                    ("conflict", 409),
                    ("clone", 409),
                    ("x", 400),
                ]
            )
            if code == "clone":
                self.excused.update(t.id for t in self.state.tasks.values())
            self.tell(ev.ProblemReceived(P, status, code, code))
        else:
            self.tell(ev.ReplyReceived(P, sent.request_id, self._reply(sent)))

    def _reply(self, sent: do.SendExchange) -> ev.CheckedReply:
        first = self.sent
        assert first is not None
        cancel = tuple(t for t in first.held if self.chance(0.05))
        self.excused.update(cancel)
        wanted = first.want.tasks if first.want is not None and self.faulty else 0
        offers = tuple(self._new_offer() for _ in range(min(wanted, self.draw.randrange(6))))
        known = [t for t in self.state.tasks.values() if t.wants_reoffer]
        offers += tuple(offer(t.id, files=t.files, memory_bytes=t.memory_bytes) for t in known)
        return ev.CheckedReply(
            next_contact_s=float(self.draw.randrange(120)),
            answers=tuple(self._answer(t) for t in first.reports),
            offers=offers,
            cancel=cancel,
            timestamp_expires_at=self.now + WEEK,
        )

    def _new_offer(self) -> ev.Offer:
        self.given += 1
        task = f"task_{self.given}"
        self.verified.add(task)
        letters = self.draw.sample(LETTERS, self.draw.randrange(1, 4))
        files = tuple(FileNeed(c * 64, 10, "/files/" + c) for c in letters)
        memory = self.draw.choice([10, 100, 240, 300])
        deadline_s = self.draw.choice([10, 3600, 86_400])
        runtime = self.draw.choice(["", "", "python", "other python"])
        return offer(
            task,
            files=files,
            memory_bytes=memory,
            deadline_s=deadline_s,
            runtime=runtime,
            runtime_name=runtime,
            checkpoints=self.draw.random() < 0.5,
            compile_bytes={"": 0, "python": 50, "other python": 200}[runtime],
        )

    def _answer(self, task: str) -> ev.Answer:
        if self.chance(0.1):
            return ev.Answer(task, "retry")
        if self.chance(0.1):
            return ev.Answer(task, "accepted", receipted=False, trouble="forged")
        if self.chance(0.1):
            return ev.Answer(task, "missing_files", missing=("cc" * 32,))
        if self.chance(0.05):
            self.excused.add(task)
            return ev.Answer(task, "refused", reason="no")
        self.receipted.add(task)
        return ev.Answer(task, self.draw.choice(["accepted", "duplicate"]), receipted=True)

    def answer_enrolment(self) -> None:
        self.enrol = False
        if self.chance(0.2):
            self.tell(ev.ExchangeFailed(P, "no answer"))
        else:
            self.tell(ev.Enrolled(P))

    def renew_key(self) -> None:
        self.key = False
        self.tell(ev.KeyRenewed(P))

    def finish_download(self) -> None:
        sha256 = self.draw.choice(sorted(self.downloads))
        self.downloads.discard(sha256)
        if self.chance(0.3):
            self.tell(ev.DownloadFailed(P, sha256, "broken", gone=self.draw.random() < 0.5))
        else:
            self.tell(ev.DownloadFinished(P, sha256))

    def finish_upload(self) -> None:
        key = self.draw.choice(sorted(self.uploads))
        self.uploads.discard(key)
        if self.chance(0.3):
            self.tell(ev.UploadFailed(*key, "broken"))
        else:
            self.tell(ev.UploadFinished(*key))

    def finish_compiling(self) -> None:
        runtime, self.compiling = self.compiling, ""
        if self.chance(0.3):
            self.tell(ev.RuntimeFailed(runtime, "broken", hopeless=self.draw.random() < 0.3))
        else:
            self.compiled.add(runtime)
            self.tell(ev.RuntimeReady(runtime))

    def pause_or_resume(self) -> None:
        if self.draw.random() < 0.3:
            self.tell(ev.CommandGiven("resume" if self.state.paused else "pause"))

    def change_memory(self) -> None:
        free = self.draw.choice([0, MEMORY_KEEP_BYTES, 2**40])
        self.tell(ev.MachineChanged(Machine(), 2**62, free))

    def leave_memory(self) -> None:
        key = self.draw.choice(sorted(self.leaving))
        saved = not self.chance(0.3)
        if saved:
            self._end(key)
        else:
            self.leaving.discard(key)
        self.tell(ev.TaskLeft(*key, saved=saved, text="" if saved else "no checkpoint"))

    def finish_task(self) -> None:
        """It may end just when it was told to stand still, too: that is a late word."""
        known = self.sandboxes if self.chance(0.2) else self.sandboxes - self.still
        place, task = key = self.draw.choice(sorted(known))
        if self.chance(0.2):
            self.tell(ev.TaskProgress(place, task, self.draw.random()))
            return
        self._end(key)
        if self.chance(0.1):
            lost = self.draw.random() < 0.5
            if lost and self.state.tasks[key].tries + 1 < START_TRIES_MAX:
                # its interpreter is looked at again, too
                self.compiled.discard(self.state.tasks[key].runtime)
            self.tell(ev.TaskInterrupted(place, task, "x", lost))
        elif self.chance(0.1):
            self.tell(ev.TaskFinished(place, task, Result(outcome="error", reason="trap")))
        elif self.chance(0.05):
            self.tell(ev.TaskUntrusted(place, task, "bad_release", "x"))
        else:
            self.tell(ev.TaskFinished(place, task, success(inline=self.draw.random() < 0.5)))

    def restart(self) -> None:
        """The process dies and begins again with what was written down."""
        if self.draw.random() > 0.1:
            return
        tasks = []
        for task in self.state.tasks.values():
            again = {"sending": (), "tries": 0, "retry_at": 0, "wants_reoffer": False}
            if task.phase in UNFINISHED:
                phase: Any = "new"
            else:
                phase = {"success": "computed", "error": "failed", "aborted": "aborted"}[
                    task.result.outcome  # type: ignore[union-attr]
                ]
            tasks.append(msgspec.structs.replace(task, phase=phase, **again))
        projects = []
        for known in self.state.projects.values():
            projects.append(
                project(
                    enrolled=known.enrolled,
                    seq=known.seq,
                    pending=known.pending,
                    timestamp_expires_at=known.timestamp_expires_at,
                )
            )
        paused = self.state.paused
        self.state = AgentState(cores=CORES, memory_bytes=MEMORY, machine=Machine(), paused=paused)
        self.exchange = None
        self.enrol = self.key = False
        self.downloads.clear()
        self.uploads.clear()
        self.sandboxes.clear()
        self.still.clear()
        self.leaving.clear()
        self.compiling = ""
        self.compiled.clear()
        self.tell(ev.Started(tuple(projects), tuple(tasks)))


@settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(seed=st.integers(0, 2**32), steps=st.integers(20, 250))
def test_no_rule_is_ever_broken_and_everything_ends(seed: int, steps: int) -> None:
    world = World(seed, faulty=True)
    world.tell(ev.Started((project(enrolled=False, timestamp_expires_at=0),), ()))
    for _ in range(steps):
        world.step()
    world.faulty = False
    world.tell(ev.CommandGiven("resume"))
    for _ in range(STEPS_AFTER):
        if not world.state.tasks and world.exchange is None:
            break
        world.step()
    assert not world.state.tasks, (
        f"after the faults stopped these never ended (seed {seed}, {steps} steps): "
        + "; ".join(t.story() for t in world.state.tasks.values())
    )
