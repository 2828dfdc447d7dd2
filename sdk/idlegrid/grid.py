"""The scientist's way in from Python: a project, and the batches on it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self
from urllib.parse import quote

from nacl.signing import SigningKey

from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.seeds import SEED_TEXT

from .api import Api
from .app import App
from .appfile import parse_on_failure, read_app
from .batch import Batch
from .credentials import resolve
from .fault import InputError
from .keys import key_path, open_key
from .reply import BatchList, BatchProgress, CreditState, HostList, Statistics, Story
from .submission import Wanted, submit
from .transfer import upload_file

PAGES_MAX = 10_000
ID_PREFIX = "batch_"


class Grid:
    """One project. Without arguments: that of the environment, or of the last ``idlegrid login``.

    >>> with Grid("https://project.example", token="igt_…") as grid:
    ...     batch = grid.submit("my-app", table="units.csv")
    ...     batch.wait()
    ...     batch.download("answer")
    """

    def __init__(
        self, url: str | None = None, token: str | None = None, *, patience_s: float | None = None
    ) -> None:
        """Sends nothing. ``patience_s``: how long to wait for a server that is away.

        Raises :class:`InputError` if no project or token is known.
        """
        self.url, secret = resolve(url, token)
        self.api = Api(self.url, secret, patience_s=patience_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.api.close()

    def submit(
        self,
        app: Path | str | App,
        table: Path | str | None = None,
        *,
        name: str = "",
        seed: str = SEED_TEXT,
        priority: int = 0,
        on_failure: str | None = None,
        public: bool = False,
        canary: bool = True,
        hosts: Sequence[str] = (),
        each_host: bool = False,
        passphrase: str | None = None,
        open_key_for: Callable[[App], SigningKey] | None = None,
        on_step: Callable[[str], None] | None = None,
    ) -> Batch:
        """Submit the app in a folder with its table, or another ``table``.

        The version is built, signed by your publisher key and published first if the project has
        it not. ``on_failure`` is ``stop``, ``skip``, ``skip 10`` (units) or ``skip 5%``. Without
        ``canary`` a large batch goes out all at once, not a few units before the others. ``hosts``
        are ``["own"]`` or ``["house"]`` (the project's, for admins) or ids of hosts, if it is not
        for anybody's; with ``each_host`` each of them gets each unit once. Raises
        :class:`InputError` before anything is sent, :class:`ServerError` afterwards.
        """
        described = app if isinstance(app, App) else read_app(Path(app))
        policy = None
        if on_failure is not None:
            policy = parse_on_failure(on_failure)
            if policy is None:
                raise InputError(
                    f'on_failure {on_failure!r} must be "stop", "skip", "skip 10" or "skip 5%"'
                )
        wanted = Wanted(
            name=name,
            table=None if table is None else Path(table),
            seed=seed,
            priority=priority,
            on_failure=policy,
            public=public,
            canary=canary,
            hosts=tuple(hosts),
            each_host=each_host,
        )
        key_for = open_key_for or (lambda _: open_key(key_path(), passphrase))
        made = submit(self.api, described, wanted, key_for, on_step)
        return Batch(self.api, made.id, name or described.name)

    def batches(self) -> Iterator[BatchProgress]:
        """Your batches, newest first."""
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            page = self.api.get("batches", BatchList, {"cursor": cursor} if cursor else None)
            yield from page.batches
            cursor = page.next
            if not cursor:
                return

    def batch(self, name: str) -> Batch:
        """The batch of that id, or the newest of that name; raises :class:`InputError`."""
        if name.startswith(ID_PREFIX):
            found = self.api.get(f"batches/{name}", BatchProgress)
            return Batch(self.api, found.id, found.name)
        for progress in self.batches():
            if progress.name == name:
                return Batch(self.api, progress.id, progress.name)
        raise InputError(
            f"you have no batch called {name!r} on {self.url}; see `idlegrid batch list`"
        )

    def put(self, path: Path | str, on_bytes: Callable[[int], None] | None = None) -> ManifestEntry:
        """Upload a file; return its name, hash and size."""
        return upload_file(self.api, Path(path), on_bytes=on_bytes)

    def project(self) -> dict[str, object]:
        """What the project says of itself."""
        return self.api.get("project", dict[str, object])

    def credit(self) -> CreditState:
        """What your account and its hosts have been credited."""
        return self.api.get("credit", CreditState)

    def statistics(self, of: str = "account", days: int = 30) -> Statistics:
        """Results, ops and credit by day and app: of your account, the project, or a host's id."""
        return self.api.get("statistics", Statistics, {"of": of, "days": str(days)})

    def explain(self, kind: str, name: str) -> Story:
        """The story of a unit, task, host, batch or account: ``name`` is its id.

        A unit may be named ``BATCH_ID:INDEX``. Raises :class:`ServerError` for what is not there or
        not yours.
        """
        return self.api.get(f"explain/{kind}/{quote(name, safe=':')}", Story)

    def hosts(self) -> Iterator[dict[str, object]]:
        """The project's hosts and how well they compute, oldest first; for its admins."""
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            page = self.api.get("hosts", HostList, {"cursor": cursor} if cursor else None)
            yield from page.hosts
            cursor = page.next
            if not cursor:
                return
