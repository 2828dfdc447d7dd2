/* How alike are two proteins, and would chance make them so? Local alignment with affine gaps.
 *
 * globins FIRST SECOND SHUFFLES SEED
 * /in/globins.txt    NAME SEQUENCE, one protein a line
 * /in/blosum62.txt   scores of pairs of amino acids
 * /out/scores.csv    shuffle,score   0: the second protein as it is; k > 0: in a random order
 * /out/alignment.txt the aligned parts of both, with - for gaps
 *
 * T. F. Smith, M. S. Waterman, J. Mol. Biol. 147, 195 (1981); gaps after O. Gotoh, J. Mol. Biol.
 * 162, 705 (1982); opening a gap costs 11 for its first place and 1 for each further one.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "idlegrid.h"

enum { LENGTH_MAX = 2048, LETTERS = 26, OPEN = 11, EXTEND = 1, LOW = -1000000 };
enum { FROM_NONE, FROM_PAIR, FROM_UP, FROM_LEFT };

static int score_of[LETTERS][LETTERS];
static unsigned char first[LENGTH_MAX], second[LENGTH_MAX], order[LENGTH_MAX];
static int best_row[LENGTH_MAX + 1], up_row[LENGTH_MAX + 1];
/* For the way back: best, gap in the second, gap in the first; only of the unshuffled pair. */
static int *best_at, *up_at, *left_at;

static int fail(const char *what)
{
    fprintf(stderr, "globins: %s\n", what);
    return 2;
}

static int read_scores(const char *path)
{
    char line[256], columns[LETTERS];
    int width = 0, rows = 0;
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file))
        return 0;
    for (const char *c = line; *c && width < LETTERS; c++)
        if (*c >= 'A' && *c <= 'Z')
            columns[width++] = *c;
    while (fgets(line, sizeof line, file)) {
        char *at = line + 1;
        if (*line < 'A' || *line > 'Z')
            return 0;
        for (int i = 0; i < width; i++)
            score_of[*line - 'A'][columns[i] - 'A'] = (int)strtol(at, &at, 10);
        rows++;
    }
    fclose(file);
    return rows == width && rows > 0;
}

static int read_protein(const char *path, const char *name, unsigned char *into)
{
    static char line[LENGTH_MAX + 64];
    int length = 0;
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    while (!length && fgets(line, sizeof line, file)) {
        size_t size = strlen(name);
        if (strncmp(line, name, size) || line[size] != ' ')
            continue;
        for (const char *c = line + size + 1; *c >= 'A' && *c <= 'Z' && length < LENGTH_MAX; c++)
            into[length++] = (unsigned char)(*c - 'A');
    }
    fclose(file);
    return length;
}

/* xorshift64* (Vigna 2016). */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du;
}

static int larger(int a, int b) { return a > b ? a : b; }

/* The highest score of any local alignment, row by row. Apart, so that what makes main able to be
   saved and continued does not slow its loops. */
__attribute__((noinline)) static int align(int rows, int columns)
{
    int highest = 0;
    for (int j = 0; j <= columns; j++)
        best_row[j] = 0, up_row[j] = LOW;
    for (int i = 1; i <= rows; i++) {
        const int *scores = score_of[first[i - 1]];
        int corner = 0, left = LOW, before = 0;
        for (int j = 1; j <= columns; j++) {
            int pair = corner + scores[order[j - 1]];
            int up = larger(up_row[j] - EXTEND, best_row[j] - OPEN);
            left = larger(left - EXTEND, before - OPEN);
            corner = best_row[j];
            before = larger(larger(pair, 0), larger(up, left));
            best_row[j] = before;
            up_row[j] = up;
            highest = larger(highest, before);
        }
    }
    return highest;
}

