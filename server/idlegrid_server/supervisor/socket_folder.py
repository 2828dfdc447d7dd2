"""A short, private folder for Unix sockets, whose paths may have no more than about 100 bytes."""

import os
import shutil
import stat
import tempfile
from pathlib import Path

PREFIX = "idlegrid-"
PATH_BYTES_MAX = 80  # of the folder; leaves room for the names of sockets below macOS's 104


def make_socket_folder() -> Path:
    """A new folder of mode 0700 under a random name, so that nobody can lie in wait there.

    In the user's runtime folder if there is one, else in the system's temporary one.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    for base in (runtime, tempfile.gettempdir(), "/tmp"):  # noqa: S108 - random name below it
        room = len(os.fsencode(base)) + len(PREFIX) + 9 <= PATH_BYTES_MAX
        if base and room and Path(base).is_dir() and os.access(base, os.W_OK):
            return Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    raise OSError("found no folder with a path short enough for Unix sockets; set TMPDIR=/tmp")


def remove_socket_folder(folder: Path) -> None:
    """Remove a folder made here, now or by a server that died; leaves anything else alone."""
    try:
        status = folder.lstat()
    except OSError:
        return
    ours = folder.name.startswith(PREFIX) and status.st_uid == os.getuid()
    if ours and stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o700:
        shutil.rmtree(folder, ignore_errors=True)
