/* A program that does what it must not. `escapes` tries every door and writes down, in out/told,
   which of them opened; every other way of running it is one misdeed that its limits must end.
   Nothing here harms a machine even if a wall should have a hole: signals are 0, files are the
   test's own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static FILE *told;

static void door(const char *name, long result) {
    fprintf(told, "%s %s %d\n", result >= 0 ? "open" : "shut", name, result >= 0 ? 0 : errno);
    fflush(told);
    if (result < 0) errno = 0;
}

static void reading(const char *name, const char *path) {
    char byte;
    int file = open(path, O_RDONLY | O_NONBLOCK);
    door(name, file < 0 ? -1 : read(file, &byte, 1) > 0 ? 0 : (errno = EIO, -1));
    if (file >= 0) close(file);
}

static void sockets(void) {
    door("tcp", socket(AF_INET, SOCK_STREAM, 0));
    door("udp", socket(AF_INET, SOCK_DGRAM, 0));
    door("tcp6", socket(AF_INET6, SOCK_STREAM, 0));
    door("udp6", socket(AF_INET6, SOCK_DGRAM, 0));
    door("unix", socket(AF_UNIX, SOCK_STREAM, 0));
    door("unix-datagram", socket(AF_UNIX, SOCK_DGRAM, 0));
    door("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
    door("packet", socket(AF_PACKET, SOCK_RAW, 0));
    door("vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
    int pair[2];
    door("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    char ring[512] = {0};
    door("io_uring", syscall(425, 8, ring));
}

static void processes(pid_t parent) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    door("fork", child);
    child = syscall(SYS_clone, SIGCHLD | CLONE_VM | CLONE_VFORK, 0, 0, 0, 0);
    if (child == 0) _exit(0);
    door("vfork", child);
    unsigned long long wanted[11] = {0};
    wanted[4] = SIGCHLD;
    child = syscall(435, wanted, sizeof wanted);
    if (child == 0) _exit(0);
    door("clone3", child);
    door("new-user-namespace", unshare(CLONE_NEWUSER));
    door("new-mount-namespace", unshare(CLONE_NEWNS));
    door("new-pid-namespace", unshare(CLONE_NEWPID));
    char *shell[] = {"/bin/sh", "-c", "true", NULL};
    int error = posix_spawn(&child, "/bin/sh", NULL, NULL, shell, environ);
    door("spawn", error ? (errno = error, -1) : 0);
    door("exec-shell", execv("/bin/sh", shell));
    door("signal-parent", parent == getppid() || kill(parent, 0) ? (errno = EPERM, -1) : 0);
    door("signal-all", kill(-1, 0) == 0 ? 0 : -1);
    door("signal-init", kill(1, SIGURG));
    door("pidfd", syscall(434, parent, 0));
    door("ptrace-parent", ptrace(PTRACE_SEIZE, parent, 0, 0));
    door("ptrace-me", ptrace(PTRACE_TRACEME, 0, 0, 0));
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)environ, 1};
    door("read-parent", process_vm_readv(parent, &here, 1, &there, 1, 0));
    struct rlimit limit;
    door("limit-parent", prlimit(parent, RLIMIT_CPU, NULL, &limit));
    int own = open("out/told", O_RDONLY);
    door("signal-by-file", fcntl(own, F_SETOWN, parent));
    door("terminal-input", ioctl(0, TIOCSTI, "x") == 0 || ioctl(2, TIOCSTI, "x") == 0 ? 0 : -1);
    door("dumpable", prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
}

static void rights(void) {
    door("nice", setpriority(PRIO_PROCESS, 0, -5));
    struct sched_param fast = {.sched_priority = 1}, idle = {0};
    door("real-time", sched_setscheduler(0, SCHED_FIFO, &fast));
    door("normal-time", sched_setscheduler(0, SCHED_OTHER, &idle));
    door("ioprio", syscall(SYS_ioprio_set, 1, 0, 2 << 13));
    door("become-root", setuid(0) == 0 && geteuid() == 0 && setgid(0) == 0 ? 0 : -1);
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = limit.rlim_max = limit.rlim_max * 2;
    door("raise-limit", setrlimit(RLIMIT_FSIZE, &limit));
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    door("set-clock", clock_settime(CLOCK_REALTIME, &now));
    door("set-name", sethostname("hostile", 7));
    door("mount", mount("none", "out", "tmpfs", 0, NULL));
    door("unmount", umount2("in", MNT_DETACH));
    door("chroot", chroot("out"));
    door("bpf", syscall(SYS_bpf, 0, NULL, 0) >= 0 || errno != EPERM ? 0 : -1);
    char attributes[128] = {0};
    attributes[4] = sizeof attributes;
    door("perf", syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0));
    door("keys", syscall(SYS_keyctl, 0, -3, 0));
    door("userfault", syscall(SYS_userfaultfd, 0));
    door("shared-memory", shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600));
    door("messages", msgget(IPC_PRIVATE, IPC_CREAT | 0600));
    door("memory-file", memfd_create("x", 0));
    door("kernel-log", syscall(SYS_syslog, 10, NULL, 0));
    door("personality", syscall(SYS_personality, 0x0040000));
    door("fallocate", fallocate(fileno(told), FALLOC_FL_KEEP_SIZE, 0, 1 << 20));
}

static void files(const char *canary, pid_t parent) {
    char path[4096];
    reading("passwd", "/etc/passwd");
    reading("shadow", "/etc/shadow");
    reading("canary", canary);
    snprintf(path, sizeof path, "in/../../../../../../../../../../../..%s", canary);
    reading("canary-by-dots", path);
    snprintf(path, sizeof path, "out/../../outside/canary");
    reading("canary-from-out", path);
    snprintf(path, sizeof path, "/proc/self/root%s", canary);
    reading("canary-by-proc", path);
    reading("own-environment", "/proc/self/environ");
    snprintf(path, sizeof path, "/proc/%d/environ", parent);
    reading("environment-of-parent", path);
    snprintf(path, sizeof path, "/proc/%d/mem", parent);
    reading("memory-of-parent", path);
    reading("environment-of-init", "/proc/1/environ");
    reading("memory-device", "/dev/mem");
    reading("kernel-messages", "/dev/kmsg");
    reading("terminal", "/dev/tty");
    reading("disk-device", "/dev/vda");
    reading("kernel-settings", "/proc/sys/kernel/hostname");
    reading("system", "/sys/kernel/uevent_seqnum");
    door("folder-of-canary", open(canary, O_DIRECTORY | O_RDONLY));
    snprintf(path, sizeof path, "%s.mine", canary);
    door("write-beside", open(path, O_CREAT | O_WRONLY, 0600));
    door("write-canary", open(canary, O_WRONLY));
    door("truncate-canary", truncate(canary, 0));
    door("remove-canary", unlink(canary));
    door("rename-canary", rename(canary, "out/canary"));
    door("link-canary", link(canary, "out/canary"));
    door("chmod-canary", chmod(canary, 0777));
    door("chown-canary", chown(canary, 1, 1));
    door("touch-canary", utimensat(AT_FDCWD, canary, NULL, 0));
    door("attribute-of-canary", setxattr(canary, "user.x", "y", 1, 0));
    door("write-tmp", open("/tmp/idlegrid-hostile", O_CREAT | O_WRONLY, 0600));
    door("unnamed-in-tmp", open("/tmp", O_TMPFILE | O_RDWR, 0600));
    door("unnamed-in-shm", open("/dev/shm", O_TMPFILE | O_RDWR, 0600));
    door("write-root", open("/hostile", O_CREAT | O_WRONLY, 0600));
    door("write-input", open("in/own", O_WRONLY));
    door("new-input", open("in/new", O_CREAT | O_WRONLY, 0600));
    door("remove-input", unlink("in/own"));
    door("rename-input", rename("in/own", "out/own"));
    door("link-input", link("in/own", "out/own"));
    door("chmod-input", chmod("in/own", 0777));
    door("write-program", open("program", O_WRONLY));
    door("symlink", symlink(canary, "out/link"));
    door("fifo", mkfifo("out/fifo", 0600));
    door("device", mknod("out/device", S_IFCHR | 0600, 0x0103));
    door("socket-file", mknod("out/socket", S_IFSOCK | 0600, 0));
}

static void *idle(void *nothing) {
    (void)nothing;
    for (;;) pause();
}

static void threads(void) {
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 16384);
    for (;;) {
        pthread_t thread;
        if (pthread_create(&thread, &small, idle, NULL)) pause();
    }
}

static void memory(int flags) {
    for (;;) {
        char *block = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED) exit(9);
        memset(block, 1, 1 << 20);
    }
}

static int deep(int n) {
    volatile char room[4096];
    room[0] = (char)n;
    return deep(n + 1) + room[0];
}

static void disk(const char *how) {
    static char block[1 << 16];
    char name[64];
    for (int n = 0;; n++) {
        snprintf(name, sizeof name, "out/%d", strcmp(how, "disk-one") ? n : 0);
        int file = open(name, O_CREAT | O_WRONLY | O_APPEND, 0600);
        if (file < 0) pause();
        if (!strcmp(how, "disk-deleted")) unlink(name);
        for (int i = 0; i < (strcmp(how, "disk-names") ? 4 : 0); i++)
            if (write(file, block, sizeof block) < 0) pause();
        if (strcmp(how, "disk-deleted")) close(file);
    }
}

static void folders(int inside) {
    char name[64];
    if (inside && chdir("out")) exit(9);
    for (int n = 0;; n++) {
        snprintf(name, sizeof name, inside ? "d" : "out/d%d", n);
        if (mkdir(name, 0700) || (inside && chdir(name))) pause();
    }
}

int main(int count, char **args) {
    const char *how = count > 1 ? args[1] : "";
    if (!strcmp(how, "escapes")) {
        told = fopen("out/told", "w");
        reading("own-input", "in/own");
        files(args[2], atoi(args[3]));
        sockets();
        processes(atoi(args[3]));
        rights();
        fputs("end\n", told);
        return fclose(told);
    }
    if (!strcmp(how, "environment")) {
        FILE *out = fopen("out/environment", "w");
        for (char **entry = environ; *entry; entry++) fprintf(out, "%s\n", *entry);
        for (int i = 0; i < count; i++) fprintf(out, "arg %s\n", args[i]);
        fprintf(out, "nice %d\n", getpriority(PRIO_PROCESS, 0));
        for (int fd = 3; fd < 1024; fd++)
            if (fd != fileno(out) && fcntl(fd, F_GETFD) >= 0) fprintf(out, "fd %d\n", fd);
        return fclose(out);
    }
    if (!strcmp(how, "memory")) memory(MAP_PRIVATE);
    if (!strcmp(how, "memory-shared")) memory(MAP_SHARED);
    if (!strcmp(how, "block")) return malloc((size_t)3 << 30) == NULL ? 9 : 0;
    if (!strcmp(how, "stack")) return deep(0);
    if (!strncmp(how, "disk", 4)) disk(how);
    if (!strcmp(how, "folders")) folders(0);
    if (!strcmp(how, "folders-deep")) folders(1);
    if (!strcmp(how, "threads")) threads();
    if (!strcmp(how, "stdout"))
        for (;;)
            if (puts("a line of text that has no end and goes on and on") < 0) pause();
    if (!strcmp(how, "stderr")) {
        for (long n = 0; n < 200000; n++) fprintf(stderr, "line %ld of the bomb\n", n);
        return 0;
    }
    if (!strcmp(how, "spin"))
        for (;;) __asm__ volatile("");
    if (!strcmp(how, "stop")) kill(getpid(), SIGSTOP);
    if (!strcmp(how, "sleep"))
        for (;;) pause();
    if (!strcmp(how, "deaf")) {
        for (int n = 1; n < 64; n++) signal(n, SIG_IGN);
        for (;;) pause();
    }
    if (!strcmp(how, "segv")) *(volatile int *)8 = 1;
    if (!strcmp(how, "abort")) abort();
    if (!strcmp(how, "divide")) raise(SIGFPE);
    if (!strcmp(how, "exit")) return atoi(args[2]);
    if (!strcmp(how, "kill-self")) kill(getpid(), SIGKILL);
    if (!strcmp(how, "forge")) {
        for (int fd = 3; fd < 64; fd++) dprintf(fd, "{\"exit-code\": 0, \"ready\": true}\n");
        return 9;
    }
    if (!strcmp(how, "closed")) {
        mkdir("out/closed", 0700);
        fclose(fopen("out/closed/file", "w"));
        return open("out/shut", O_CREAT | O_WRONLY, 0) < 0;
    }
    if (!strcmp(how, "bad-name")) return open("out/a\nb", O_CREAT | O_WRONLY, 0600) < 0;
    if (!strcmp(how, "count")) {
        const char *path = getenv("IDLEGRID_PROGRESS");
        for (int n = 0;; n++) {
            FILE *progress = fopen(path, "w");
            fprintf(progress, "%.6f\n", n / 10000.0);
            fclose(progress);
            struct timespec pause_for = {0, 2000000};
            nanosleep(&pause_for, NULL);
        }
    }
    return 0;
}
