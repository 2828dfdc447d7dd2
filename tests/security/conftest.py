"""The fixtures of the sandbox's laboratory, for hostile guests and hostile files."""

from tests.sandbox.conftest import build_c, module_cache

__all__ = ["build_c", "module_cache"]
