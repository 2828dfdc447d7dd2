"""What this machine is: told to servers as a claim, and used for our own limits."""

import functools
import os
import platform
from pathlib import Path

import psutil

from idlegrid_client.version import client_version
from idlegrid_shared.requirement import FEATURES
from idlegrid_shared.sandbox.profile import RuntimeProfile, installed_major
from idlegrid_shared.wire import Machine

MEMORY_SHARE = 0.75  # of all memory may be taken by tasks
NAME_VARIABLE = "IDLEGRID_CLIENT_NAME"  # what projects call this computer, if not its host name
_TEXT_MAX = 64
_MEMORY_STEP = 64 * 1024**2  # or it would be news at each look


def core_count() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def task_memory_bytes() -> int:
    """What all running tasks together may take."""
    return int(psutil.virtual_memory().total * MEMORY_SHARE)


def disk_free_bytes(folder: Path) -> int:
    """Free space where the data folder lies."""
    return int(psutil.disk_usage(str(folder)).free)


def memory_free_bytes() -> int:
    """What programs may still take before the system swaps, rounded down to 64 MiB."""
    return int(psutil.virtual_memory().available) // _MEMORY_STEP * _MEMORY_STEP


def read_machine(
    folder: Path, cores: int, memory_bytes: int, offered: tuple[str, ...] = ()
) -> Machine:
    """The facts as a server is told them: ``cores`` and memory are what we may use.

    ``offered``: what the volunteer allows, and this machine can run, besides the sandbox.
    """
    return Machine(
        name=(os.environ.get(NAME_VARIABLE) or platform.node())[:200],
        os=f"{platform.system()} {platform.release()}"[:_TEXT_MAX],
        arch=platform.machine()[:_TEXT_MAX],
        cpu=_cpu_name()[:200],
        cores=min(max(1, cores), 4096),
        memory_bytes=memory_bytes,
        disk_free_bytes=_coarse(disk_free_bytes(folder)),
        client_version=client_version(),
        profiles=(*profile_names(), *offered),
        cpu_kind=cpu_kind(),
        features=cpu_features(),
    )


def profile_names() -> tuple[str, ...]:
    """The sandbox profiles that can be run here, the default one first."""
    major = installed_major()
    return tuple(
        RuntimeProfile(major=major, nan_canonical=nan, simd=simd).name
        for nan in (False, True)
        for simd in (True, False)
    )


def _coarse(count: int) -> int:
    """Rounded down to a gibibyte, or it would be news in every exchange."""
    return count // 1024**3 * 1024**3


def cpu_kind() -> str:
    """Vendor and family of the processor, such as ``GenuineIntel 6``; "" if it is not known.

    Programs compiled for one kind may round otherwise on another.
    """
    known = _cpu_facts()
    parts = [known.get("vendor_id") or known.get("CPU implementer") or ""]
    parts.append(known.get("cpu family") or known.get("CPU part") or "")
    return " ".join(part for part in parts if part)[:_TEXT_MAX]


def cpu_features() -> tuple[str, ...]:
    """What the processor offers of the features that apps may ask for."""
    known = _cpu_facts()
    words = (known.get("flags") or known.get("Features") or "").split()
    named = {"sse3" if word == "pni" else word for word in words}
    return tuple(sorted(named & FEATURES))


def _cpu_name() -> str:
    return _cpu_facts().get("model name") or platform.processor()


@functools.lru_cache(maxsize=1)
def _cpu_facts() -> dict[str, str]:
    """What Linux tells of the first core."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return {}
    text = cpuinfo.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
