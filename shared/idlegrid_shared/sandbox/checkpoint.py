"""Orders to write a checkpoint, and the host calls at which they are carried out.

The worker's main loop leaves an order here; the guest's thread finds it at its next host call,
which is a *safepoint*. What happens then depends on the app: ``auto`` programs are unwound (see
:mod:`.asyncify`) and written whole; of ``app`` programs the folder /checkpoint is written, once no
file in it is open for writing, so that a half-written state is never kept.
"""

import time
from collections.abc import Callable
from typing import Any

from .asyncify import NO_RETURN, Asyncify
from .fault import TAKEN_BACK, HostFault, Refused
from .snapshot import Fill, describe_run, files_snapshot, whole_snapshot, write_snapshot
from .world import World

Answer = Callable[[dict[str, Any]], None]


class StoppedAtCheckpoint(Refused):
    """The run ends here, as it was asked to: it can be continued from the checkpoint."""

    def __init__(self) -> None:
        super().__init__("killed", "the run was stopped at a checkpoint")


class Order:
    """One request: ``name`` is the file to write, ``stop`` whether the run ends with it."""

    def __init__(self, message: dict[str, Any]) -> None:
        """Read a parent's message; raises ``ValueError`` for a name that is no plain one."""
        self.number = int(message["id"])
        self.name = str(message["name"])
        self.stop = bool(message["stop"])
        self.given_s = time.monotonic()
        is_plain = not any(letter in self.name for letter in "/\\:\0")
        if not self.name or self.name.startswith(".") or not is_plain:
            raise ValueError(f"a checkpoint cannot be called {self.name!r}")


class Checkpointer:
    """Carries out orders for one run."""

    def __init__(
        self,
        job: dict[str, Any],
        identity: str,
        world: World,
        answer: Answer,
        figures: Callable[[], tuple[int, tuple[float, float]]],
    ) -> None:
        """``figures`` gives ops, and wall and processor seconds, so far; ``answer`` is sent."""
        self._job = job
        self._identity = identity
        self._world = world
        self._answer = answer
        self._figures = figures
        self._order: Order | None = None
        self._waited_s = 0.0
        #: Set once an ``auto`` program has been instantiated.
        self.asyncify: Asyncify | None = None

    # --- from the main loop

    def give(self, message: dict[str, Any]) -> None:
        """Leave an order; one that still waits is given up."""
        order = Order(message)
        if self._job["checkpoint"] == "none" or self._job["checkpoint_dir"] is None:
            self._answer({"id": order.number, "error": "this run keeps no checkpoints"})
            return
        waiting, self._order = self._order, order
        if waiting is not None:
            self._answer({"id": waiting.number, "error": "another order came"})

    def cancel(self, number: int) -> None:
        """Take an order back, unless it is being carried out."""
        waiting = self._order
        if waiting is not None and waiting.number == number:
            self._order = None
            self._answer({"id": number, "error": TAKEN_BACK})

    # --- from host calls

    def at_call(self, name: str, arguments: tuple[Any, ...]) -> bool:
        """Look at the orders; True if the host call must return at once, without an effect.

        Raises :class:`StoppedAtCheckpoint`, and ``Refused("bad_checkpoint")`` when the way back
        from a checkpoint leads to another place.
        """
        asyncify = self.asyncify
        if asyncify is not None and asyncify.state != "running":
            asyncify.arrive(name, arguments)
            return False
        order = self._order
        if order is None or name in NO_RETURN:
            return False
        if asyncify is not None:
            self._waited_s = time.monotonic() - order.given_s
            asyncify.start_unwind(name, arguments)
            return True
        if self._job["checkpoint"] == "app" and not self._is_writing():
            self._waited_s = time.monotonic() - order.given_s
            self._write_files(order)
        return False

    def _is_writing(self) -> bool:
        folder = self._world.files.checkpoint
        return any(
            found.writable and found.node is not None and folder and found.node.within(folder)
            for found in self._world.descriptors.table.values()
        )

    def _write_files(self, order: Order) -> None:
        folder = self._world.files.checkpoint
        if folder is None:
            return
        self._carry_out(order, "files", lambda head: files_snapshot(head, folder))

    # --- after an unwinding

    def write_whole(self) -> None:
        """Write the unwound program; raises :class:`StoppedAtCheckpoint` if it shall not go on."""
        asyncify, order = self.asyncify, self._order
        if asyncify is None:
            return
        asyncify.stop_unwind()
        world = self._world
        if order is not None:
            self._carry_out(order, "whole", lambda head: whole_snapshot(head, world, asyncify))

    def _carry_out(self, order: Order, kind: str, make: Callable[[dict[str, Any]], Fill]) -> None:
        began_s = time.monotonic()
        ops, times = self._figures()
        if self._order is order:
            self._order = None
        try:
            fill = make(describe_run(kind, self._identity, self._job, ops, times))
            size, digest = write_snapshot(self._job["checkpoint_dir"], order.name, fill)
        except HostFault as error:
            # The program has lost nothing: it goes on, and a later order may fare better.
            self._answer({"id": order.number, "error": error.message})
            return
        self._answer(
            {
                "id": order.number,
                "name": order.name,
                "bytes": size,
                "sha256": digest,
                "ops": ops,
                "fraction": self._world.progress,
                "waited_s": self._waited_s,
                "took_s": time.monotonic() - began_s,
            }
        )
        if order.stop:
            raise StoppedAtCheckpoint
