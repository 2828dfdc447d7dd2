"""From an order to a container of the engine that holds here."""

from idlegrid_shared.box.native.wall import native_platform
from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.sandbox.job import JobError

from .process import ContainerProcess
from .trial import container_offer


def open_container(order: BoxOrder) -> ContainerProcess:
    """A container, not started yet; raises ``JobError`` where none can be run."""
    if order.platform != native_platform():
        raise JobError(
            f"program {order.program.name} is made for {order.platform}; "
            f"this machine is {native_platform()}"
        )
    offer = container_offer()
    if offer.engine is None:
        raise JobError(f"containers cannot be run safely on this machine: {offer.reason}")
    return ContainerProcess(order, offer.engine)
