"""Which system calls a container may make: what native programs may, and what programs with
processes of their own need besides.

The engines' own lists differ; podman's lets a container make namespaces and mount in them. Form:
the JSON of ``--security-opt seccomp=`` (Docker seccomp profiles, OCI runtime specification).
"""

import json
from pathlib import Path

from idlegrid_shared.box.native.syscall import ALLOWED, ENOSYS, EOPNOTSUPP, EPERM

_MORE = (
    *("fork", "vfork", "execveat", "kill", "tkill", "tgkill", "prctl", "ioctl", "fcntl"),
    *("prlimit64", "setrlimit", "setpgid", "setsid", "getpgid", "getsid", "rt_sigqueueinfo"),
    *("chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "utime", "utimes"),
    *("utimensat", "futimesat", "link", "linkat", "symlink", "symlinkat", "mknod", "mknodat"),
    *("getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr"),
    *("setuid", "setgid", "setgroups", "setresuid", "setresgid", "setreuid", "setregid"),
    *("capget", "capset", "seccomp", "sched_setaffinity", "sched_setparam", "sched_setscheduler"),
    *("shmget", "shmat", "shmdt", "shmctl", "semget", "semop", "semctl", "semtimedop"),
    *("memfd_create", "inotify_init1", "inotify_add_watch", "inotify_rm_watch", "splice", "tee"),
    *("socketpair", "bind", "listen", "accept", "accept4", "connect", "getsockname"),
    *("getpeername", "sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg"),
    *("getsockopt", "setsockopt", "shutdown", "mlock", "munlock", "sync", "syncfs", "setitimer"),
    *("pselect6", "fstatfs", "statfs", "sysinfo", "pidfd_open", "pidfd_send_signal"),
)
_CLONE_NEW = 0x7E02_0000
_AF_UNIX = 1


def seccomp_profile() -> bytes:
    """The profile as JSON, always the same bytes."""
    names = sorted({*ALLOWED, *_MORE})
    none_new = {"index": 0, "value": _CLONE_NEW, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    local = {"index": 0, "value": _AF_UNIX, "op": "SCMP_CMP_EQ"}
    refused = {"action": "SCMP_ACT_ERRNO"}
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
        ],
        "syscalls": [
            {"names": names, "action": "SCMP_ACT_ALLOW"},
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [none_new]},
            {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [local]},
            {"names": ["clone3"], "errnoRet": ENOSYS, **refused},
            {"names": ["fallocate"], "errnoRet": EOPNOTSUPP, **refused},
        ],
    }
    return json.dumps(profile, sort_keys=True).encode()


def write_profile(folder: Path) -> Path:
    """The profile as a file in ``folder``, which is made; raises ``OSError``."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "seccomp.json"
    temporary = folder / ".seccomp.json.tmp"
    temporary.write_bytes(seccomp_profile())
    temporary.replace(path)
    return path