/* The same with all of the table kept, to find the way back from the highest score. */
static int write_alignment(FILE *out, int rows, int columns)
{
    size_t width = (size_t)columns + 1, size = ((size_t)rows + 1) * width;
    best_at = calloc(size, sizeof(int));
    up_at = calloc(size, sizeof(int));
    left_at = calloc(size, sizeof(int));
    static char top[2 * LENGTH_MAX + 1], bottom[2 * LENGTH_MAX + 1];
    if (!best_at || !up_at || !left_at)
        return -1;
    size_t highest = 0;
    for (size_t k = 0; k < size; k++)
        up_at[k] = left_at[k] = LOW;
    for (size_t i = 1; i <= (size_t)rows; i++)
        for (size_t j = 1; j < width; j++) {
            size_t k = i * width + j;
            int pair = best_at[k - width - 1] + score_of[first[i - 1]][second[j - 1]];
            up_at[k] = larger(up_at[k - width] - EXTEND, best_at[k - width] - OPEN);
            left_at[k] = larger(left_at[k - 1] - EXTEND, best_at[k - 1] - OPEN);
            best_at[k] = larger(larger(pair, 0), larger(up_at[k], left_at[k]));
            if (best_at[k] > best_at[highest])
                highest = k;
        }
    int length = 0, in = FROM_PAIR;
    for (size_t k = highest; best_at[k] > 0 || in != FROM_PAIR;) {
        char a = (char)('A' + first[k / width - 1]), b = (char)('A' + second[k % width - 1]);
        if (in == FROM_PAIR && best_at[k] == up_at[k])
            in = FROM_UP;
        else if (in == FROM_PAIR && best_at[k] == left_at[k])
            in = FROM_LEFT;
        top[length] = in == FROM_LEFT ? '-' : a;
        bottom[length++] = in == FROM_UP ? '-' : b;
        if (in == FROM_PAIR) {
            k -= width + 1;
        } else if (in == FROM_UP) {
            in = up_at[k] == best_at[k - width] - OPEN ? FROM_PAIR : FROM_UP;
            k -= width;
        } else {
            in = left_at[k] == best_at[k - 1] - OPEN ? FROM_PAIR : FROM_LEFT;
            k -= 1;
        }
    }
    for (int i = length - 1; i >= 0; i--)
        putc(top[i], out);
    putc('\n', out);
    for (int i = length - 1; i >= 0; i--)
        putc(bottom[i], out);
    putc('\n', out);
    return best_at[highest];
}

int main(int argc, char **argv)
{
    long shuffles = argc == 5 ? strtol(argv[3], NULL, 10) : -1;
    uint64_t seed = argc == 5 ? strtoull(argv[4], NULL, 10) : 0;
    if (shuffles < 0 || shuffles > 100000000 || seed < 1)
        return fail("needs FIRST SECOND SHUFFLES (up to 10^8) SEED (from 1)");
    int rows = read_protein(IDLEGRID_IN "globins.txt", argv[1], first);
    int columns = read_protein(IDLEGRID_IN "globins.txt", argv[2], second);
    if (!rows || !columns || !read_scores(IDLEGRID_IN "blosum62.txt"))
        return fail("cannot read the two proteins and the scores");
    FILE *out = fopen(IDLEGRID_OUT "scores.csv", "w");
    FILE *text = fopen(IDLEGRID_OUT "alignment.txt", "w");
    if (!out || !text)
        return fail("cannot write to /out");

    memcpy(order, second, (size_t)columns);
    int whole = write_alignment(text, rows, columns);
    fprintf(out, "shuffle,score\n");
    for (long k = 0; k <= shuffles; k++) {
        if (k > 0)
            for (int i = columns - 1; i > 0; i--) {
                int j = (int)(next_random(&seed) % (uint64_t)(i + 1));
                unsigned char kept = order[i];
                order[i] = order[j];
                order[j] = kept;
            }
        int score = align(rows, columns);
        if (k == 0 && score != whole)
            return fail("two ways to the same score differ");
        fprintf(out, "%ld,%d\n", k, score);
        if (k % 256 == 0)
            idlegrid_progress((double)k / (double)(shuffles + 1));
        idlegrid_safepoint();
    }
    return fclose(out) || fclose(text) ? fail("cannot write to /out") : 0;
}
