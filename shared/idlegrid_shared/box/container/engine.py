"""Finding podman or docker, and asking it: commands with a time limit, never a shell."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

Kind = Literal["podman", "docker"]

CALL_S_MAX = 60.0
LOAD_S_MAX = 1_800.0
PROCESSES_MAX = 64
OPEN_FILES_MAX = 256
#: Of the container's own user on the whole machine; the limit of each container is below.
USER_PROCESSES_MAX = 1024
TMP_BYTES = 64 * 1024**2
#: Ids that no user of the machine has; root starts containers with these in place of its own.
FOREIGN_ID = 1_879_048_192
IDS = 65_536

#: What every container is run with.
CONTAINED = (
    *("--pull", "never", "--network", "none", "--read-only", "--cap-drop", "all"),
    *("--security-opt", "no-new-privileges", "--log-driver", "none", "--hostname", "idlegrid"),
    *("--ipc", "private", "--workdir", "/", "--init=false"),
)


class EngineError(OSError):
    """The engine refuses; the message is what it said."""


class Said(NamedTuple):
    """What came of a command."""

    code: int
    out: str
    said: str  # the last line that it complained with


class Engine(msgspec.Struct, frozen=True):
    """One way of running containers here."""

    kind: Kind
    command: tuple[str, ...]

    def at(self, store: Path) -> "Engine":
        """The same engine with its images in a folder of ours; docker has one place for all."""
        if self.kind == "docker":
            return self
        places = ("--root", str(store / "images"), "--runroot", str(run_folder(store)))
        return msgspec.structs.replace(self, command=(self.command[0], *places, *self.command[1:]))

    def call(self, *words: str, timeout_s: float = CALL_S_MAX, check: bool = True) -> Said:
        """Run a command of the engine; raises :class:`EngineError`."""
        try:
            done = subprocess.run(
                [*self.command, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_s,
                env=engine_environment(),
                cwd="/",
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            text = f"`{self.kind} {words[0]}` took more than {timeout_s:.0f} s"
            raise EngineError(text) from error
        except OSError as error:
            raise EngineError(f"{self.kind} cannot be started: {error.strerror}") from error
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        said = lines[-1][:400] if lines else ""
        if check and done.returncode != 0:
            raise EngineError(said or f"`{self.kind} {words[0]}` ended with {done.returncode}")
        return Said(done.returncode, done.stdout.decode("utf-8", "replace"), said)

    def has_image(self, image: str) -> bool:
        """Whether the image of that id is in the store."""
        return self.call("image", "inspect", image, check=False).code == 0

    def load(self, archive: Path, image: str) -> None:
        """Take the image out of its archive; raises :class:`EngineError`."""
        if self.has_image(image):
            return
        self.call("load", "--input", str(archive), timeout_s=LOAD_S_MAX)
        if not self.has_image(image):
            raise EngineError(f"the archive did not hold the image {image[:26]}…")

    def remove_image(self, image: str) -> None:
        """Let go of an image, if it is there and not in use."""
        with contextlib.suppress(EngineError):
            self.call("rmi", "--force", image, check=False)

    def remove_container(self, name: str) -> None:
        """End a container and forget it, if there is one of that name."""
        with contextlib.suppress(EngineError):
            self.call(*self.removal(name), check=False)

    def removal(self, name: str) -> tuple[str, ...]:
        """The words that end a container at once."""
        return ("rm", "--force", *(("--time", "0") if self.kind == "podman" else ()), name)

    def clear(self, store: Path) -> None:
        """Remove a store of ours with all that is in it."""
        if self.kind == "podman":
            with contextlib.suppress(EngineError):
                self.call("rm", "--all", "--force", check=False)
                self.call("rmi", "--all", "--force", check=False)
            for folder in (store, run_folder(store)):
                shutil.rmtree(folder, ignore_errors=True)

    def first_process(self, name: str) -> int | None:
        """The host's number of a running container's first process."""
        with contextlib.suppress(EngineError, ValueError, LookupError, TypeError):
            found = json.loads(self.call("inspect", name).out)
            pid = int(found[0]["State"]["Pid"])
            return pid if pid > 0 else None
        return None


def run_folder(store: Path) -> Path:
    """Where podman keeps what lasts no longer than the system runs; its path must be short."""
    if os.geteuid() == 0:
        place = Path("/run")
    else:
        place = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    digest = hashlib.sha256(str(store.absolute()).encode()).hexdigest()[:12]
    return place / f"idlegrid-{os.geteuid()}-{digest}"


def engine_environment() -> dict[str, str]:
    """What engines need to find the user's own settings; no proxies, no secrets."""
    kept = ("PATH", "HOME", "USER", "XDG_RUNTIME_DIR", "DOCKER_HOST", "DBUS_SESSION_BUS_ADDRESS")
    return {"LANG": "C.UTF-8"} | {name: os.environ[name] for name in kept if name in os.environ}


def candidates() -> Iterator[Engine]:
    """The engines that are installed, each in the ways it may work, the best first.

    Not every runtime and store works with every kernel: a machine with both kinds of cgroups wants
    runc, a folder on some disks the plain store.
    """
    podman = shutil.which("podman")
    if podman is not None:
        base = (podman, "--events-backend", "none")
        managers: tuple[tuple[str, ...], ...] = ((), ("--cgroup-manager", "cgroupfs"))
        for runtime in (None, "runc", "crun"):
            if runtime is not None and shutil.which(runtime) is None:
                continue
            chosen = () if runtime is None else ("--runtime", runtime)
            for manager in managers:
                for driver in ((), ("--storage-driver", "vfs")):
                    yield Engine("podman", (*base, *chosen, *manager, *driver))
    docker = shutil.which("docker")
    if docker is not None:
        yield Engine("docker", (docker,))


def run_options(
    engine: Engine, name: str, profile: Path, *, memory_bytes: int, file_bytes: int, cpu_s: int
) -> list[str]:
    """The options of ``run`` for every container: walls and limits.

    ``profile``: the file that says which system calls are allowed.
    """
    options = ["--rm", "--name", name, *CONTAINED, "--security-opt", f"seccomp={profile}"]
    options += ["--memory", str(memory_bytes), "--memory-swap", str(memory_bytes), "--cpus", "1"]
    options += ["--pids-limit", str(PROCESSES_MAX)]
    for what, value in (
        ("nofile", OPEN_FILES_MAX),
        ("nproc", USER_PROCESSES_MAX),
        ("core", 0),
        ("fsize", file_bytes),
        ("cpu", cpu_s),
    ):
        options += ["--ulimit", f"{what}={value}:{value}"]
    options += ["--tmpfs", f"/tmp:rw,nosuid,nodev,noexec,size={TMP_BYTES}"]  # noqa: S108 (inside)
    if engine.kind == "podman":
        options += ["--read-only-tmpfs=false"]
        if os.geteuid() == 0:
            mapping = f"0:{FOREIGN_ID}:{IDS}"
            options += ["--uidmap", mapping, "--gidmap", mapping]
    else:
        options += ["--user", f"{owner_inside(engine)}:{owner_inside(engine)}"]
    return options


def owner_inside(engine: Engine) -> int:
    """Who owns the folders of a run on this side, so that the container may use them."""
    if os.geteuid() != 0:
        return os.getuid()
    return FOREIGN_ID if engine.kind == "podman" else 65_534
