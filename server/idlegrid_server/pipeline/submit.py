"""The job ``submit``: a batch's table is checked as a whole, then becomes work units.

Nothing is stored before the last line was found good. Then units are added in chunks, the first of
which go out while the rest is still being stored. A crash anywhere is no harm: the next worker goes
on after the units that are there.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import msgspec

from idlegrid_server.domain.canary import count_canaries
from idlegrid_server.faults import reach
from idlegrid_server.store.command import (
    UNITS_MAX,
    FailBatch,
    FinishJob,
    InsertUnits,
    NewUnit,
    StartBatch,
)
from idlegrid_server.store.sql.batch import (
    BATCH_BY_ID,
    STAGE_HOSTS,
    STAGES_OF_BATCH,
    BatchRow,
    StageRow,
)
from idlegrid_server.store.sql.file import FILES_USABLE_SIZES

from .lease import Interrupted, Lease, LeaseLost
from .spec import read_spec
from .tools import MissingFile, Tools
from .units_table import TableError, UnitLine, read_units

UNCHECKED = ("draft", "checking")
FILES_AT_ONCE = 500
HOSTS_MAX = 10_000  # of a batch that is for each of them
T = TypeVar("T")
CHECK_LINES = 5_000  # between two looks at lease and files
log = logging.getLogger(__name__)


def run_submission(tools: Tools, lease: Lease, stopping: Callable[[], bool]) -> None:
    """Bring the batch of a claimed job to running, or fail it with a reason for its owner.

    Raises ``LeaseLost``, ``Interrupted`` (between two chunks) and ``StoreError``.
    """
    reach("submit.claimed")
    batch_id = lease.job.object_id
    with tools.store.reading() as db:
        batch = db.fetch_one(BATCH_BY_ID, batch_id=batch_id)
        stages = db.fetch_all(STAGES_OF_BATCH, batch_id=batch_id)
    if batch is None or not stages:
        raise LookupError(f"job {lease.job.id} names batch {batch_id}, which does not exist")
    if batch.state == "paused" and batch.resume_state in UNCHECKED:
        # It has no units yet: look again when this lease has run out.
        raise Interrupted(f"batch {batch_id} is paused")
    try:
        expected = stages[0].expected
        hosts = _each_host(tools, batch, stages[0])
        if batch.state in UNCHECKED:
            expected = check_table(tools, lease, batch, stopping, len(hosts) or 1)
            reach("submit.checked")
            tools.store.execute(
                StartBatch(
                    now=tools.clock(),
                    batch_id=batch_id,
                    expected=expected,
                    canaries=_canaries(tools, batch, expected),
                )
            )
        if batch.state not in ("complete", "complete_with_failures", "failed", "cancelled"):
            store_units(tools, lease, batch, stages[0], expected, stopping, hosts)
    except TableError as error:
        log.info("A batch's table was refused.", extra={"batch": batch_id, "reason": str(error)})
        tools.store.execute(
            FailBatch(
                now=tools.clock(), batch_id=batch_id, reason=f"units: {error}", actor="submit"
            )
        )
    reach("submit.done.before")
    _finish(tools, lease)
    reach("submit.done.after")


def _each_host(tools: Tools, batch: BatchRow, stage: StageRow) -> list[int]:
    """The hosts that each get every unit of the batch's own; none in most batches."""
    assign = read_spec(batch.spec).assign
    if assign is None or not assign.each:
        return []
    with tools.store.reading() as db:
        return db.fetch_all(STAGE_HOSTS, stage_id=stage.id, limit=HOSTS_MAX)


def check_table(
    tools: Tools, lease: Lease, batch: BatchRow, stopping: Callable[[], bool], copies: int = 1
) -> int:
    """Read the whole table and return the number of units: ``copies`` for each of its lines.

    Raises :class:`TableError`.
    """
    count = 0
    missing = FileCheck(tools, batch.account_id)
    for units in _pieces(_table(tools, batch, 0), CHECK_LINES):
        count += len(units)
        if count * copies > tools.units_max:
            each = f", each for {copies} computers" if copies > 1 else ""
            raise TableError(
                f"the table has more than {tools.units_max // copies} lines{each}: the project's "
                f"limit for one batch is {tools.units_max} units; split it"
            )
        missing.check(units, count - len(units) + 1)
        _go_on(lease, stopping, f"checked {count} units")
    if count == 0:
        raise TableError("the table has no lines: a batch needs at least one work unit")
    return count * copies


