"""From an app and a table to a batch on a project; all is checked before anything is sent."""

import secrets
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from nacl.signing import SigningKey

from idlegrid_shared.documents import TaskInput
from idlegrid_shared.seeds import SEED_TEXT

from .api import Api, ApiError
from .app import App, OnFailure
from .build import build_app
from .fault import InputError
from .release import make_releases, publish_release, release_body_hash, sign_release
from .reply import AppReply, Created
from .safepoint import check_safepoints
from .table import UnitTable, write_units
from .transfer import hash_file, upload_file

NAME_CHARACTERS_MAX = 100
PRIORITY_MAX = 1_000
WHOLE_FLEETS = ("own", "house")


class Wanted(msgspec.Struct, frozen=True):
    """What a scientist may say about one batch beyond what the app says."""

    name: str = ""
    table: Path | None = None
    seed: str = SEED_TEXT
    priority: int = 0
    on_failure: OnFailure | None = None
    public: bool = False
    canary: bool = True
    #: Whose hosts it is for: "own", "house", or ids of hosts; empty: anybody's.
    hosts: tuple[str, ...] = ()
    #: Each of those hosts gets each unit once.
    each_host: bool = False

    def check(self) -> None:
        """Raise :class:`InputError` for values out of bounds."""
        if len(self.name) > NAME_CHARACTERS_MAX or not (self.name or "x").isprintable():
            raise InputError(
                f"a batch's name has at most {NAME_CHARACTERS_MAX} printable characters"
            )
        if not -PRIORITY_MAX <= self.priority <= PRIORITY_MAX:
            raise InputError(f"priority {self.priority} must be within ±{PRIORITY_MAX}")
        if self.each_host and not self.hosts:
            raise InputError("each host of which? name hosts: own, house, or their ids")
        if len(self.hosts) > 1 and set(self.hosts) & set(WHOLE_FLEETS):
            raise InputError('hosts are "own", or "house", or ids of hosts: not several of these')

    def assignment(self) -> dict[str, Any] | None:
        """Whose hosts it is for, as the server reads it."""
        if not self.hosts:
            return None
        whole = self.hosts[0] in WHOLE_FLEETS
        found: dict[str, Any] = {"to": self.hosts[0]} if whole else {"to": "hosts"}
        if not whole:
            found["hosts"] = self.hosts
        if self.each_host:
            found["each"] = True
        return found


def submit(
    api: Api,
    app: App,
    wanted: Wanted,
    open_key: Callable[[App], SigningKey],
    on_step: Callable[[str], None] | None = None,
) -> Created:
    """Publish ``app`` if needed, upload what the batch reads, and submit it.

    ``open_key`` is called only if the version is not published yet. Raises :class:`InputError`
    before anything is sent if app or table are wrong, :class:`ApiError` if the server refuses.
    """
    say = on_step or (lambda text: None)
    wanted.check()
    table = UnitTable(app, wanted.table)
    with tempfile.TemporaryDirectory(prefix="idlegrid-") as place:
        units_path = Path(place) / "units.jsonl"
        say("reading the table")
        count = write_units(table, units_path)
        ensure_published(api, app, open_key, say, table=wanted.table)
        shared = _upload_inputs(api, app, table, say)
        say(f"uploading the table of {count} units")
        units = upload_file(api, units_path)
        spec = make_spec(app, wanted, units.sha256, shared)
        say("submitting")
        return api.post("batches", spec, Created, key=secrets.token_hex(16))


def ensure_published(
    api: Api,
    app: App,
    open_key: Callable[[App], SigningKey],
    say: Callable[[str], None],
    *,
    table: Path | None = None,
) -> bool:
    """Publish the version if the project has it not; return whether that was needed.

    ``table`` holds units to try it with instead of the app's own. Raises :class:`InputError` if
    the project has that version with other content, and if the app's checkpoints cannot work.
    """
    built = build_app(app, say)
    releases = {release.platform: release for release in make_releases(app, built)}
    try:
        known = api.get(f"apps/{app.name}", AppReply).versions
    except ApiError as error:
        if error.status != 404:
            raise
        known = ()
    for version in known:
        release = releases.get(version.platform)
        if version.version == app.version and release is not None:
            if version.release_hash not in ("", release_body_hash(release)):
                raise InputError(
                    f"{app.name} {app.version} is published already with other content: "
                    "published versions never change, so raise the version in app.toml"
                )
            del releases[version.platform]
    if not releases:
        return False
    check_safepoints(app, built, table=table, say=say)
    key = open_key(app)
    for release in releases.values():
        publish_release(api, sign_release(release, key), built, say)
    return True


def _upload_inputs(
    api: Api, app: App, table: UnitTable, say: Callable[[str], None]
) -> dict[str, list[TaskInput]]:
    shared: dict[str, list[TaskInput]] = {}
    steps: dict[str, Mapping[str, Path]] = {"map": app.split.inputs}
    if app.combine is not None:
        steps["combine"] = app.combine.inputs
    for kind, inputs in steps.items():
        shared[kind] = []
        for name, path in sorted(inputs.items()):
            say(f"uploading {name}")
            entry = upload_file(api, path)
            shared[kind].append(TaskInput(name, entry.sha256, entry.bytes))
    for number, path in enumerate(table.files.by_hash.values(), start=1):
        say(f"uploading file {number} of {len(table.files.by_hash)}")
        upload_file(api, path, hash_file(path))
    return shared


def make_spec(
    app: App, wanted: Wanted, units: str, shared: Mapping[str, list[TaskInput]]
) -> dict[str, Any]:
    """The batch as it is submitted; ``units`` is the SHA-256 of the uploaded table."""
    stages: list[dict[str, Any]] = [
        {"kind": "map", "program": app.split.program, "inputs": shared["map"]}
    ]
    if app.combine is not None:
        stages.append(
            {
                "kind": "combine",
                "program": app.combine.program,
                "args": app.combine.args,
                "inputs": shared["combine"],
                "placement": app.combine.placement,
            }
        )
    spec: dict[str, Any] = {
        "name": wanted.name or app.name,
        "app": app.name,
        "version": app.version,
        "units": units,
        "stages": stages,
        "on_failure": wanted.on_failure or app.split.on_failure,
        "priority": wanted.priority,
        "seed": wanted.seed,
    }
    if app.plot is not None:
        spec["plot"] = app.plot
    if wanted.public:
        spec["public"] = True
    if not wanted.canary:
        spec["canary"] = False
    if (assign := wanted.assignment()) is not None:
        spec["assign"] = assign
    return spec
