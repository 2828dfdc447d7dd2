"""Idlegrid's release key: the only one that signs runtimes, whatever a project's root says.

A project's publisher could otherwise hand out an interpreter of its own under a known name. Several
keys may stand here, so that a new one can be brought in before the old one goes: see
docs/release-key.md.
"""

from idlegrid_shared.documents import PLATFORM_WASM, Release
from idlegrid_shared.signing import SignatureError, Signed, open_document

#: Ed25519 public keys in hex, the one that signs today first.
RELEASE_KEYS: tuple[str, ...] = (
    "cd60de2fc7dc9a04462979b221616602f52baf3b1901bac75367a286f583f800",
)


def open_runtime(signed: Signed, keys: tuple[str, ...] = RELEASE_KEYS) -> Release:
    """Verify the release of a runtime; raises :class:`SignatureError`.

    Signed by one of ``keys``, of kind ``runtime``, for WebAssembly, with exactly one program: the
    interpreter. Its ``entry`` is the function to start and the arguments before the program's, its
    ``files`` lie where their names say below the guest's root, its ``memory_bytes`` is what
    compiling it takes.
    """
    if signed.key not in keys:
        raise SignatureError(
            f"the runtime is signed by key {signed.key[:16]}…, which is not Idlegrid's release key"
        )
    release = open_document("release", signed, Release)
    if release.runtime != "runtime" or release.platform != PLATFORM_WASM:
        raise SignatureError(
            f"{release.app} {release.version} is signed by the release key, but it is no runtime "
            f"for {PLATFORM_WASM}"
        )
    if len(release.programs) != 1:
        raise SignatureError(f"the runtime {release.app} must have one program, its interpreter")
    return release
