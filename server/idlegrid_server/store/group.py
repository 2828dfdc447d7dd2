"""Group commit: what has arrived is done in one transaction, and answered when that is durable."""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from idlegrid_server.faults import reach

from .apply import apply
from .command import Command, StoreError, StoreFailed
from .faultpoint import commit_points
from .frame import encode, encode_error
from .local import as_store_error
from .slice import Bulk, Pace
from .sqlite import SqliteConnection

COMMANDS_MAX = 64
GROUP_S = 0.020
log = logging.getLogger(__name__)

Reply = Callable[[bytes], None]


@dataclass
class Group:
    """The commands that wait, and the connection that they are done on.

    Every command runs under a savepoint of its own: one that fails is undone alone. Of the bulk
    commands one slice is done after the others, so nobody waits behind more than one slice.
    """

    db: SqliteConnection
    clock: Callable[[], float] = time.perf_counter
    waiting: deque[tuple[Command[Any], Reply]] = field(default_factory=deque)
    bulk: deque[tuple[Bulk, Reply]] = field(default_factory=deque)
    pace: Pace = field(default_factory=Pace)

    def add(self, command: Command[Any], reply: Reply) -> None:
        """Let a command wait for the next group; ``reply`` is called once, with its answer."""
        if command.bulk:
            self.bulk.append((Bulk(command), reply))
        else:
            self.waiting.append((command, reply))

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return not self.waiting and not self.bulk

    def run(self) -> int:
        """Do one group and answer it; returns how many commands it had."""
        if self.idle:
            return 0
        answers: list[tuple[Reply, bytes]] = []
        try:
            self.db.begin(write=True)
            self._run_waiting(answers)
            if self.bulk:
                self._run_slice(answers)
            with commit_points():
                self.db.commit()
        except Exception as error:
            self.db.rollback()
            log.exception("A group of commands was undone.")
            payload = encode_error(_told(error, "the group"))
            answers = [(reply, payload) for reply, _ in answers]
        reach("store.reply.before")
        for reply, payload in answers:
            reply(payload)
        return len(answers)

    def _run_waiting(self, answers: list[tuple[Reply, bytes]]) -> None:
        end = self.clock() + GROUP_S
        while self.waiting and len(answers) < COMMANDS_MAX:
            command, reply = self.waiting.popleft()
            answers.append((reply, self._do(command)[0]))
            if self.clock() >= end:
                break

    def _run_slice(self, answers: list[tuple[Reply, bytes]]) -> None:
        work, reply = self.bulk[0]
        part, rows = work.next(self.pace.rows(work.command))
        start = self.clock()
        payload, answer = self._do(part)
        if answer is None:
            self.bulk.popleft()
            answers.append((reply, payload))
            return
        self.pace.learn(work.command, rows, self.clock() - start)
        work.took(rows, answer)
        if work.finished:
            self.bulk.popleft()
            answers.append((reply, encode((True, work.answer()))))
        else:
            self.bulk.rotate(-1)

    def _do(self, command: Command[Any]) -> tuple[bytes, Any]:
        """The encoded answer, and the answer itself unless it is an error."""
        raw = self.db.raw
        raw.execute("SAVEPOINT command")
        try:
            answer = apply(self.db, command)
            payload = encode((True, answer))
        except Exception as error:
            if not raw.in_transaction:
                raise  # the disk is full: nothing of the group is left
            raw.execute("ROLLBACK TO command")
            answer, payload = None, encode_error(_told(error, type(command).__name__))
        raw.execute("RELEASE command")
        return payload, answer


def _told(error: Exception, what: str) -> StoreError:
    known = as_store_error(error, what)
    if isinstance(known, StoreError):
        return known
    if isinstance(known, msgspec.ValidationError):
        return StoreError("invalid", f"{what}: {known}")
    log.error("A command failed.", exc_info=error)
    return StoreFailed("failed", f"{what} was undone: {type(error).__name__}: {error}")
