/* Uses everything that a checkpoint must keep: the C stack, the heap, open files and their
   positions, an unlinked file, a half-read folder, random bytes, the clock, standard error. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

__attribute__((import_module("idlegrid"), import_name("safepoint"))) void safepoint(void);
__attribute__((import_module("idlegrid"), import_name("progress"))) void progress(double);

static unsigned long sum;
static FILE *notes, *gone;

static double descend(int depth, double x) {
    double here[8];
    for (int i = 0; i < 8; i++) here[i] = x * (i + 1) + depth;
    if (depth > 0) x = descend(depth - 1, x * 0.999 + 0.5);
    safepoint();
    for (int i = 0; i < 8; i++) x += here[i] * 1e-3;
    return x;
}

int main(int argc, char **argv) {
    long rounds = argc > 1 ? atol(argv[1]) : 100;
    int depth = argc > 2 ? atoi(argv[2]) : 20;
    FILE *in = fopen("/in/words", "r");
    notes = fopen("/out/notes", "w+");
    gone = fopen("/out/gone", "w+");
    unlink("/out/gone");
    DIR *folder = opendir("/in/many");
    double x = 1;
    char word[64], **kept = NULL;
    for (long round = 0; round < rounds; round++) {
        x = descend(depth, x);
        unsigned char bytes[16];
        if (getentropy(bytes, sizeof bytes)) return 3;
        for (int i = 0; i < 16; i++) sum = sum * 31 + bytes[i];
        kept = realloc(kept, (round + 1) * sizeof *kept);
        kept[round] = malloc(200 + round % 1000);
        memset(kept[round], (int)round, 200 + round % 1000);
        if (fscanf(in, "%63s", word) != 1) { rewind(in); strcpy(word, "again"); }
        fprintf(notes, "%ld %s %.17g\n", round, word, x);
        if (round % 7 == 3) { fseek(notes, -3, SEEK_CUR); fflush(notes); }
        fprintf(gone, "%ld\n", round);
        fflush(gone);
        struct dirent *entry = readdir(folder);
        if (!entry) { rewinddir(folder); entry = readdir(folder); }
        fprintf(stderr, "%ld %s\n", round, entry->d_name);
        progress((double)round / rounds);
        volatile double burn = 0;
        for (int i = 0; i < 20000; i++) burn += i * x;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    for (long round = 0; round < rounds; round++) sum = sum * 17 + (unsigned char)kept[round][199];
    rewind(gone);
    long lines = 0;
    for (int c; (c = getc(gone)) != EOF;) lines += c == '\n';
    printf("%lu %ld %.17g %ld.%09ld\n", sum, lines, x, (long)now.tv_sec, now.tv_nsec);
    return fclose(notes) ? 1 : 0;
}
