"""Kills (SIGKILL) parts of the running demo, one after the other, several times each."""

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

from .process import Program

SERVER_ROLES = ("writer", "web", "wake", "compute", "valkey")


class Chaos(threading.Thread):
    """Every few seconds a random victim dies; clients are started again after a moment.

    The server's processes are restarted by its own supervisor: that is what is being shown.
    """

    def __init__(
        self, serve_json: Path, clients: list[Program], seed: int, pause_s: tuple[float, float]
    ) -> None:
        super().__init__(name="chaos", daemon=True)
        self.serve_json = serve_json
        self.clients = clients
        self.random = random.Random(seed)
        self.pause_s = pause_s
        self.kills: Counter[str] = Counter()
        self.ended = threading.Event()

    def run(self) -> None:
        """Kill until told to stop; each round takes every role once, in random order."""
        while not self.ended.is_set():
            victims: list[str] = [*SERVER_ROLES, *(client.name for client in self.clients)]
            self.random.shuffle(victims)
            for victim in victims:
                if self.ended.wait(self.random.uniform(*self.pause_s)):
                    return
                self.strike(victim)

    def strike(self, victim: str) -> None:
        """Kill one server process by its role, or one client, which starts again."""
        for client in self.clients:
            if client.name == victim:
                client.kill()
                self.kills[victim] += 1
                if not self.ended.wait(0.5):
                    client.start()
                return
        pid = self.role_pid(victim)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.kills[victim] += 1

    def role_pid(self, role: str) -> int:
        """The pid that the server wrote down for a role; 0 while it is being restarted."""
        try:
            state = json.loads(self.serve_json.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0
        return int(state.get("processes", {}).get(role, 0))

    def stop(self) -> None:
        """End the killing, and see to it that every client runs."""
        self.ended.set()
        self.join()
        time.sleep(0.1)
        for client in self.clients:
            if not client.alive():
                client.start()
