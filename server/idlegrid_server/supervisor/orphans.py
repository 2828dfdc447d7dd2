"""What a server that was killed may have left: processes (where the system ties none), sockets."""

import logging
from pathlib import Path

from idlegrid_server.birth import lives
from idlegrid_server.layout import Layout
from idlegrid_server.running import Running, read_running

from .child import kill_group
from .socket_folder import remove_socket_folder

log = logging.getLogger(__name__)


def end_orphans(layout: Layout) -> None:
    """Kill processes and remove sockets of an earlier server. The caller holds the lock."""
    left = read_running(layout)
    if left is None:
        return
    for role, pid in left.processes.items():
        if _is_the_same(left, role, pid):
            log.warning("Ended a process that an earlier server left.", extra={"role": role})
            kill_group(pid)
    remove_socket_folder(Path(left.sockets))
    layout.serve.unlink(missing_ok=True)


def _is_the_same(left: Running, role: str, pid: int) -> bool:
    return lives(pid, left.births.get(role, 0.0))
