"""How a launcher is started, and the file descriptors that it and its parent agree on."""

import sys

STATUS_FD = 3
FILTER_FD = 4
#: The argument that makes a frozen program become a launcher; its entry calls ``launcher.main``.
FROZEN_ARGUMENT = "--native-launcher"


def launcher_command() -> list[str]:
    """The command of a launcher; a frozen program runs itself again."""
    if getattr(sys, "frozen", False):
        return [sys.executable, FROZEN_ARGUMENT]
    return [sys.executable, "-E", "-P", "-m", "idlegrid_shared.box.native.launcher"]
