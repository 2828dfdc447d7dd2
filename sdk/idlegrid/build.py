"""Compiling an app's programs to WebAssembly, by the C compiler of the ``ziglang`` package.

The same sources give the same bytes: paths are relative, and nothing of the environment, the date
or the folder's name gets into the module. So two people can check that a release is what its
sources say.
"""

import contextlib
import hashlib
import importlib.metadata
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from idlegrid_shared.box.native.wall import ExecutableError, is_dynamic, native_platform
from idlegrid_shared.documents import Runtime
from idlegrid_shared.manifest import ManifestEntry

from .app import App, ProgramSource
from .built import BuiltProgram, Say
from .container_build import build_container
from .fault import BuildError
from .instrument import instrument, instrument_method
from .place import BUILD_FOLDER, build_folder, cache_folder, only_one
from .program.native import TARGETS
from .python_pack import build_python
from .rust import CODE_NAMES, build_crate, rust_method

# Ops are counted at each turn of a loop, so fewer and longer turns are faster, by a half in tight
# loops; the compiler would not unroll for wasm by itself.
UNROLL_FLAGS = tuple(
    word
    for option in ("-unroll-runtime", "-unroll-partial-threshold=200", "-force-vector-interleave=2")
    for word in ("-mllvm", option)
)
FLAGS = ("-target", "wasm32-wasi", "-O3", "-msimd128", "-s", "-fno-exceptions", *UNROLL_FLAGS)
# Local variables get what they get on Linux; the compiler's own 16 MiB are memory of every host.
STACK_BYTES = 8 * 1024**2
LINK_FLAGS = (f"-Wl,-z,stack-size={STACK_BYTES}",)
# Static, so that a host's libraries play no part; no fused operations, which round otherwise and
# which only some processors have.
NATIVE_FLAGS = ("-static", "-O3", "-s", "-ffp-contract=off")
# A module says nothing of where it was built; asserts print paths below the app's folder only.
PATH_FLAGS = ("-ffile-prefix-map=./=", "-Wno-unused-command-line-argument")
#: Headers for every program: idlegrid.h.
INCLUDE_FOLDER = Path(__file__).parent / "include"
CODE_SUFFIXES = frozenset((".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx", ".inc", ".rs"))
CODE_FILES_MAX = 5_000
MODULE_BYTES_MAX = 256 * 1024**2
COMPILE_TIME_S_MAX = 1_800.0

WASM_MAGIC = b"\0asm\1\0\0\0"

