"""A container that tries to get out, run before any foreign one is.

Its one program is 200 bytes of machine code of our own. It tries to write to the root folder, to
find a way to some other machine, and to mount; it ends with 42 if none of that worked, else with 1,
2 or 3. In C: ``open("/probe", O_CREAT | O_WRONLY, 0600)``, ``connect(socket(AF_INET, SOCK_DGRAM),
192.0.2.1:9)``, ``mount(NULL, "/", "/", 0, NULL)``, which is EPERM or ENOSYS for those who may not
mount at all.
"""

import functools
import struct
import sys
import tempfile
from pathlib import Path

import msgspec

from idlegrid_shared.box.native.wall import native_platform
from idlegrid_shared.documents import WALLED_PLATFORMS

from .engine import Engine, EngineError, candidates, run_options
from .image import image_id, write_archive
from .seccomp import write_profile

_CODE = {
    "linux-x86_64": bytes.fromhex(
        "488d3d8c000000be41000000ba80010000b8020000000f05bf010000004885c0796abf02000000be0200"
        "000031d2b8290000000f054885c0781f89c7488d3559000000ba10000000b82a0000000f05bf02000000"
        "4885c0743331ff488d3538000000488d15310000004531d24531c0b8a50000000f05bf030000004883f8"
        "ff74064883f8da7505bf2a000000b83c0000000f052f70726f6265002f0002000009c000020100000000"
        "00000000"
    ),
    "linux-aarch64": bytes.fromhex(
        "600c8092a1040010220880d2033080d2080780d2010000d4e10300aa200080d28103f8b6400080d24100"
        "80d2020080d2c81880d2010000d40001f8b741030010020280d2681980d2010000d4e10300aa400080d2"
        "e10100b4000080d201020070e2010070030080d2040080d2080580d2010000d4e10300aa600080d23f04"
        "00b1600000543f9800b141000054400580d2a80b80d2010000d42f70726f6265002f0000000002000009"
        "c00002010000000000000000"
    ),
}
_MACHINES = {"linux-x86_64": 62, "linux-aarch64": 183}
_BASE = 0x400000
_HELD = 42
_FOUND = {1: "write to its root folder", 2: "reach a network", 3: "mount"}
_LIMITS = {"memory_bytes": 64 * 1024**2, "file_bytes": 1_000_000, "cpu_s": 10}


class Offer(msgspec.Struct, frozen=True):
    """Whether containers can be run here: by which engine, or why not."""

    engine: Engine | None
    reason: str = ""

    @property
    def profile(self) -> str:
        """What this machine then offers, as `Machine.profiles` lists it."""
        return f"container-{native_platform()}"


def trial_program(platform: str) -> bytes:
    """The program as an executable: headers of ELF, one segment, the code."""
    code = _CODE[platform]
    size = 64 + 56 + len(code)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        *(b"\x7fELF\x02\x01\x01", 2, _MACHINES[platform], 1, _BASE + 120, 64, 0, 0),
        *(64, 56, 1, 0, 0, 0),
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 4096)
    return header + segment + code


@functools.lru_cache(maxsize=1)
def container_offer() -> Offer:
    """The first engine that holds here; tried once per process, in a second or a few."""
    if sys.platform != "linux" or native_platform() not in WALLED_PLATFORMS:
        return Offer(None, "containers are run on Linux only: other systems are not tested")
    reasons: list[str] = []
    for engine in candidates():
        reason = try_engine(engine)
        if not reason:
            return Offer(engine)
        if reason not in reasons:
            reasons.append(reason)
    return Offer(None, "; ".join(reasons) or "neither podman nor docker is installed")


def try_engine(engine: Engine) -> str:
    """Let a container try to get out; why that engine does not hold, or "" if it does."""
    with tempfile.TemporaryDirectory(prefix="idlegrid-trial", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        root = folder / "root"
        root.mkdir()
        program = root / "trial"
        program.write_bytes(trial_program(native_platform()))
        program.chmod(0o755)
        archive = folder / "trial.tar"
        write_archive(root, archive, native_platform())
        placed = engine.at(folder / "store")
        image = image_id(archive)
        try:
            placed.load(archive, image)
            options = run_options(placed, "idlegrid-trial", write_profile(folder), **_LIMITS)
            done = placed.call("run", *options, image, "/trial", timeout_s=60, check=False)
        except EngineError as error:
            return f"{engine.kind} does not work here: {error}"
        finally:
            placed.remove_image(image)
            placed.clear(folder / "store")
    if done.code == _HELD:
        return ""
    if done.code in _FOUND:
        return f"{engine.kind} does not hold here: a container could {_FOUND[done.code]}"
    return f"{engine.kind} cannot run a container here: {done.said or f'exit code {done.code}'}"
