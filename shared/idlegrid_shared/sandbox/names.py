"""Names that a guest may give to files under /out: the same on every system, or refused on all.

A name that Windows reserves, or two names that differ only in case, would work on one volunteer's
machine and fail on another's. Refusing them everywhere keeps replicas equal. Every name allowed
here also passes :func:`idlegrid_shared.manifest.check_name`.
"""

from . import abi
from .fault import WasiError

PATH_BYTES_MAX = 4096
NAME_BYTES_MAX = 255

_FORBIDDEN = frozenset('\\:*?"<>|\x7f') | {chr(code) for code in range(32)}
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul"] + [f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)]
)


def split_path(raw: bytes) -> tuple[list[str], bool]:
    """Split a guest's path into its parts; the second value says whether it must be a folder.

    Empty parts and ``.`` vanish, ``..`` stays for the walk. Raises ``WasiError``: absolute paths
    are NOT_PERMITTED, as preview 1 knows only paths relative to a folder.
    """
    if len(raw) > PATH_BYTES_MAX:
        raise WasiError(abi.NAME_TOO_LONG)
    if not raw:
        raise WasiError(abi.NO_ENTRY)
    if b"\0" in raw:
        raise WasiError(abi.INVALID)
    try:
        path = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise WasiError(abi.ILLEGAL_BYTES) from None
    if path.startswith("/"):
        raise WasiError(abi.NOT_PERMITTED)
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if any(len(part.encode()) > NAME_BYTES_MAX for part in parts):
        raise WasiError(abi.NAME_TOO_LONG)
    return parts, path.endswith(("/", "/.", "/..")) or path in (".", "..")


def check_new_name(name: str) -> None:
    """Raise ``WasiError(INVALID)`` unless ``name``, one part of a path, is plain everywhere."""
    if name[-1] in " ." or not _FORBIDDEN.isdisjoint(name):
        raise WasiError(abi.INVALID)
    if name.partition(".")[0].rstrip().lower() in _DEVICES:
        raise WasiError(abi.INVALID)


def fold_name(name: str) -> str:
    """The key under which names count as the same on systems that ignore case or composition."""
    if name.isascii():
        return name.lower()
    import unicodedata  # seldom needed, and the worker must start fast

    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
