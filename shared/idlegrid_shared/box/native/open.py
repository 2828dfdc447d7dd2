"""From an order to a native program behind the wall that holds here."""

from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.sandbox.job import JobError

from .probe import native_offer
from .process import NativeProcess
from .wall import native_platform


def open_native(order: BoxOrder) -> NativeProcess:
    """A native program, not started yet; raises ``JobError`` where it cannot be run."""
    if order.platform != native_platform():
        raise JobError(
            f"program {order.program.name} is made for {order.platform}; "
            f"this machine is {native_platform()}"
        )
    offer = native_offer()
    if offer.wall is None:
        raise JobError(f"native programs cannot be run safely on this machine: {offer.reason}")
    return NativeProcess(order, offer.wall)
