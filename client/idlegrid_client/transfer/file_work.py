"""Carries out the core's downloads and uploads in the pool, and answers with events."""

from collections.abc import Callable
from typing import Protocol

from nacl.signing import SigningKey

from idlegrid_client.core.event import (
    CheckpointNotSent,
    CheckpointSent,
    DownloadFailed,
    DownloadFinished,
    Event,
    UploadFailed,
    UploadFinished,
)
from idlegrid_client.core.instruction import Download, SendCheckpoint, Upload
from idlegrid_client.layout import ProjectFolder

from .download import WrongFileError, download, tidy_cache
from .http import BadAnswerError, Server, ServerProblem, UnreachableError
from .pool import TransferPool
from .upload import upload

#: Answers that say: this address is not good any more. A new one comes with a new offer.
GONE_STATUSES = frozenset({401, 403, 404, 410})
#: Answers that say: no checkpoint of this task, ever.
REFUSED_STATUSES = frozenset({400, 403, 404, 409, 413})


class Place(Protocol):
    """What a transfer must know of its project."""

    folder: ProjectFolder
    fingerprint: str
    url: str
    key: SigningKey


class FileWork:
    """Hands transfers to the pool; each ends in exactly one event."""

    def __init__(
        self,
        pool: TransferPool,
        post: Callable[[Event], None],
        cache_bytes_max: int,
        needed: Callable[[str], set[str]],
    ) -> None:
        self._pool = pool
        self._post = post
        self._cache_bytes_max = cache_bytes_max
        self._needed = needed

    def download(self, place: Place, order: Download) -> None:
        """Fetch a file into the cache of its project."""

        def work(server: Server) -> None:
            self._post(self._download(server, place, order))

        self._pool.submit(place.url, place.key, work)

    def upload(self, place: Place, order: Upload) -> None:
        """Send an output of a task."""

        def work(server: Server) -> None:
            self._post(self._upload(server, place, order))

        self._pool.submit(place.url, place.key, work)

    def send_checkpoint(self, place: Place, order: SendCheckpoint) -> None:
        """Send the checkpoint in a task's folder; a newer one may take its place meanwhile."""

        def work(server: Server) -> None:
            self._post(self._send_checkpoint(server, place, order))

        self._pool.submit(place.url, place.key, work)

    def _send_checkpoint(self, server: Server, place: Place, order: SendCheckpoint) -> Event:
        project, task, here = order.project, order.task, order.checkpoint
        path = place.folder.task(task).checkpoint
        try:
            upload(server, path, here.sha256, here.bytes, task, here.ops)
        except ServerProblem as problem:
            text = f"a checkpoint was not sent: {problem}"
            refused = problem.status in REFUSED_STATUSES
            return CheckpointNotSent(
                project, task, here.sha256, text, refused, problem.retry_after_s
            )
        except (UnreachableError, BadAnswerError, OSError) as error:
            text = f"a checkpoint was not sent: {error}"
            return CheckpointNotSent(project, task, here.sha256, text)
        return CheckpointSent(project, task, here.sha256)

    def _download(self, server: Server, place: Place, order: Download) -> Event:
        project, sha256 = order.project, order.sha256
        try:
            download(server, place.folder, sha256, order.bytes, order.url)
            keep = {sha256, *self._needed(place.fingerprint)}
            tidy_cache(place.folder, keep, self._cache_bytes_max)
        except ServerProblem as problem:
            gone = problem.status in GONE_STATUSES
            return DownloadFailed(project, sha256, f"a download failed: {problem}", gone)
        except (UnreachableError, BadAnswerError, WrongFileError, OSError) as error:
            return DownloadFailed(project, sha256, f"a download failed: {error}")
        return DownloadFinished(project, sha256)

    def _upload(self, server: Server, place: Place, order: Upload) -> Event:
        project, task, sha256 = order.project, order.task, order.sha256
        path = place.folder.task(task).out / order.name
        try:
            upload(server, path, sha256, order.bytes, task)
        except ServerProblem as problem:
            text = f"an upload failed: {problem}"
            return UploadFailed(project, task, sha256, text, problem.retry_after_s)
        except (UnreachableError, BadAnswerError, OSError) as error:
            return UploadFailed(project, task, sha256, f"an upload failed: {error}")
        return UploadFinished(project, task, sha256)
