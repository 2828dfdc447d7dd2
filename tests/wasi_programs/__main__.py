"""``python -m tests.wasi_programs [NAME …]``: well-known C programs in the sandbox and natively.

Their sources come from the package registries, pinned, and are kept under build/. Each is built by
gcc for this machine and by ziglang for wasm, and must print and write the same bytes; in the
sandbox it runs twice and must take the same ops.
"""

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from idlegrid_shared.sandbox.job import Outcome, SandboxJob
from idlegrid_shared.sandbox.limits import Limits
from idlegrid_shared.sandbox.profile import current_profile
from idlegrid_shared.sandbox.run import run_sandboxed

from .program import HERE, PROGRAMS, Program

BUILD = Path("build").absolute() / "wasi-programs"
MEMORY_BYTES = 512 * 1024**2
WASM = ["-m", "ziglang", "cc", "-target", "wasm32-wasi", "-O2", "-s"]
NATIVE = ["gcc", "-O2", "-ffp-contract=off"]
STACK = "-Wl,-z,stack-size=1048576"
PATIENCE_S = 900


def sources(program: Program) -> Path:
    """The unpacked package, fetched if it is not there."""
    folder = BUILD / f"{program.package}-{program.version}"
    if not folder.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        command = program.command()
        if program.registry == "pip":
            command = [sys.executable, *command]
        subprocess.run(command, cwd=BUILD, check=True, timeout=PATIENCE_S)
        part = BUILD / f"{folder.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        program.unpack(BUILD / program.archive, part)
        part.rename(folder)
    (inside,) = folder.iterdir()
    return inside


def build(program: Program, kind: str) -> Path:
    """The program for ``wasm`` or ``native``."""
    target = BUILD / f"{program.name}-{program.version}.{kind}"
    place = sources(program)
    files = [path for pattern in program.sources for path in sorted(place.glob(pattern))]
    command = NATIVE if kind == "native" else [sys.executable, *WASM, STACK]
    extra = program.native_flags if kind == "native" else program.wasm_flags
    include = [f"-I{place / folder}" for folder in program.include]
    driver = HERE / program.driver
    if target.exists() and target.stat().st_mtime > driver.stat().st_mtime:
        return target
    cache = str(BUILD.parent / "zig-cache")
    subprocess.run(
        [*command, "-w", *program.flags, *extra, *include, "-o", target, driver, *files, "-lm"],
        check=True,
        timeout=PATIENCE_S,
        env=os.environ | {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache},
    )
    return target


def make_data(program: Program) -> Path:
    """The input: a file of ours, or two megabytes of words, the same on every machine."""
    if program.data:
        return HERE / program.data
    path = BUILD / "text"
    if not path.exists():
        words = [hashlib.sha256(str(n).encode()).hexdigest()[: 2 + n % 7] for n in range(2_000)]
        path.write_text(" ".join(random.Random(7).choices(words, k=350_000)))
    return path


def clean(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def run_natively(program: Program) -> dict[str, bytes]:
    """What it prints and writes on this machine, by file name."""
    out = clean(BUILD / "native-out")
    arguments = [a.format(data=make_data(program), out=out) for a in program.arguments]
    command = [build(program, "native"), *arguments]
    done = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE_S, cwd=out)
    return {"stdout": done.stdout} | {p.name: p.read_bytes() for p in out.iterdir()}


def run_in_sandbox(program: Program) -> tuple[Outcome, dict[str, bytes]]:
    """The outcome, and the same."""
    module = build(program, "wasm")
    out = clean(BUILD / "wasm-out")
    job = SandboxJob(
        module=str(module),
        module_sha256=hashlib.sha256(module.read_bytes()).hexdigest(),
        program=program.name,
        args=[a.format(data="/in/data", out="/out") for a in program.arguments],
        inputs={"data": str(make_data(program))},
        output_dir=str(out),
        seed=b"seed",
        limits=Limits(
            memory_bytes=MEMORY_BYTES,
            max_ops=10**13,
            time_s=float(PATIENCE_S),
            output_bytes=64 * 1024**2,
            output_files=20,
        ),
        profile=current_profile(),
        cache_dir=str(BUILD / "cache"),
    )
    outcome = run_sandboxed(job, timeout=PATIENCE_S)
    return outcome, {entry.name: (out / entry.name).read_bytes() for entry in outcome.outputs}


def check(program: Program) -> str:
    """Empty if all is well, else what is wrong."""
    expected = run_natively(program)
    outcome, found = run_in_sandbox(program)
    if outcome.reason != "ok":
        return f"{outcome.message}; it printed {found.get('stdout', b'')[-500:]!r} {outcome.stderr}"
    missing = [word for word in program.words if word.encode() not in expected["stdout"]]
    if missing:
        return f"natively, its output lacks {missing}: {expected['stdout'][-500:]!r}"
    different = sorted(n for n in expected | found if expected.get(n) != found.get(n))
    if different:
        return f"{', '.join(different)} differ from the native program's"
    again, _ = run_in_sandbox(program)
    if (again.outputs, again.ops) != (outcome.outputs, outcome.ops):
        return f"two runs differ: {outcome.ops} and {again.ops} ops"
    size = sum(map(len, found.values()))
    print(
        f"{program.name:8} {program.package} {program.version}: {len(found)} outputs of {size:,} "
        f"bytes are the native program's; {outcome.ops:,} ops in both runs, {outcome.cpu_s:.1f} s, "
        f"{outcome.peak_memory_bytes / 1024**2:.0f} MiB",
        flush=True,
    )
    return ""


def main() -> int:
    """0 if all programs do in the sandbox what they do natively."""
    parser = argparse.ArgumentParser(prog="python -m tests.wasi_programs", description=__doc__)
    names = [program.name for program in PROGRAMS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(names)}")
    chosen = parser.parse_args().names or names
    failed = 0
    started_s = time.monotonic()
    for program in PROGRAMS:
        if program.name in chosen:
            wrong = check(program)
            failed += bool(wrong)
            if wrong:
                print(f"{program.name:8} FAILED: {wrong}", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed in {time.monotonic() - started_s:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