# Variables that would bring other headers or flags into the build.
_DISTURBING = ("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "CFLAGS", "LDFLAGS")


Builder = Callable[[App, ProgramSource, Say], BuiltProgram]


class _Stamp(msgspec.Struct, frozen=True):
    """Beside a module: from what it was made, and what it must still be."""

    fingerprint: str
    sha256: str


def build_app(app: App, on_step: Callable[[str], None] | None = None) -> dict[str, BuiltProgram]:
    """Compile whatever is not up to date; ``on_step`` hears what is being done, in words.

    Raises :class:`BuildError` when a program does not compile or is no wasm module.
    """
    return {
        name: BUILDERS[program.runtime](app, program, on_step)
        for name, program in app.programs.items()
    }


def _build_native(app: App, program: ProgramSource, on_step: Say) -> BuiltProgram:
    """One executable for each platform; the one of this machine stands for the program."""
    variants: dict[str, BuiltProgram] = {}
    for platform in program.platforms:
        path, compiled = program.executables.get(platform), False
        if path is None:
            flags = ("-target", TARGETS[platform], *NATIVE_FLAGS)
            path = build_folder(app.folder) / f"{program.name}.{platform}"
            compiled = _bring_up_to_date(app, program, path, flags, on_step)
        with path.open("rb") as file:
            head = file.read(1 << 16)
        try:
            is_dynamic(head, platform)
        except ExecutableError as error:
            raise BuildError(f"program {program.name}: {path}: {error}") from error
        entry = ManifestEntry(program.name, _file_sha256(path), path.stat().st_size)
        variants[platform] = BuiltProgram(program.name, path, entry, compiled)
    first = variants.get(native_platform(), next(iter(variants.values())))
    return msgspec.structs.replace(first, variants=variants)


def _build_wasm(app: App, program: ProgramSource, on_step: Say) -> BuiltProgram:
    # Combine steps run at the server and are never interrupted.
    auto = app.checkpoint == "auto" and program.name == app.split.program
    if program.module is not None and not auto:
        return _built(program, program.module, compiled=False)
    target = build_folder(app.folder) / f"{program.name}.wasm"
    compiled = _bring_up_to_date(app, program, target, (*FLAGS, *LINK_FLAGS), on_step, auto=auto)
    return _built(program, target, compiled=compiled)


def build_plain(app: App, target: Path) -> BuiltProgram:
    """The program that units run as it is without ``checkpoint = "auto"``, made anew."""
    program = app.programs[app.split.program]
    if program.module is not None:
        return _built(program, program.module, compiled=False)
    if program.cargo is not None:
        made = build_crate(program.name, program.cargo, target.with_name("cargo"))
        return _built(program, made, compiled=True)
    _compile(app, program, target, (*FLAGS, *LINK_FLAGS))
    return _built(program, target, compiled=True)


def _bring_up_to_date(
    app: App,
    program: ProgramSource,
    target: Path,
    flags: Sequence[str],
    on_step: Say,
    *,
    auto: bool = False,
) -> bool:
    """Make ``target`` unless it is what the sources give; whether that was needed.

    ``auto``: it is instrumented, so that it can be frozen at any host call.
    """
    with only_one(target.parent):
        return _make_if_old(app, program, target, flags, on_step, auto)


def _make_if_old(
    app: App, program: ProgramSource, target: Path, flags: Sequence[str], on_step: Say, auto: bool
) -> bool:
    stamp_path = target.with_name(f"{target.name.removesuffix('.wasm')}.stamp.json")
    fingerprint = _fingerprint(app, program, flags, instrument_method() if auto else "")
    if _is_current(target, stamp_path, fingerprint):
        return False
    if on_step is not None:
        on_step(f"compiling {target.name.removesuffix('.wasm')}")
    if program.cargo is not None:
        crate = build_crate(program.name, program.cargo, target.parent / "cargo")
        _replace(target, crate.read_bytes())
    elif program.module is None:
        _compile(app, program, target, flags)
    if auto:
        _instrument(program, program.module or target, target)
    _replace(stamp_path, msgspec.json.encode(_Stamp(fingerprint, _file_sha256(target))))
    return True


def _instrument(program: ProgramSource, source: Path, target: Path) -> None:
    try:
        _replace(target, instrument(source.read_bytes()))
    except BuildError as error:
        raise BuildError(f"program {program.name}: {error}", detail=error.detail) from error


def _built(program: ProgramSource, path: Path, *, compiled: bool) -> BuiltProgram:
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(len(WASM_MAGIC))
    if magic != WASM_MAGIC:
        raise BuildError(
            f"program {program.name}: {path} is no WebAssembly module (core, version 1)"
        )
    if size > MODULE_BYTES_MAX:
        raise BuildError(
            f"program {program.name}: its module has {size} bytes, more than {MODULE_BYTES_MAX}"
        )
    entry = ManifestEntry(f"{program.name}.wasm", _file_sha256(path), size)
    return BuiltProgram(program.name, path, entry, compiled)


def _code_files(app: App) -> list[Path]:
    """Sources and headers below the app's folder: any of them may be included by any other."""
    found: list[Path] = []
    for folder, folders, names in os.walk(app.folder):
        folders[:] = sorted(d for d in folders if d != BUILD_FOLDER and not d.startswith("."))
        found += [Path(folder) / name for name in names if _is_code(name)]
        if len(found) > CODE_FILES_MAX:
            raise BuildError(
                f"{app.folder} holds more than {CODE_FILES_MAX} source files: is it the app alone?"
            )
    return sorted(found)


def _is_code(name: str) -> bool:
    return Path(name).suffix in CODE_SUFFIXES or name in CODE_NAMES


def _fingerprint(app: App, program: ProgramSource, flags: Sequence[str], method: str) -> str:
    """A hash of all that the module can depend on: compiler, flags, sources, headers.

    ``method`` is how it is instrumented, if it is.
    """
    digest = hashlib.sha256()
    parts = [
        importlib.metadata.version("ziglang"),
        *flags,
        *PATH_FLAGS,
        *program.flags,
    ]
    parts += [":", *program.sources, method]
    if program.cargo is not None:
        parts += [str(program.cargo.relative_to(app.folder)), rust_method()]
    if program.module is not None:
        parts.append(_file_sha256(program.module))
    for path in sorted(INCLUDE_FOLDER.glob("*.h")):
        parts += [path.name, _file_sha256(path)]
    for path in _code_files(app):
        parts += [path.relative_to(app.folder).as_posix(), _file_sha256(path)]
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _is_current(target: Path, stamp_path: Path, fingerprint: str) -> bool:
    try:
        stamp = msgspec.json.decode(stamp_path.read_bytes(), type=_Stamp)
        return stamp.fingerprint == fingerprint and stamp.sha256 == _file_sha256(target)
    except (OSError, msgspec.DecodeError):
        return False


def _compile(app: App, program: ProgramSource, target: Path, flags: Sequence[str]) -> None:
    # Under its own name until it is whole: two builds at once, or a kill, leave no half module.
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    command = [
        sys.executable,
        "-m",
        "ziglang",
        # The C++ driver takes C files as C, and brings the C++ library.
        "cc" if all(source.endswith(".c") for source in program.sources) else "c++",
        *flags,
        *PATH_FLAGS,
        f"-I{INCLUDE_FOLDER}",
        f"-ffile-prefix-map={INCLUDE_FOLDER}=idlegrid",
        *program.flags,
    ]
    command += [f"./{source}" for source in program.sources]
    command += ["-o", str(temporary), "-lm"]
    try:
        done = subprocess.run(
            command,
            cwd=app.folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMPILE_TIME_S_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(
            f"program {program.name}: the compiler took more than {COMPILE_TIME_S_MAX:.0f} s"
        ) from error
    else:
        said = done.stdout.decode("utf-8", "replace").strip()
        if done.returncode != 0 or not temporary.is_file():
            if "No module named ziglang" in said:
                raise BuildError(
                    "the compiler is not installed: `pip install ziglang`, or give a finished "
                    f'module = "….wasm" for program {program.name}'
                )
            raise BuildError(f"program {program.name} does not compile", detail=said)
        temporary.chmod(0o644)
        temporary.replace(target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _environment() -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if k not in _DISTURBING}
    cache = str(cache_folder() / "zig")
    environment.setdefault("ZIG_GLOBAL_CACHE_DIR", cache)
    environment.setdefault("ZIG_LOCAL_CACHE_DIR", environment["ZIG_GLOBAL_CACHE_DIR"])
    # __DATE__ and __TIME__ are the same in every build.
    environment["SOURCE_DATE_EPOCH"] = "0"
    environment["LC_ALL"] = "C"
    return environment


def compiler_is_warm() -> bool:
    """Whether the compiler has built its C library before; the first build takes half a minute."""
    return any(_cache_entries(Path(_environment()["ZIG_GLOBAL_CACHE_DIR"])))


def _cache_entries(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (folder / "o").iterdir()


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    temporary.write_bytes(data)
    temporary.replace(path)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


#: Runtime → what makes a program's file, or finds it up to date.
BUILDERS: dict[Runtime, Builder] = {
    "wasm": _build_wasm,
    "python": build_python,
    "native": _build_native,
    "container": build_container,
}
