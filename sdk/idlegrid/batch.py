"""A batch on a project: how far it is, and its answer once there is one."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import quote

import msgspec

from idlegrid_shared.manifest import Manifest, ManifestError, make_manifest
from idlegrid_shared.validator import Validator

from .api import Api, ApiError
from .fault import BatchFailedError, IdlegridError
from .reply import ANSWERED, AnswerReply, BatchProgress, FailureGroup, Forecast, ValidationReply
from .transfer import download_file

POLL_FIRST_S = 0.5
POLL_MAX_S = 5.0


class Answer(msgspec.Struct, frozen=True):
    """One revision of a batch's answer: the files, and the server's notes on them as JSON."""

    revision: int
    manifest: Manifest
    detail: bytes


class Batch:
    """One batch. Holds no state of its own: everything is asked of the project."""

    def __init__(self, api: Api, public_id: str, name: str) -> None:
        self._api = api
        self.id = public_id
        self.name = name

    def __repr__(self) -> str:
        return f"<Batch {self.name} {self.id} at {self._api.url}>"

    @property
    def _path(self) -> str:
        return f"batches/{quote(self.id, safe='')}"

    def progress(self) -> BatchProgress:
        """State, counts by stage and failures, now."""
        return self._api.get(self._path, BatchProgress)

    def wait(
        self,
        timeout_s: float | None = None,
        on_progress: Callable[[BatchProgress], None] | None = None,
    ) -> BatchProgress:
        """Wait for the end and return how it ended.

        Raises :class:`BatchFailedError` if it ended without an answer, and :class:`IdlegridError`
        after ``timeout_s`` seconds; the batch goes on then.
        """
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        poll_s = POLL_FIRST_S
        while True:
            now = self.progress()
            if on_progress is not None:
                on_progress(now)
            if now.ended:
                break
            if until_s is not None and time.monotonic() > until_s:
                raise IdlegridError(
                    f"batch {self.name} is still {now.state} after {timeout_s:g} s; it goes on"
                )
            time.sleep(poll_s)
            poll_s = min(POLL_MAX_S, poll_s * 1.2)
        if now.state not in ANSWERED:
            raise failed(now)
        return now

    def answer(self, revision: int | None = None) -> Answer:
        """The newest answer, or that ``revision``; raises :class:`ApiError` if there is none."""
        params = None if revision is None else {"revision": revision}
        reply = self._api.get(f"{self._path}/answer", AnswerReply, params)
        try:
            # A server's names become paths on this disk: check them like a stranger's.
            manifest = make_manifest(reply.manifest)
        except ManifestError as error:
            raise ApiError(f"the answer of batch {self.name} names bad files: {error}") from error
        return Answer(reply.revision, manifest, bytes(reply.detail))

    def download(
        self,
        out: Path | str,
        revision: int | None = None,
        on_file: Callable[[str, int], None] | None = None,
    ) -> Answer:
        """Fetch the answer's files into ``out``, each checked by its hash; return the answer.

        ``on_file`` hears the name and how many of its bytes are here.
        """
        answer = self.answer(revision)
        folder = Path(out)
        for entry in answer.manifest:
            download_file(
                self._api,
                f"{self._path}/answer/files/{quote(entry.name)}?revision={answer.revision}",
                entry,
                folder / entry.name,
                partial(on_file, entry.name) if on_file is not None else None,
            )
        return answer

    def forecast(self) -> Forecast | None:
        """When it will be done: a range, or None while its pace is not known or it does not run."""
        return self.progress().forecast

    def failures(self) -> tuple[FailureGroup, ...]:
        """Failed units, grouped by their reason."""
        return self.progress().failures

    def cancel(self) -> None:
        """End the batch; what was answered stays readable."""
        self._steer("cancel")

    def pause(self) -> None:
        """Give out no more of it until :meth:`resume`."""
        self._steer("pause")

    def resume(self) -> None:
        """Let a paused batch go on."""
        self._steer("resume")

    def try_validator(
        self, rule: Validator | None, timeout_s: float | None = None
    ) -> ValidationReply:
        """What another validator (None: byte by byte) would change; nothing is changed by asking.

        Raises :class:`IdlegridError` if the validator fails, or after ``timeout_s`` seconds.
        """
        path = f"{self._path}/validations"
        made = self._api.post(path, {"rule": rule}, ValidationReply)
        return self._until(f"{path}/{made.id}", made, "looking", timeout_s)

    def apply_validator(self, validation: str, timeout_s: float | None = None) -> ValidationReply:
        """Decide all units again under a validator that was tried; wait until all were looked at.

        The batch then runs until its next answer. Raises :class:`IdlegridError`.
        """
        path = f"{self._path}/validations/{quote(validation, safe='')}"
        self._api.post(f"{path}/apply", {}, msgspec.Raw)
        return self._until(path, None, "applying", timeout_s)

    def _until(
        self, path: str, now: ValidationReply | None, waits: str, timeout_s: float | None
    ) -> ValidationReply:
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        poll_s = POLL_FIRST_S
        while now is None or now.state == waits:
            if until_s is not None and time.monotonic() > until_s:
                raise IdlegridError(f"the server is still {waits} after {timeout_s:g} s")
            time.sleep(poll_s)
            poll_s = min(POLL_MAX_S, poll_s * 1.2)
            now = self._api.get(path, ValidationReply)
        if now.state == "failed":
            raise IdlegridError(f"batch {self.name}: {now.reason}")
        return now

    def _steer(self, verb: str) -> None:
        self._api.post(f"{self._path}/{verb}", {}, msgspec.Raw)


def failed(progress: BatchProgress) -> BatchFailedError:
    """The error that says how a batch ended without an answer."""
    why = (progress.why or progress.reason).rstrip(".")
    reason = f": {why}" if why else ""
    detail = "\n".join(
        f"{group.count} × {group.reason}" + (f"\n{group.stderr}" if group.stderr else "")
        for group in progress.failures
    )
    return BatchFailedError(f"batch {progress.name} {progress.state}{reason}", detail=detail)
