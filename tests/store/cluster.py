"""A PostgreSQL of our own for the tests: Debian's programs, a fresh cluster, no TCP."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from idlegrid_server.store import migrate

BIN = Path("/usr/lib/postgresql/15/bin")
START_S = 30.0
SUPERUSER = "postgres"
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # these tests kill no power; SQLite's do
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "autovacuum": "off",
    "deadlock_timeout": "50ms",
}


class Cluster:
    """Runs until :meth:`stop`. Databases are copies of one that was migrated once."""

    def __init__(self) -> None:
        if not (BIN / "postgres").exists():
            raise RuntimeError(
                f"PostgreSQL 15 is not installed ({BIN} is missing): install postgresql-15"
            )
        self.folder = Path(tempfile.mkdtemp(prefix="idlegrid-pg-"))
        self.made = 0
        self.user = SUPERUSER if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            shutil.chown(self.folder, SUPERUSER, SUPERUSER)
        data = str(self.folder / "data")
        self._run("initdb", "-D", data, "-U", SUPERUSER, "-A", "trust", "-N", "-E", "UTF8")
        options = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(*self._as_user(), str(BIN / "postgres"), "-D", data),
                    *("-k", str(self.folder), *options),
                ],
                stdout=log,
                stderr=log,
                cwd="/",
            )
        self._wait()
        self._do("CREATE DATABASE template_idlegrid")
        migrate(self.url("template_idlegrid"))

    def _as_user(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        return ["setpriv", f"--reuid={SUPERUSER}", f"--regid={SUPERUSER}", "--clear-groups"]

    def _run(self, program: str, *args: str) -> None:
        subprocess.run(
            [*self._as_user(), str(BIN / program), *args], check=True, capture_output=True, cwd="/"
        )

    def url(self, database: str) -> str:
        """The address of a database of this cluster."""
        return f"postgresql://{SUPERUSER}@/{database}?host={self.folder}"

    def _wait(self) -> None:
        end = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > end or self.process.poll() is not None:
                    log = (self.folder / "log").read_text(errors="replace")
                    raise RuntimeError(f"PostgreSQL did not start: {log}") from error
                time.sleep(0.05)

    def _do(self, text: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as db:
            db.execute(text)

    def new_database(self) -> str:
        """The address of a fresh, migrated database."""
        self.made += 1
        name = f"test_{os.getpid()}_{self.made}"
        self._do(f"CREATE DATABASE {name} TEMPLATE template_idlegrid STRATEGY file_copy")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected."""
        self._do(f"DROP DATABASE {url.partition('@/')[2].partition('?')[0]} WITH (FORCE)")

    def empty_database(self) -> str:
        """The address of a database without a schema."""
        self.made += 1
        name = f"empty_{os.getpid()}_{self.made}"
        self._do(f"CREATE DATABASE {name}")
        return self.url(name)

    def stop(self) -> None:
        """End the server and remove its files."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
