"""Sandbox workers on another kind of processor: aarch64, by QEMU's emulation of single programs.

All of it lies in ``build/aarch64``: a Python for that processor and QEMU itself from Debian's
packages, unpacked without installing anything, and the engine's wheel. It is made once and kept.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import idlegrid_shared

PLACE = Path("build/aarch64")
MACHINE = "arm64"
PYTHON_PACKAGES = ("python3-minimal", "libpython3-stdlib")
QEMU_PACKAGE = "qemu-user-static"
QEMU = "qemu-aarch64-static"
SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources")
WHEEL_PLATFORM = "manylinux2014_aarch64"
SETTLE_TIME_S_MAX = 900.0
#: Emulated, the compiler is some twenty times slower than the worker would wait for.
WORKER = (
    "from idlegrid_shared.sandbox import worker; worker.COMPILE_TIME_S_MAX = 7200; worker.main()"
)


class NoEmulatorError(RuntimeError):
    """This machine cannot make the emulated one; the text says what is missing."""


def worker_command() -> list[str]:
    """The command of a worker under emulation; makes what it needs the first time.

    Raises :class:`NoEmulatorError` where that cannot be had: the recipe is Debian's.
    """
    place = PLACE.absolute()
    ready = place / "ready"
    recipe = _recipe()
    if not ready.is_file() or ready.read_text("utf-8") != recipe:
        shutil.rmtree(place, ignore_errors=True)
        _make(place)
        ready.write_text(recipe, "utf-8")
    paths = os.pathsep.join((str(place / "site"), str(Path(idlegrid_shared.__file__).parents[1])))
    qemu = [str(_qemu(place)), "-L", str(place / "root"), "-E", f"PYTHONPATH={paths}"]
    # Not the link python3: the emulator's own root would not be asked for its target.
    python = max((place / "root/usr/bin").glob("python3.*"))
    return [*qemu, str(python), "-P", "-c", WORKER]


def cache_folder() -> Path:
    """Where emulated workers keep their compiled modules."""
    return PLACE.absolute() / "cache"


def _recipe() -> str:
    text = f"{Path(__file__).read_text('utf-8')} wasmtime {version('wasmtime')}"
    return hashlib.sha256(text.encode()).hexdigest()


def _qemu(place: Path) -> Path:
    own = shutil.which(QEMU)
    return Path(own) if own else place / "qemu/usr/bin" / QEMU


def _make(place: Path) -> None:
    for tool in ("apt-get", "dpkg", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise NoEmulatorError(f"an emulated aarch64 is made of Debian's packages: no {tool}")
    place.mkdir(parents=True)
    _unpack(place / "apt", MACHINE, PYTHON_PACKAGES, place / "root")
    if not _qemu(place).exists():
        own = _call(["dpkg", "--print-architecture"]).strip()
        _unpack(place / "apt-qemu", own, (QEMU_PACKAGE,), place / "qemu")
    python = max((place / "root/usr/bin").glob("python3.*")).name.removeprefix("python")
    wheel = f"wasmtime=={version('wasmtime')}"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    foreign = ["--platform", WHEEL_PLATFORM, "--python-version", python, "--only-binary=:all:"]
    _call([*pip, "--no-deps", "--target", str(place / "site"), *foreign, wheel])


def _unpack(apt: Path, machine: str, packages: tuple[str, ...], root: Path) -> None:
    """Fetch packages with all that they need, by an apt of its own, and unpack them to ``root``."""
    source = next((path for path in reversed(SOURCES) if Path(path).is_file()), None)
    if source is None:
        raise NoEmulatorError(f"no list of Debian's packages: {' or '.join(SOURCES)}")
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True)
    (apt / "state/status").touch()
    settings = {
        "APT::Architecture": machine,
        "APT::Sandbox::User": "root",
        "Dir::State": apt / "state",
        "Dir::State::status": apt / "state/status",
        "Dir::Cache": apt / "cache",
        "Dir::Etc::sourcelist": source,
        "Dir::Etc::sourceparts": "-",
        "Binary::apt::APT::Keep-Downloaded-Packages": "true",
    }
    lines = [f'{name} "{value}";' for name, value in settings.items()]
    lines += ["#clear APT::Architectures;", f'APT::Architectures {{ "{machine}"; }};']
    (apt / "apt.conf").write_text("\n".join(lines) + "\n", "utf-8")
    environment = {**os.environ, "APT_CONFIG": str(apt / "apt.conf")}
    _call(["apt-get", "update", "-q"], environment)
    fetch = ["apt-get", "install", "-q", "-y", "--no-install-recommends", "--download-only"]
    _call([*fetch, *packages], environment)
    root.mkdir(parents=True)
    for package in sorted((apt / "cache/archives").glob("*.deb")):
        _call(["dpkg-deb", "-x", str(package), str(root)])
    shutil.rmtree(apt)


def _call(command: list[str], environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SETTLE_TIME_S_MAX,
        check=False,
    )
    said = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        raise NoEmulatorError(f"{' '.join(command[:3])} failed: {said.strip()[-500:]}")
    return said
