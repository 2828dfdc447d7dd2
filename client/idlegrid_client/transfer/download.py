"""Fetching a file into a project's cache: resumable, and verified before it counts."""

import contextlib
import os
from pathlib import Path

from idlegrid_client.durable import hash_file, sync_file
from idlegrid_client.faults import reach
from idlegrid_client.layout import ProjectFolder
from idlegrid_shared.keyfile import sync_folder
from idlegrid_shared.wire import FILE_PREFIX, FILE_TOLD_BYTES, FILES_TOLD_MAX

from .http import Server, ServerProblem, UnreachableError


class WrongFileError(ValueError):
    """The bytes that came are not the ones that the signed hash names."""


def in_cache(folder: ProjectFolder, sha256: str, size: int) -> bool:
    """Whether the cache holds the file with the right bytes. A rotten one is removed."""
    path = folder.cache / sha256
    try:
        if hash_file(path) == (sha256, size):
            os.utime(path)  # used just now: the last to be cleared away
            return True
    except FileNotFoundError:
        return False
    path.unlink(missing_ok=True)
    return False


def download(server: Server, folder: ProjectFolder, sha256: str, size: int, url: str) -> None:
    """Fetch one file; what a former attempt brought is kept and continued.

    Raises :class:`WrongFileError`, ``UnreachableError``, ``ServerProblem``, ``OSError``. The part
    that came so far stays for the next attempt, but wrong bytes are thrown away.
    """
    if in_cache(folder, sha256, size):
        return
    part = folder.parts / sha256
    _fetch(server, part, size, url)
    if hash_file(part) != (sha256, size):
        part.unlink()
        raise WrongFileError(
            f"file {sha256[:16]}… came with other bytes than its signed name says; thrown away"
        )
    _publish(part, folder.cache / sha256)


def _fetch(server: Server, part: Path, size: int, url: str) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have > size:
        part.unlink()
        have = 0
    if have == size and size > 0:
        return
    try:
        with (
            server.stream(url, have) as (start, pieces),
            part.open("r+b" if have else "wb") as file,
        ):
            if start not in (0, have):
                raise UnreachableError(f"{server.url} sent another range than was asked for")
            file.seek(start)
            file.truncate()
            for piece in pieces:
                if file.tell() + len(piece) > size:
                    raise WrongFileError(
                        f"{server.url} sends more than the {size} bytes signed for"
                    )
                file.write(piece)
    except WrongFileError:
        part.unlink(missing_ok=True)
        raise
    except ServerProblem as problem:
        if problem.status == 416:
            part.unlink(missing_ok=True)
        raise
    if part.stat().st_size < size:
        raise UnreachableError(f"{server.url} broke off before the end of file {part.name[:16]}…")


def _publish(part: Path, path: Path) -> None:
    reach("blob.before")
    sync_file(part)
    reach("blob.written")
    part.replace(path)
    reach("blob.renamed")
    sync_folder(path.parent)
    reach("blob.after")


def large_files(folder: ProjectFolder) -> tuple[str, ...]:
    """The starts of the hashes of large files in the cache, those used last first."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(folder.cache):
            facts = entry.stat()
            if facts.st_size >= FILE_TOLD_BYTES:
                found.append((-facts.st_mtime, entry.name[:FILE_PREFIX]))
    return tuple(name for _, name in sorted(found)[:FILES_TOLD_MAX])


def tidy_cache(folder: ProjectFolder, keep: set[str], bytes_max: int) -> int:
    """Remove the files unused longest until the cache fits; returns the bytes freed.

    Files in ``keep`` stay whatever they weigh: tasks here need them.
    """
    found = []
    for path in folder.cache.iterdir():
        facts = path.stat()
        found.append((facts.st_mtime, facts.st_size, path))
    total = sum(size for _, size, _ in found)
    freed = 0
    for _, size, path in sorted(found, key=lambda f: f[0]):
        if total - freed <= bytes_max:
            break
        if path.name not in keep:
            path.unlink(missing_ok=True)
            freed += size
    return freed
