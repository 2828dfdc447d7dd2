"""Which system calls a native program may make: a list of what is allowed, all else is refused.

A program that computes needs memory, its own files, threads, time and little more. What is not here
(sockets, new processes, mounts, debugging, shared memory, changes of owners and modes, devices)
gets EPERM. Numbers: the kernel's ``asm/unistd_64.h`` (x86-64) and ``asm-generic/unistd.h``
(aarch64); BPF: ``linux/bpf_common.h``, ``linux/seccomp.h``.
"""

import struct

EPERM, ENOTTY, ENOSYS, EOPNOTSUPP = 1, 25, 38, 95

_ARCHITECTURE = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}

#: Allowed whatever the arguments: name → (x86-64, aarch64), None where it does not exist.
ALLOWED: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "preadv": (295, 69),
    "pwritev": (296, 70),
    "preadv2": (327, 286),
    "pwritev2": (328, 287),
    "open": (2, None),
    "openat": (257, 56),
    "openat2": (437, 437),
    "close": (3, 57),
    "close_range": (436, 436),
    "lseek": (8, 62),
    "stat": (4, None),
    "lstat": (6, None),
    "fstat": (5, 80),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getdents": (78, None),
    "getdents64": (217, 61),
    "getcwd": (79, 17),
    "chdir": (80, 49),
    "fchdir": (81, 50),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "truncate": (76, 45),
    "ftruncate": (77, 46),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "sync_file_range": (277, 84),
    "flock": (73, 32),
    "umask": (95, 166),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "pipe": (22, None),
    "pipe2": (293, 59),
    "poll": (7, None),
    "ppoll": (271, 73),
    "select": (23, None),
    "pselect6": (270, 72),
    "epoll_create": (213, None),
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_wait": (232, None),
    "epoll_pwait": (281, 22),
    "epoll_pwait2": (441, 441),
    "eventfd": (284, None),
    "eventfd2": (290, 19),
    "signalfd4": (289, 74),
    "timerfd_create": (283, 85),
    "timerfd_settime": (286, 86),
    "timerfd_gettime": (287, 87),
    "sendfile": (40, 71),
    "copy_file_range": (326, 285),
    "fadvise64": (221, 223),
    "readahead": (187, 213),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "msync": (26, 227),
    "brk": (12, 214),
    "mincore": (27, 232),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "rt_sigpending": (127, 136),
    "rt_sigtimedwait": (128, 137),
    "rt_sigsuspend": (130, 133),
    "sigaltstack": (131, 132),
    "pause": (34, None),
    "alarm": (37, None),
    "getitimer": (36, 102),
    "setitimer": (38, 103),
    "timer_create": (222, 107),
    "timer_settime": (223, 110),
    "timer_gettime": (224, 108),
    "timer_getoverrun": (225, 109),
    "timer_delete": (226, 111),
    "futex": (202, 98),
    "set_tid_address": (218, 96),
    "set_robust_list": (273, 99),
    "get_robust_list": (274, 100),
    "rseq": (334, 293),
    "membarrier": (324, 283),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120),
    "sched_get_priority_max": (146, 125),
    "sched_get_priority_min": (147, 126),
    "getcpu": (309, 168),
    "getpriority": (140, 141),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "wait4": (61, 260),
    "waitid": (247, 95),
    "execve": (59, 221),
    "restart_syscall": (219, 128),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getppid": (110, 173),
    "getpgrp": (111, None),
    "getpgid": (121, 155),
    "getsid": (124, 156),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getresuid": (118, 148),
    "getresgid": (120, 150),
    "getgroups": (115, 158),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "times": (100, 153),
    "getrusage": (98, 165),
    "getrlimit": (97, 163),
    "getrandom": (318, 278),
    "sysinfo": (99, 179),
    "uname": (63, 160),
    "arch_prctl": (158, None),
}

#: Allowed for some arguments only, or refused with an error that libraries know what to do about.
CHECKED: dict[str, tuple[int, int]] = {
    "clone": (56, 220),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
    "fcntl": (72, 25),
    "prctl": (157, 167),
    "ioctl": (16, 29),
    "clone3": (435, 435),
    "fallocate": (285, 47),
}

_CLONE_THREAD = 0x0001_0000
#: CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
_CLONE_NEW = 0x7E02_0080
#: F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, the OFD locks,
#: F_DUPFD_CLOEXEC. Not F_SETOWN and F_SETSIG, by which a file can send any signal to anybody.
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030)
_PRCTL = (15, 16)  # PR_SET_NAME, PR_GET_NAME

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_NUMBER_AT, _ARCH_AT, _ARGS_AT = 0, 4, 16
_X32 = 0x4000_0000

_Step = tuple[int, int, int, int]


def native_filter(machine: str, own_pid: int) -> bytes:
    """The seccomp filter for programs of a machine type, as BPF instructions.

    ``own_pid``: the only process that signals may go to. Raises ``ValueError`` for a machine type
    that has no list here.
    """
    column = list(_ARCHITECTURE).index(machine)
    steps: list[_Step] = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_JUMP_EQUAL, 1, 0, _ARCHITECTURE[machine]),
        (_RETURN, 0, 0, _KILL),  # a call of the 32-bit table
        (_LOAD, 0, 0, _NUMBER_AT),
        (_JUMP_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _ERRNO | ENOSYS),
    ]
    for numbers in ALLOWED.values():
        number = numbers[column]
        if number is not None:
            steps += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for name, answer in _answers(own_pid).items():
        steps += [(_JUMP_EQUAL, 0, len(answer), CHECKED[name][column]), *answer]
    steps.append((_RETURN, 0, 0, _ERRNO | EPERM))
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


def _answers(own_pid: int) -> dict[str, list[_Step]]:
    """What follows once the number of a checked call was recognised; each ends in a verdict."""
    to_itself = _if_one_of(0, (own_pid,))
    return {
        # A program is one process, with as many threads as it likes: nothing of it outlives it.
        "clone": [
            (_LOAD, 0, 0, _ARGS_AT),
            (_JUMP_ANY_BIT, 1, 0, _CLONE_NEW),
            (_JUMP_ANY_BIT, 1, 0, _CLONE_THREAD),
            (_RETURN, 0, 0, _ERRNO | EPERM),
            (_RETURN, 0, 0, _ALLOW),
        ],
        "kill": to_itself,
        "tkill": to_itself,
        "tgkill": to_itself,
        "prlimit64": _if_one_of(0, (0,)),
        "fcntl": _if_one_of(1, _FCNTL),
        "prctl": _if_one_of(0, _PRCTL),
        "ioctl": [(_RETURN, 0, 0, _ERRNO | ENOTTY)],
        # Its flags lie in memory, where a filter cannot look; libraries then take clone.
        "clone3": [(_RETURN, 0, 0, _ERRNO | ENOSYS)],
        # It can take room beyond a file's size, past the limit of file sizes.
        "fallocate": [(_RETURN, 0, 0, _ERRNO | EOPNOTSUPP)],
    }


def _if_one_of(argument: int, values: tuple[int, ...]) -> list[_Step]:
    """Allow the call if its argument's low word is one of ``values``, else EPERM."""
    steps: list[_Step] = [(_LOAD, 0, 0, _ARGS_AT + 8 * argument)]
    for value in values:
        steps += [(_JUMP_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    steps.append((_RETURN, 0, 0, _ERRNO | EPERM))
    return steps
