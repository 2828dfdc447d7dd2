"""The version of this installation."""

from importlib.metadata import PackageNotFoundError, version


def client_version() -> str:
    """Such as ``0.1.0``; ``0`` where the package carries no metadata."""
    try:
        return version("idlegrid")
    except PackageNotFoundError:
        return "0"