def _canaries(tools: Tools, batch: BatchRow, expected: int) -> int:
    """How many units go out before the others: none if the scientist does not want it."""
    spec = read_spec(batch.spec)
    if not spec.canary or (spec.assign is not None and spec.assign.each):
        return 0
    return count_canaries(expected, tools.canary_from)


def store_units(
    tools: Tools,
    lease: Lease,
    batch: BatchRow,
    stage: StageRow,
    expected: int,
    stopping: Callable[[], bool],
    hosts: Sequence[int] = (),
) -> None:
    """Add what the stage lacks of its ``expected`` units; stops early if the batch was ended.

    With ``hosts`` each line becomes one unit for each of them.
    """
    created = stage.created
    if created >= expected:
        return
    lines = _table(tools, batch, created // max(1, len(hosts)))
    for units in _pieces(new_units(lines, created, hosts), UNITS_MAX):
        reach("submit.chunk.before")
        answer = tools.store.execute(
            InsertUnits(
                now=tools.clock(),
                stage_id=stage.id,
                offset=created,
                units=tuple(units),
            )
        )
        reach("submit.chunk.after")
        if answer.status == "closed":
            return
        if answer.status == "wrong_offset":
            raise LeaseLost(f"somebody else adds units to stage {stage.id}")
        created = answer.created
        _go_on(lease, stopping, f"stored {created} of {expected} units")


def new_unit(unit: UnitLine) -> NewUnit:
    """A line of the table as the store keeps it."""
    inputs = msgspec.json.encode(unit.inputs).decode() if unit.inputs else None
    known = bytes.fromhex(unit.known) if unit.known else None
    return NewUnit(args=msgspec.json.encode(unit.args).decode(), inputs=inputs, known=known)


def new_units(lines: Iterator[UnitLine], created: int, hosts: Sequence[int]) -> Iterator[NewUnit]:
    """The units that lines come to, without those of the first line that were ``created``."""
    if not hosts:
        yield from map(new_unit, lines)
        return
    skip = created % len(hosts)
    for line in lines:
        unit = new_unit(line)
        for host in hosts[skip:]:
            yield msgspec.structs.replace(unit, for_host=host)
        skip = 0


class FileCheck:
    """Whether every file that units name is stored, their owner's to use, and of that size."""

    def __init__(self, tools: Tools, account_id: int) -> None:
        self.tools = tools
        self.account_id = account_id
        self.sizes: dict[bytes, int] = {}

    def check(self, units: list[UnitLine], line: int) -> None:
        """Raise :class:`TableError` naming the first file of ``units`` that is missing or other.

        ``line`` is the number of the first unit's line.
        """
        self._learn({bytes.fromhex(file.sha256) for unit in units for file in unit.inputs})
        for number, unit in enumerate(units, line):
            for file in unit.inputs:
                size = self.sizes.get(bytes.fromhex(file.sha256))
                if size is None:
                    raise TableError(
                        f"line {number}: the input {file.name!r} (SHA-256 {file.sha256}) "
                        "was not uploaded"
                    )
                if size != file.bytes:
                    raise TableError(
                        f"line {number}: the input {file.name!r} has {size} bytes, "
                        f"not {file.bytes} as the table says"
                    )

    def _learn(self, hashes: set[bytes]) -> None:
        unknown = sorted(hashes - self.sizes.keys())
        for start in range(0, len(unknown), FILES_AT_ONCE):
            piece = unknown[start : start + FILES_AT_ONCE]
            with self.tools.store.reading() as db:
                self.sizes.update(
                    db.fetch_all(FILES_USABLE_SIZES, account_id=self.account_id, hashes=piece)
                )


def _table(tools: Tools, batch: BatchRow, skip: int) -> Iterator[UnitLine]:
    spec = read_spec(batch.spec)
    try:
        with tools.open_file(bytes.fromhex(spec.units)) as table:
            yield from read_units(table, skip)
    except MissingFile as error:
        raise TableError(f"the table itself ({spec.units}) was not uploaded") from error


def _pieces(units: Iterator[T], size: int) -> Iterator[list[T]]:
    while piece := list(islice(units, size)):
        yield piece


def _go_on(lease: Lease, stopping: Callable[[], bool], progress: str) -> None:
    if stopping():
        lease.give_back()
        raise Interrupted(progress)
    lease.keep(progress)


def _finish(tools: Tools, lease: Lease) -> None:
    answer = tools.store.execute(
        FinishJob(now=tools.clock(), job_id=lease.job.id, worker=lease.worker)
    )
    if answer.status == "lost":
        raise LeaseLost(f"job {lease.job.id} has gone to another worker")
