"""The folder of checkpoints that hosts left: one file for a task, replaced by newer ones.

They do not lie among the files that are named by their content: a stranger chooses their bytes and
the server deletes them soon, so a checkpoint must never be able to stand for, or take away, a file
that somebody needs.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from idlegrid_server.faults import reach

from .content import sync_folder, telling_full_disk

_NAME = re.compile(r"(\d{1,19})-([0-9a-f]{64})")


class CheckpointFolder:
    """Checkpoints in ``folder``, by task and SHA-256."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, task_id: int, sha256: bytes) -> Path:
        """Where a checkpoint's bytes lie, or would."""
        return self.folder / f"{task_id}-{sha256.hex()}"

    def adopt(self, synced: Path, task_id: int, sha256: bytes) -> None:
        """Take ``synced``, which lies on this disk, is synced and has that hash; durable then.

        Raises ``NoRoom``.
        """
        with telling_full_disk():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            synced.replace(self.path(task_id, sha256))
            reach("files.checkpoint.rename.after")
            sync_folder(self.folder)
            reach("files.checkpoint.folder_sync.after")

    def remove(self, task_id: int, sha256: bytes) -> None:
        """Delete one that no row names any more."""
        with contextlib.suppress(FileNotFoundError):
            self.path(task_id, sha256).unlink()

    def written_before(self, before_s: float) -> Iterator[tuple[int, bytes]]:
        """(task, SHA-256) of files older than ``before_s`` (s since the epoch).

        One that no row names was left by a crash between file and row.
        """
        with contextlib.suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                match = _NAME.fullmatch(entry.name)
                if match is not None and entry.stat().st_mtime < before_s:
                    yield int(match[1]), bytes.fromhex(match[2])
