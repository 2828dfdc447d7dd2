"""Ask a runtime which modules it can import; the answer is the table that the import check reads.

    python packaging/modules.py [NAME…]

writes sdk/idlegrid/program/modules/NAME.txt. A test asks again and compares.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

from idlegrid.place import cache_folder
from idlegrid.python_runtime import runtime_places
from idlegrid_shared.box.python import APP_FOLDER
from idlegrid_shared.runtime.catalogue import known_runtimes
from idlegrid_shared.sandbox.job import SandboxJob
from idlegrid_shared.sandbox.limits import Limits
from idlegrid_shared.sandbox.pack import write_pack
from idlegrid_shared.sandbox.run import run_sandboxed

TABLES = Path(__file__).parents[1] / "sdk/idlegrid/program/modules"

# Imported for their effect (a browser, a window, a game of the shell), or tests of CPython itself.
ASK = r"""
import io, os, pkgutil, sys
SKIPPED = {"antigravity", "this", "test", "idlelib", "turtledemo", "lib2to3", "main"}
names = set(sys.builtin_module_names) | set(sys.stdlib_module_names)
names |= {m.name for m in pkgutil.iter_modules()}
names = sorted(n for n in names if n not in SKIPPED and n[0] != "_" and "." not in n)
real, sys.stdout = sys.stdout, io.StringIO()
good = []
for name in names:
    try:
        __import__(name)
    except BaseException:
        continue
    good.append(name)
with open("/out/modules", "w") as file:
    file.write("".join(name + "\n" for name in good))
"""


def ask(name: str) -> str:
    """The importable modules of a runtime, one a line."""
    interpreter, places = runtime_places(name, print)
    cache = cache_folder() / "modules"
    with tempfile.TemporaryDirectory() as work:
        pack = Path(work) / "pack"
        pack.write_bytes(write_pack({"main.py": ASK.encode()}))
        start, *flags = interpreter.entry.split()
        outcome = run_sandboxed(
            SandboxJob(
                module=places[interpreter.module.sha256],
                module_sha256=interpreter.module.sha256,
                program="python",
                args=[*flags, f"/{APP_FOLDER}/main.py"],
                mounts={f.name: places[f.sha256] for f in interpreter.files},
                packs={APP_FOLDER: str(pack)},
                start=start,
                output_dir=f"{work}/out",
                seed=hashlib.sha256(b"modules").digest(),
                limits=Limits(
                    memory_bytes=1 << 31,
                    max_ops=10**13,
                    time_s=600.0,
                    output_bytes=1 << 20,
                    output_files=2,
                ),
                profile=known_runtimes()[name].release.profile,
                cache_dir=str(cache),
            )
        )
        if outcome.reason != "ok":
            raise SystemExit(f"{name}: {outcome.message}\n{outcome.stderr}")
        return (Path(work) / "out/modules").read_text("ascii")


if __name__ == "__main__":
    for runtime in sys.argv[1:] or sorted(known_runtimes()):
        (TABLES / f"{runtime}.txt").write_text(ask(runtime), "ascii")
        print(TABLES / f"{runtime}.txt")
