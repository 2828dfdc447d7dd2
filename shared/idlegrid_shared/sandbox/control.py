"""The control files below /dev/idlegrid: host calls for programs that can only write to files.

CPython cannot call an import that its build does not know, but it can write. ``progress`` takes
the fraction done as text, such as ``0.25``; each write is one message. ``safepoint`` takes
anything: the write is a host call, at which a checkpoint can be taken. Neither keeps what is
written.
"""

from .node import Node
from .world import World

MESSAGE_BYTES_MAX = 64


def take_message(world: World, node: Node, data: bytes) -> None:
    """One write to a control file; what is no number is no news, as with ``idlegrid.progress``."""
    if node.name == "progress" and len(data) <= MESSAGE_BYTES_MAX:
        try:
            fraction = float(data.decode("ascii"))
        except ValueError:
            return
        world.tell_progress(fraction)
