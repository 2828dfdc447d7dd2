"""What lies where in a project's folder. Paths only; nothing here reads or writes.

::

    DIR/idlegrid.toml        settings
    DIR/secrets/             0700: online.key, ids.key, token.key (each 0600), admin.token (lab)
    DIR/root/                0700: root.key (sealed), root.pub, passphrase (lab), delegations.json
    DIR/project.db           the embedded database (and its -wal, -shm)
    DIR/files/               the content-addressed store
    DIR/uploads/             half-sent files
    DIR/checkpoints/         what hosts left of unfinished tasks: TASK-SHA256
    DIR/logs/                one log for each process
    DIR/run/                 lock, serve.json: only of use while the server runs
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The paths of the project in ``folder``."""

    folder: Path

    @property
    def settings(self) -> Path:
        return self.folder / "idlegrid.toml"

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def online_key(self) -> Path:
        """Signs tasks, receipts, timestamps."""
        return self.secrets / "online.key"

    @property
    def ids_key(self) -> Path:
        """32 bytes: the permutation of public ids."""
        return self.secrets / "ids.key"

    @property
    def token_key(self) -> Path:
        """32 bytes: makes the short-lived tokens of file addresses."""
        return self.secrets / "token.key"

    @property
    def admin_token(self) -> Path:
        """An admin's API token for scripts; only in a lab."""
        return self.secrets / "admin.token"

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def root_key(self) -> Path:
        """The root's private half, sealed; absent where the admin keeps it offline."""
        return self.root / "root.key"

    @property
    def root_passphrase(self) -> Path:
        """The passphrase of the root key beside it; only in a lab."""
        return self.root / "passphrase"

    @property
    def root_public(self) -> Path:
        return self.root / "root.pub"

    @property
    def delegations(self) -> Path:
        """The newest signed delegations; a copy of the database's setting."""
        return self.root / "delegations.json"

    @property
    def database(self) -> Path:
        return self.folder / "project.db"

    @property
    def files(self) -> Path:
        return self.folder / "files"

    @property
    def uploads(self) -> Path:
        return self.folder / "uploads"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def lock(self) -> Path:
        """Locked by the one server of the project, or by the one command that writes without."""
        return self.run / "lock"

    @property
    def serve(self) -> Path:
        """What runs: the address, pids by role, the folder of the sockets."""
        return self.run / "serve.json"
