"""What a host is known by: trust and speed are kept for each host and subject (TRUST.md).

Programs for wasm and Python run in a sandbox that counts and answers alike whatever they compute,
so a host that is good for one is good for all of the same runtime profile. A native program or
container is a machine of its own, so there the app version is the subject, on whatever platform.
"""

from idlegrid_shared.documents import WALLED_BY_SYSTEM, Runtime


def subject_of(runtime: Runtime, profile: str, app: str, version: str) -> str:
    """The subject of a program: its runtime profile, or its app and version."""
    return f"{app}/{version}" if runtime in WALLED_BY_SYSTEM else profile
