"""Programs in Rust: built by the author's own Cargo, for the target that is WASI preview 1."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

from .fault import BuildError

#: The target, and what Rust called it before 1.78.
TARGETS = ("wasm32-wasip1", "wasm32-wasi")
STACK_BYTES = 8 * 1024**2
CODE_NAMES = frozenset(("Cargo.toml", "Cargo.lock"))
TIME_S_MAX = 1_800.0


@functools.cache
def rust_target() -> str:
    """The target that is installed here; raises :class:`BuildError` if none is."""
    for tool in ("cargo", "rustc"):
        if shutil.which(tool) is None:
            raise BuildError(
                f"programs in Rust need {tool}, which is not installed: get it by rustup, or from "
                "the packages of your system"
            )
    for target in TARGETS:
        done = _call(["rustc", "--print", "target-libdir", "--target", target])
        place = Path(done.stdout.decode("utf-8", "replace").strip())
        if done.returncode == 0 and any(place.glob("libstd-*.rlib")):
            return target
    raise BuildError(
        f"Rust cannot compile for WebAssembly here: its target {TARGETS[0]} is not installed; "
        f"`rustup target add {TARGETS[0]}`, or on Debian `apt install libstd-rust-dev-wasm32`"
    )


def rust_method() -> str:
    """What the bytes depend on besides the sources; raises :class:`BuildError` without Rust."""
    target = rust_target()
    return f"{_call(['rustc', '-V']).stdout.decode('utf-8', 'replace').strip()} {target}"


def build_crate(name: str, crate: Path, work: Path) -> Path:
    """Compile the binary ``name`` of the package whose ``Cargo.toml`` is ``crate``.

    Cargo keeps what it makes in ``work``. Raises :class:`BuildError` with Cargo's own words. The
    module lies at the path that is returned.
    """
    target = rust_target()
    flags = [
        "-Ctarget-feature=+simd128",
        f"-Clink-arg=-zstack-size={STACK_BYTES}",
        f"--remap-path-prefix={crate.parent}=.",
    ]
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(work),
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
    }
    command = ["cargo", "build", "--release", "--target", target, "--bin", name]
    done = _call([*command, "--manifest-path", str(crate)], environment)
    made = work / target / "release" / f"{name}.wasm"
    if done.returncode != 0 or not made.is_file():
        said = done.stdout.decode("utf-8", "replace").strip()
        raise BuildError(f"program {name} does not compile", detail=said)
    return made


def _call(
    command: list[str], environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIME_S_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{command[0]} took more than {TIME_S_MAX:.0f} s") from error
