"""The images of this machine's container tasks: in a folder of ours, the longest unused let go."""

import contextlib
import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from .engine import Engine

IMAGES_MAX = 4
_LOCK = threading.Lock()
_IN_USE: dict[str, int] = {}


class ImageStore:
    """Images by their ids; every use of one is noted by the time of a file."""

    def __init__(self, cache_dir: str | None, engine: Engine) -> None:
        """``cache_dir`` None: a folder in the system's place for temporary things."""
        place = (
            Path(cache_dir) if cache_dir else Path(tempfile.gettempdir(), f"idlegrid-{os.getuid()}")
        )
        self.folder = place.absolute() / "containers"
        self.engine = engine.at(self.folder)
        self._used = self.folder / "used"

    @contextlib.contextmanager
    def using(self, archive: Path, sha256: str, image: str) -> Iterator[None]:
        """Have the image of ``archive`` in the store; it stays there while this holds.

        Raises ``OSError``, and ``ValueError`` if the archive is not the file of that hash.
        """
        with _LOCK:
            self._used.mkdir(mode=0o700, parents=True, exist_ok=True)
            mark = self._used / image.removeprefix("sha256:")
            if not mark.exists() or not self.engine.has_image(image):
                with archive.open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                        raise ValueError(f"the archive is not the file {sha256[:16]}…")
                self.engine.load(archive, image)
            mark.touch()
            _IN_USE[image] = _IN_USE.get(image, 0) + 1
            self._let_go()
        try:
            yield
        finally:
            with _LOCK:
                _IN_USE[image] -= 1

    def _let_go(self) -> None:
        marks = sorted(self._used.iterdir(), key=lambda mark: mark.stat().st_mtime, reverse=True)
        for mark in marks[IMAGES_MAX:]:
            image = f"sha256:{mark.name}"
            if not _IN_USE.get(image):
                self.engine.remove_image(image)
                mark.unlink(missing_ok=True)
