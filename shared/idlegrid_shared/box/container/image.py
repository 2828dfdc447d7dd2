"""Archives of container images: read just enough to know what they hold, written from a folder.

Form: that of ``docker save``, which podman and docker both load (Docker image specification v1.2):
``manifest.json`` names the configuration and the layers; an image's id is the SHA-256 of its
configuration, which names the SHA-256 of every layer.
"""

import hashlib
import io
import json
import stat
import tarfile
from pathlib import Path
from typing import Any

ARCHITECTURES = {"linux-x86_64": "amd64", "linux-aarch64": "arm64"}
JSON_BYTES_MAX = 4 * 1024**2
FILES_MAX = 100_000


class ImageError(ValueError):
    """An archive or folder that is no image; the message says why."""


def image_id(archive: Path) -> str:
    """``sha256:…`` of the one image in an archive; raises :class:`ImageError`."""
    return f"sha256:{hashlib.sha256(_configuration(archive)).hexdigest()}"


def image_platform(archive: Path) -> str:
    """The platform that the image is for, as releases name it; raises :class:`ImageError`."""
    configuration = _configuration(archive)
    try:
        told: dict[str, Any] = json.loads(configuration)
        found = str(told.get("architecture", ""))
    except (ValueError, AttributeError) as error:
        raise ImageError("the image's configuration is no JSON") from error
    for platform, name in ARCHITECTURES.items():
        if name == found and told.get("os") == "linux":
            return platform
    raise ImageError(f"the image is for {told.get('os')} on {found or 'an unnamed processor'}")


def _configuration(archive: Path) -> bytes:
    try:
        with tarfile.open(archive, "r:") as tar:
            manifest = json.loads(_member(tar, "manifest.json"))
            if not isinstance(manifest, list) or len(manifest) != 1:
                raise ImageError("the archive must hold exactly one image")
            return _member(tar, str(manifest[0]["Config"]))
    except (tarfile.TarError, OSError, ValueError, KeyError, TypeError, EOFError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(
            f"{archive.name} is no archive of an image as `docker save` writes it ({error})"
        ) from error


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    found = tar.getmember(name)
    if not found.isfile() or found.size > JSON_BYTES_MAX:
        raise ImageError(f"{name} in the archive is no file of a sensible size")
    file = tar.extractfile(found)
    if file is None:
        raise ImageError(f"{name} in the archive cannot be read")
    return file.read()


def write_archive(folder: Path, target: Path, platform: str) -> None:
    """An image whose root is ``folder``, with nothing of the time or the user in it.

    Equal folders give equal bytes. Raises :class:`ImageError` for what no image should hold.
    """
    layer = _layer(folder)
    digest = hashlib.sha256(layer).hexdigest()
    configuration = _json(
        {
            "architecture": ARCHITECTURES[platform],
            "config": {},
            "created": "1970-01-01T00:00:00Z",
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "idlegrid"}],
            "os": "linux",
            "rootfs": {"diff_ids": [f"sha256:{digest}"], "type": "layers"},
        }
    )
    name = f"{hashlib.sha256(configuration).hexdigest()}.json"
    manifest = _json([{"Config": name, "Layers": [f"{digest}.tar"], "RepoTags": None}])
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        for member, data in ((name, configuration), (f"{digest}.tar", layer)):
            tar.addfile(_entry(member, len(data)), io.BytesIO(data))
        tar.addfile(_entry("manifest.json", len(manifest)), io.BytesIO(manifest))


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o644
    return entry


def _layer(folder: Path) -> bytes:
    paths = sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix())
    if len(paths) > FILES_MAX:
        raise ImageError(f"{folder} holds more than {FILES_MAX} files")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in paths:
            facts = path.lstat()
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.mode = 0o755 if facts.st_mode & 0o111 else 0o644
            if stat.S_ISDIR(facts.st_mode):
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            elif stat.S_ISLNK(facts.st_mode):
                entry.type, entry.linkname = tarfile.SYMTYPE, str(path.readlink())
                tar.addfile(entry)
            elif stat.S_ISREG(facts.st_mode):
                entry.size = facts.st_size
                with path.open("rb") as file:
                    tar.addfile(entry, file)
            else:
                raise ImageError(f"{path} is a device, a pipe or a socket; images hold none")
    return buffer.getvalue()
