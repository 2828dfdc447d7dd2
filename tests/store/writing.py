"""A writer process of the store, as the supervisor would start it."""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from idlegrid_server.store import WriterStore

START_S = 20.0


class WriterProcess:
    """`python -m idlegrid_server.store.writer` on a database of the test's own."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self.sockets = Path(tempfile.mkdtemp(prefix="idlegrid-w-"))  # socket paths must be short
        self.socket = self.sockets / "writer"
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "idlegrid_server.store.writer"),
                *(str(self.database), str(self.socket)),
            ],
            stderr=subprocess.PIPE,
        )
        end = time.monotonic() + START_S
        while not self.socket.exists():
            if process.poll() is not None or time.monotonic() > end:
                process.kill()
                _, errors = process.communicate()
                raise RuntimeError(f"the writer did not start: {errors.decode()}")
            time.sleep(0.01)
        return process

    def store(self) -> WriterStore:
        """A store that talks to this writer."""
        return WriterStore(self.socket, self.database)

    def kill(self) -> None:
        """SIGKILL: as a crash, nothing is finished."""
        self.process.kill()
        self.process.communicate()

    def restart(self) -> None:
        """Start anew after a crash."""
        self.socket.unlink(missing_ok=True)
        self.process = self._start()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=20)
        shutil.rmtree(self.sockets, ignore_errors=True)
        return self.process.returncode
