"""Forged compiled modules: native code that somebody put into the cache in place of a program's.

Each forgery is a program that writes "evil", compiled by the real engine, where the compiled form
of a program that writes "good" is looked for. Whoever gets it run has left the sandbox.
"""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from idlegrid_shared.sandbox.cache import ModuleCache, cache_name
from idlegrid_shared.sandbox.engine import engine_version, make_engine
from idlegrid_shared.sandbox.job import SandboxJob
from idlegrid_shared.sandbox.profile import current_profile
from idlegrid_shared.sandbox.run import run_sandboxed
from tests.sandbox.guest import assemble, module_text, write_bytes

from .arena import Arena

PROFILE = msgspec.structs.asdict(current_profile())


def program(word: str) -> bytes:
    return assemble(module_text(write_bytes("(i32.const 1)", 64, 4), data={64: word}))


class Den:
    """A cache that holds the compiled good program, and the parts to forge with."""

    def __init__(self, arena: Arena) -> None:
        self.cache = arena.lab.folder / "den"
        self.elsewhere = arena.lab.folder / "elsewhere"
        self.job = arena.lab.job(program("good"), cache_dir=str(self.cache))
        assert run_sandboxed(self.job).reason == "ok"
        other = msgspec.structs.replace(
            arena.lab.job(program("evil")), cache_dir=str(self.elsewhere)
        )
        assert run_sandboxed(other).reason == "ok"
        self.module, self.code = self.find(self.cache, self.job)
        self.evil_module, self.evil_code = self.find(self.elsewhere, other)
        assert self.evil_module.read_bytes() != self.module.read_bytes()
        self.job = msgspec.structs.replace(self.job, output_dir=f"{self.job.output_dir}-again")

    @staticmethod
    def find(cache: Path, job: SandboxJob) -> tuple[Path, Path]:
        name = cache_name(job.module_sha256, engine_version(), PROFILE)
        return cache / f"{name}.cwasm", cache / f"{name}.code"


def swap_module(den: Den) -> None:
    """The module alone, with the good one's code."""
    den.module.write_bytes(den.evil_module.read_bytes())


def swap_both(den: Den) -> None:
    """Module and code, both from another machine's cache."""
    swap_module(den)
    den.code.write_bytes(den.evil_code.read_bytes())


def swap_key_file(den: Den) -> None:
    """Module, code and key from another machine: sealed, but for another name."""
    swap_both(den)
    (den.cache / "key").write_bytes((den.elsewhere / "key").read_bytes())


def link_module(den: Den) -> None:
    """A link to the evil module."""
    den.module.unlink()
    den.module.symlink_to(den.evil_module)


def link_both(den: Den) -> None:
    link_module(den)
    den.code.unlink()
    den.code.symlink_to(den.evil_code)


def hard_link(den: Den) -> None:
    den.module.unlink()
    os.link(den.evil_module, den.module)


def without_code(den: Den) -> None:
    """A module before its code is written: another worker may just be storing it."""
    swap_module(den)
    den.code.unlink()


def empty_code(den: Den) -> None:
    swap_module(den)
    den.code.write_bytes(b"")


def short_key(den: Den) -> None:
    """A key that is cut to nothing must be made anew, not used as it is."""
    swap_both(den)
    (den.cache / "key").write_bytes(b"")


def writable_by_others(den: Den) -> None:
    """Sealed and right, but others could change it between the check and the use."""
    den.module.chmod(0o666)


def a_pipe(den: Den) -> None:
    """Reading it would wait for ever."""
    den.module.unlink()
    os.mkfifo(den.module)


def a_folder(den: Den) -> None:
    den.code.unlink()
    den.code.mkdir()


def rubbish(den: Den) -> None:
    den.module.write_bytes(b"\x7fELF" + bytes(1000))


def one_bit(den: Den) -> None:
    data = bytearray(den.module.read_bytes())
    data[len(data) // 2] ^= 4
    den.module.write_bytes(data)


FORGERIES: list[Callable[[Den], None]] = [
    swap_module,
    swap_both,
    swap_key_file,
    link_module,
    link_both,
    hard_link,
    without_code,
    empty_code,
    short_key,
    writable_by_others,
    a_pipe,
    a_folder,
    rubbish,
    one_bit,
]


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_a_forged_module_is_not_run(arena: Arena, forge: Callable[[Den], None]) -> None:
    den = Den(arena)
    forge(den)
    outcome = arena.run(den.job)
    assert outcome.reason == "ok", outcome.message
    assert arena.lab.output(den.job, "stdout") == b"good"


def test_the_forgery_would_be_run_if_it_were_sealed(arena: Arena) -> None:
    """The proof that the test above can fail: with the key, which only the user has, it runs."""
    den = Den(arena)
    engine = make_engine(PROFILE)
    evil = ModuleCache(str(den.elsewhere)).load(engine, den.evil_module.stem)
    assert evil is not None
    assert ModuleCache(str(den.cache)).store(den.module.stem, evil)
    assert run_sandboxed(den.job).reason == "ok"
    assert arena.lab.output(den.job, "stdout") == b"evil"


def test_a_cache_folder_of_others_is_refused_in_words(arena: Arena) -> None:
    den = Den(arena)
    den.cache.chmod(0o777)
    outcome = arena.run(den.job)
    assert outcome.reason == "host_error"
    assert "mode 700" in outcome.message
