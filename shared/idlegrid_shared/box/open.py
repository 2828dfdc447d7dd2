"""From an order to the box that fits its runtime."""

from collections.abc import Callable

from idlegrid_shared.documents import Runtime
from idlegrid_shared.sandbox.job import JobError

from .box import Box
from .container.open import open_container
from .native.open import open_native
from .order import BoxOrder
from .python import open_python
from .wasm import open_wasm

_OPENERS: dict[Runtime, Callable[[BoxOrder], Box]] = {
    "wasm": open_wasm,
    "python": open_python,
    "native": open_native,
    "container": open_container,
}


def open_box(order: BoxOrder) -> Box:
    """The box for ``order``, not started yet; raises :class:`JobError` if there is none for it."""
    opener = _OPENERS.get(order.runtime)
    if opener is None:
        known = ", ".join(_OPENERS)
        raise JobError(
            f"program {order.program.name}: no box here runs {order.runtime} programs, only {known}"
        )
    return opener(order)
