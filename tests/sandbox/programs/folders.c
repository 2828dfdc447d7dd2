/* Folders as POSIX has them; see files.c. Names are sorted before they are printed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

static int by_name(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }

static void list(const char *path) {
    char *names[100];
    int count = 0;
    DIR *folder = opendir(path);
    if (!folder) {
        say(path, -1);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder));) names[count++] = strdup(entry->d_name);
    closedir(folder);
    qsort(names, count, sizeof *names, by_name);
    printf("%s:", path);
    for (int i = 0; i < count; i++) printf(" %s", names[i]);
    printf("\n");
}

static void touch(const char *path) { fclose(fopen(path, "w")); }

static void remove_all(const char *path) {
    DIR *folder = opendir(path);
    char name[300];
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        struct stat facts;
        stat(name, &facts);
        if (S_ISDIR(facts.st_mode)) remove_all(name);
        else if (unlink(name)) say(name, -1);
    }
    closedir(folder);
    say("removed a folder", rmdir(path));
}

int main(int argc, char **argv) {
    if (argc < 2 || chdir(argv[1])) return 2;
    struct stat facts;
    say("mkdir", mkdir("one", 0700));
    say("mkdir again", mkdir("one", 0700));
    say("mkdir in nothing", mkdir("no/where", 0700));
    say("mkdir deeper", mkdir("one/two/", 0700) | mkdir("one/two/three", 0700));
    touch("one/b");
    touch("one/a");
    touch("one/two/c");
    list("one");
    list("one/two/../two/.");
    list("nothing");
    list("one/a");
    say("is a folder", (stat("one/two", &facts), S_ISDIR(facts.st_mode)));
    say("rmdir of what is full", rmdir("one"));
    say("rmdir of a file", rmdir("one/a"));
    say("unlink of a file with a slash", unlink("one/a/"));
    say("rename a folder", rename("one/two", "two"));
    list("one");
    list("two");
    say("into itself", rename("two", "two/three/four"));
    say("over a full folder", rename("one", "two"));
    say("over an empty folder", rename("one", "two/three"));
    list("two/three");
    say("a file over a folder", rename("two/c", "two/three"));
    say("a folder over a file", rename("two/three", "two/c"));
    say("a file over a file", rename("two/three/a", "two/three/b"));
    say("a file to itself", rename("two/c", "two/c"));
    say("what is not there", rename("two/x", "two/y"));
    list("two/three");
    int folder = open("two", O_RDONLY | O_DIRECTORY);
    say("openat", openat(folder, "c", O_RDONLY) >= 0);
    say("fstatat", fstatat(folder, "three", &facts, 0));
    say("mkdirat", mkdirat(folder, "made", 0700));
    say("unlinkat", unlinkat(folder, "made", AT_REMOVEDIR));
    say("openat a file as a folder", openat(folder, "c", O_RDONLY | O_DIRECTORY));
    close(folder);

    mkdir("many", 0700);
    for (int i = 0; i < 60; i++) {
        char name[30];
        snprintf(name, sizeof name, "many/f%d", i * 7 % 60);
        touch(name);
    }
    DIR *many = opendir("many");
    int count = 0;
    while (readdir(many)) count++;
    say("entries", count);
    rewinddir(many);
    count = 0;
    while (readdir(many)) count++;
    say("entries again", count);
    closedir(many);
    remove_all("many");
    remove_all("two");
    list(".");
    return 0;
}
