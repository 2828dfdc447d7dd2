/* A tour of what an ordinary C program does: files, folders, time, random numbers, variables. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void list(const char *path) {
    DIR *folder = opendir(path);
    if (!folder) {
        printf("%s: errno %d\n", path, errno);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(folder))) printf("%s has %s\n", path, entry->d_name);
    closedir(folder);
}

static void escape(const char *path) {
    errno = 0;
    int reading = open(path, O_RDONLY);
    printf("read %s: %s\n", path, reading >= 0 ? "OPEN" : strerror(errno));
    errno = 0;
    int writing = open(path, O_WRONLY | O_CREAT, 0600);
    printf("write %s: %s\n", path, writing >= 0 ? "OPEN" : strerror(errno));
}

int main(int argc, char **argv) {
    for (int i = 0; i < argc; i++) printf("argument %d is %s\n", i, argv[i]);
    printf("COLOUR is %s\n", getenv("COLOUR") ? getenv("COLOUR") : "unset");

    char line[100];
    while (fgets(line, sizeof line, stdin)) printf("stdin says %s", line);
    FILE *in = fopen("/in/deep/data.txt", "r");
    if (!in || !fgets(line, sizeof line, in)) return 3;
    fclose(in);
    printf("input says %s\n", line);

    if (mkdir("/out/sub", 0700)) return 4;
    FILE *out = fopen("/out/sub/first.txt", "w+");
    if (!out) return 5;
    fprintf(out, "0123456789");
    fseek(out, 4, SEEK_SET);
    fprintf(out, "xy");
    rewind(out);
    if (!fgets(line, sizeof line, out)) return 6;
    printf("file says %s\n", line);
    fclose(out);
    if (rename("/out/sub/first.txt", "/out/sub/second.txt")) return 7;
    FILE *more = fopen("/out/sub/second.txt", "a");
    fprintf(more, "-end");
    fclose(more);
    FILE *scratch = fopen("/out/scratch", "w");
    fprintf(scratch, "gone");
    fclose(scratch);
    if (unlink("/out/scratch")) return 8;
    struct stat facts;
    if (stat("/out/sub/second.txt", &facts)) return 9;
    printf("size %lld mtime %lld\n", (long long)facts.st_size, (long long)facts.st_mtime);

    list("/");
    list("/in");
    list("/out/sub");
    list("/etc");
    escape("/in/deep/data.txt");
    escape("/etc/passwd");
    escape("/in/../../etc/passwd");
    escape("/out/../../../etc/passwd");
    escape("/in/nothing");
    escape("/out/../in/new");
    printf("symlink %d link %d\n", symlink("/etc", "/out/l"), link("/in/deep/data.txt", "/out/h"));

    unsigned char bytes[8];
    if (getentropy(bytes, sizeof bytes)) return 10;
    for (int i = 0; i < 8; i++) printf("%02x", bytes[i]);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    printf("\ntime %lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
    sleep(5);
    clock_gettime(CLOCK_REALTIME, &now);
    printf("time %lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
    fprintf(stderr, "tour done\n");
    return 0;
}
