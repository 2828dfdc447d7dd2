"""The fixtures of the sandbox's laboratory, for hostile guests and hostile files."""

from tests.sandbox.conftest import build_c, module_cache

from .arena import arena, arena_cache

__all__ = ["arena", "arena_cache", "build_c", "module_cache"]
