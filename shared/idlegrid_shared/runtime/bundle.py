"""A runtime as one file, for an admin to carry: the signed release, its files, their licences.

A ZIP archive with ``release.json``, ``files/SHA256`` and ``licences/…``. Nothing in it is believed:
the release by its signature alone, each file by the hash and size that the release names. What is
not named is not read; every size has a cap.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import msgspec

from idlegrid_shared.documents import Release
from idlegrid_shared.signing import SignatureError, Signed

from .key import RELEASE_KEYS, open_runtime

RELEASE_NAME = "release.json"
RELEASE_BYTES_MAX = 1024 * 1024
FILE_BYTES_MAX = 512 * 1024**2
FILES_MAX = 16
MEMBERS_MAX = 200
PIECE_BYTES = 1 << 20
_DATE = (1980, 1, 1, 0, 0, 0)
#: Packing harder saves one part in a hundred and takes several times as long.
_LEVEL = 6


class BundleError(ValueError):
    """A bundle that cannot be used; the message says why and what to do."""


def write_bundle(
    target: Path, signed: Signed, files: Mapping[str, Path], licences: Mapping[str, bytes]
) -> None:
    """Write a bundle; ``files`` by SHA-256. Equal contents give equal bytes. Raises ``OSError``."""
    with zipfile.ZipFile(target, "w") as archive:
        _add(archive, RELEASE_NAME, msgspec.json.encode(signed))
        for sha256 in sorted(files):
            _add(archive, f"files/{sha256}", files[sha256].read_bytes())
        for name in sorted(licences):
            _add(archive, f"licences/{name}", licences[name])


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o100644 << 16
    archive.writestr(entry, data, compresslevel=_LEVEL)


def read_bundle(
    source: Path, folder: Path, keys: tuple[str, ...] = RELEASE_KEYS
) -> tuple[Signed, Release, dict[str, Path]]:
    """The release in a bundle, and its files by SHA-256, unpacked into the existing ``folder``.

    Raises :class:`BundleError`, and ``OSError`` when the disk refuses.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            if len(archive.namelist()) > MEMBERS_MAX:
                raise BundleError(f"{source} holds more than {MEMBERS_MAX} members: no bundle")
            with archive.open(RELEASE_NAME) as file:
                data = file.read(RELEASE_BYTES_MAX + 1)
            if len(data) > RELEASE_BYTES_MAX:
                raise BundleError(f"the release in {source} is too long to be one")
            signed = msgspec.json.decode(data, type=Signed)
            release = open_runtime(signed, keys)
            needs = release.needs()
            if len(needs) > FILES_MAX or any(n > FILE_BYTES_MAX for n in needs.values()):
                raise BundleError(f"the runtime {release.app} has more or larger files than may be")
            files = {}
            for sha256, size in needs.items():
                files[sha256] = folder / sha256
                with archive.open(f"files/{sha256}") as file:
                    copy_checked(file, files[sha256], sha256, size)
    except KeyError as error:
        raise BundleError(f"{source} is not whole: {error.args[0]}; fetch it again") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BundleError(f"{source} is no bundle of a runtime: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{source} holds no signed release: {error}") from error
    except SignatureError as error:
        raise BundleError(f"the bundle {source} is not believed: {error}") from error
    return signed, release, files


def copy_checked(source: IO[bytes], target: Path, sha256: str, size: int) -> None:
    """Copy exactly ``size`` bytes of that hash to the new file ``target``.

    Raises :class:`BundleError` for anything else, and leaves nothing behind then.
    """
    digest, left = hashlib.sha256(), size
    try:
        with target.open("xb") as file:
            while piece := source.read(min(PIECE_BYTES, left + 1)):
                left -= len(piece)
                if left < 0:
                    break
                digest.update(piece)
                file.write(piece)
        if left or digest.hexdigest() != sha256:
            raise BundleError(
                f"the file {sha256[:16]}… has other bytes than the release says: fetch it again"
            )
    except BaseException:
        target.unlink(missing_ok=True)
        raise
