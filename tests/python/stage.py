"""A stage for Python apps: its scientist has the interpreters, its project is given one."""

import json
from collections.abc import Mapping
from pathlib import Path

from examples.demo.process import wait_for
from examples.demo.stage import Stage
from idlegrid_shared.runtime.bundle import write_bundle
from idlegrid_shared.runtime.catalogue import known_runtimes

from .cache import CACHE


class PythonStage(Stage):
    """A stage whose scientist has the runtimes in the cache already."""

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return super().environment({"IDLEGRID_CACHE": str(CACHE), **(more or {})})

    def allow_publisher(self, app: str) -> None:
        """The scientist logs in, makes keys, and may publish ``app``."""
        self.scientist("login", self.url, "--token", self.token)
        self.scientist("keys", "init", "--no-passphrase")
        public = self.scientist("keys", "show", "--public").strip()
        self.server_command("publisher", "allow", str(self.project), public, "--app", app)

    def status(self, client: str) -> dict[str, object]:
        """What the volunteer ``client`` would read."""
        data = str(self.folder / client)
        said = self.command("idlegrid_client", "status", "--json", "--data", data, log="status")
        found: dict[str, object] = json.loads(said)
        return found

    def complete(self, client: str, timeout_s: float) -> set[str]:
        """Wait until the newest batch is complete; what ``client`` said meanwhile of what it does.

        Raises ``StepError`` when time is up, ``AssertionError`` when the batch fails.
        """
        whys: set[str] = set()

        def is_complete() -> bool:
            whys.add(str(self.status(client)["why"]))
            batch = self.rest("batches?limit=1")["batches"][0]  # type: ignore[index]
            assert batch["state"] not in ("failed", "complete_with_failures"), batch
            return bool(batch["state"] == "complete")

        wait_for("the batch's end", is_complete, timeout_s, self.clients)
        return whys


def bundle_runtime(name: str, folder: Path) -> Path:
    """The runtime ``name``, which is in the cache, as one file for a project's admin."""
    known = known_runtimes()[name]
    files = {sha256: CACHE / "runtimes" / sha256 for sha256 in known.release.needs()}
    path = folder / f"{name}.runtime"
    write_bundle(path, known.signed, files, {})
    return path
