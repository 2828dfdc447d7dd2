/* Files as POSIX has them. argv[1] is the folder to work in; what is printed must be the same on any
   POSIX system, so that a native build shows what to expect. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *errno_name(void) {
    static const struct { int number; const char *name; } known[] = {
        {EBADF, "EBADF"}, {EEXIST, "EEXIST"}, {EINVAL, "EINVAL"}, {EISDIR, "EISDIR"},
        {ENAMETOOLONG, "ENAMETOOLONG"}, {ENOENT, "ENOENT"}, {ENOTDIR, "ENOTDIR"},
        {ENOTEMPTY, "ENOTEMPTY"}, {ESPIPE, "ESPIPE"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].number == errno) return known[i].name;
    return "another error";
}

static void say(const char *what, long result) {
    printf("%s: %ld%s%s\n", what, result, result < 0 ? " " : "", result < 0 ? errno_name() : "");
}

static void dump(const char *what, int fd) {
    unsigned char bytes[64];
    ssize_t size = pread(fd, bytes, sizeof bytes, 0);
    printf("%s holds", what);
    for (ssize_t i = 0; i < size; i++) printf(bytes[i] < 32 ? " %02x" : " %c", bytes[i]);
    printf("\n");
}

int main(int argc, char **argv) {
    if (argc < 2 || chdir(argv[1])) return 2;
    struct stat facts;
    char text[64] = {0};

    int fd = open("a", O_RDWR | O_CREAT | O_EXCL, 0600);
    say("made", fd >= 0);
    say("made again", open("a", O_RDWR | O_CREAT | O_EXCL, 0600));
    say("write", write(fd, "0123456789", 10));
    say("seek back", lseek(fd, -3, SEEK_END));
    say("read", read(fd, text, 60));
    printf("read %s\n", text);
    say("read at the end", read(fd, text, 60));
    say("seek before the start", lseek(fd, -1, SEEK_SET));
    say("pwrite", pwrite(fd, "AB", 2, 3));
    say("position", lseek(fd, 0, SEEK_CUR));
    say("cut", ftruncate(fd, 5));
    dump("a", fd);
    say("write after the cut", write(fd, "!", 1));
    dump("a", fd);
    say("lengthen", ftruncate(fd, 13));
    dump("a", fd);
    say("cut to less than nothing", ftruncate(fd, -1));
    say("size", (fstat(fd, &facts), (long)facts.st_size));
    say("regular", S_ISREG(facts.st_mode));
    say("allocate", posix_fallocate(fd, 10, 10));
    say("size", (fstat(fd, &facts), (long)facts.st_size));

    int more = open("a", O_WRONLY | O_APPEND);
    say("seek does not matter", lseek(more, 0, SEEK_SET));
    say("append", write(more, "end", 3));
    say("position", lseek(more, 0, SEEK_CUR));
    say("read what is only written", read(more, text, 1));
    int again = open("a", O_RDONLY);
    say("write what is only read", write(again, "x", 1));
    struct iovec parts[3] = {{text, 2}, {text + 10, 0}, {text + 20, 3}};
    memset(text, '.', 30);
    say("read into parts", readv(again, parts, 3));
    printf("parts %.2s %.3s\n", text, text + 20);
    say("seek by nothing known", lseek(again, 0, 77));
    close(again);
    say("read what is closed", read(again, text, 1));
    close(more);

    say("rename", rename("a", "b"));
    say("open the old name", open("a", O_RDONLY));
    say("the open file lives on", pread(fd, text, 5, 0));
    say("unlink", unlink("b"));
    say("unlink again", unlink("b"));
    say("still open", (fstat(fd, &facts), (long)facts.st_size));
    close(fd);

    FILE *file = fopen("c", "w+");
    for (int i = 0; i < 2000; i++) fprintf(file, "line %d\n", i);
    rewind(file);
    long sum = 0, number;
    while (fscanf(file, "line %ld\n", &number) == 1) sum += number;
    say("sum of the lines", sum);
    fseek(file, -9, SEEK_END);
    say("fgets", fgets(text, sizeof text, file) != NULL);
    printf("last %s", text);
    say("end", feof(file) || fgetc(file) == EOF);
    ungetc('u', file);
    say("pushed back", fgetc(file));
    fclose(file);
    file = freopen("c", "r", fopen("d", "w"));
    say("freopen", file != NULL && fgetc(file) == 'l');
    fclose(file);
    say("hole", (file = fopen("e", "w"), fseek(file, 5000, SEEK_SET), fputc('x', file), fclose(file)));
    say("size", (stat("e", &facts), (long)facts.st_size));
    say("access", access("e", R_OK | W_OK));
    say("access of nothing", access("f", R_OK));
    say("open with a slash", open("e/", O_RDONLY));
    say("below a file", open("e/x", O_RDONLY));
    char long_name[301];
    memset(long_name, 'n', 300);
    long_name[300] = 0;
    say("too long a name", open(long_name, O_RDONLY));
    say("folder to write", open(".", O_WRONLY));
    say("folder as a file", (fd = open(".", O_RDONLY)) >= 0 ? read(fd, text, 1) : -1);
    return 0;
}
