/* Time, chance, waiting, arguments and variables: what must be the same on every host. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now(clockid_t clock) {
    struct timespec time;
    if (clock_gettime(clock, &time)) return -1;
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) printf("[%s]", argv[i]);
    printf("\n");
    for (char **variable = environ; *variable; variable++) printf("%s\n", *variable);

    time_t start = time(NULL);
    struct tm *date = gmtime(&start);
    printf("year %d day %d\n", date->tm_year + 1900, date->tm_yday);
    long long first = now(CLOCK_MONOTONIC), second = now(CLOCK_MONOTONIC);
    printf("a look takes %lld\n", second - first);
    struct timespec step;
    clock_getres(CLOCK_REALTIME, &step);
    printf("resolution %ld\n", step.tv_nsec);
    struct timespec nap = {3, 250000000};
    first = now(CLOCK_MONOTONIC);
    printf("nanosleep %d\n", nanosleep(&nap, NULL));
    printf("slept %lld\n", now(CLOCK_MONOTONIC) - first);
    first = now(CLOCK_REALTIME);
    usleep(1500);
    printf("slept %lld\n", now(CLOCK_REALTIME) - first);
    struct timeval day;
    gettimeofday(&day, NULL);
    printf("since the start %lld\n", (long long)(day.tv_sec - start));
    printf("unknown clock %lld\n", now((clockid_t)&day) == -1 && errno == EINVAL ? 1LL : 0LL);

    struct pollfd waits[2] = {{0, POLLIN, 0}, {1, POLLOUT, 0}};
    printf("poll %d", poll(waits, 2, 60000));
    printf(" in %d out %d\n", !!(waits[0].revents & POLLIN), !!(waits[1].revents & POLLOUT));

    unsigned char bytes[300];
    uint32_t mixed = 0;
    printf("entropy %d\n", getentropy(bytes, 256));
    for (int i = 0; i < 256; i++) mixed = mixed * 31 + bytes[i];
    printf("mixed %08x\n", mixed);
    printf("too much entropy %d\n", getentropy(bytes, 300));
    srand((unsigned)start);
    printf("rand %d %d\n", rand(), rand());
    printf("random %ld\n", random());
    printf("isatty %d %d %d\n", isatty(0), isatty(1), isatty(2));
    printf("stdin %d\n", getchar());
    setvbuf(stdout, NULL, _IONBF, 0);
    printf("without a buffer\n");
    fprintf(stderr, "said aside\n");
    exit(0);
}
