/* The steady temperature inside a square plate whose edges are held at measured temperatures, by
 * Jacobi's method: each point becomes the mean of its four neighbours, over and over.
 *
 * plate SIZE ROUNDS
 * /in/el_nino_sst.csv   year and twelve months of sea temperatures; the edges show January, April,
 *                       July and October over the years, clockwise from the top left corner
 * /out/plate.csv        y,x,temperature   at 17 by 17 places
 * /out/change.csv       round,change      the largest change of any point
 *
 * Single precision, four points at a time: vectors of GCC and Clang, which become SIMD everywhere.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "idlegrid.h"

enum { YEARS_MAX = 512, SIZE_MAX_ = 8192, PLACES = 17 };

typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));

static float edges[4][YEARS_MAX];
static int years;

static int fail(const char *what)
{
    fprintf(stderr, "plate: %s\n", what);
    return 2;
}

static int read_edges(const char *path)
{
    static const int columns[4] = {1, 4, 7, 10};
    char line[512];
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file))
        return 0;
    while (years < YEARS_MAX && fgets(line, sizeof line, file)) {
        const char *at = line;
        for (int column = 0, edge = 0; edge < 4; column++) {
            if (column == columns[edge])
                edges[edge++][years] = strtof(at, NULL);
            at = strchr(at, ',');
            if (!at)
                return 0;
            at++;
        }
        years++;
    }
    fclose(file);
    return years > 1;
}

/* A place from 0 to 1 along an edge. */
static float on_edge(int edge, double place)
{
    double at = place * (years - 1);
    int low = (int)at < years - 1 ? (int)at : years - 2;
    return (float)(edges[edge][low] + (at - low) * (edges[edge][low + 1] - edges[edge][low]));
}

/* One round. */
static void relax(const float *restrict from, float *restrict to, size_t size)
{
    const Four quarter = {0.25f, 0.25f, 0.25f, 0.25f};
    for (size_t y = 1; y + 1 < size; y++) {
        const float *row = from + y * size;
        float *new = to + y * size;
        size_t x = 1;
        for (; x + 4 < size; x += 4) {
            Four mean = ((*(const Four *)(row + x - 1) + *(const Four *)(row + x + 1)) +
                         (*(const Four *)(row + x - size) + *(const Four *)(row + x + size))) *
                        quarter;
            *(Four *)(new + x) = mean;
        }
        for (; x + 1 < size; x++)
            new[x] = ((row[x - 1] + row[x + 1]) + (row[x - size] + row[x + size])) * 0.25f;
    }
}

static float largest_change(const float *a, const float *b, size_t count)
{
    float largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmaxf(largest, fabsf(a[i] - b[i]));
    return largest;
}

int main(int argc, char **argv)
{
    long asked = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
    long rounds = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    if (asked < PLACES || asked > SIZE_MAX_ || rounds < 1 || rounds > 100000000)
        return fail("needs SIZE (17 to 8192) ROUNDS (1 to 10^8)");
    if (!read_edges(IDLEGRID_IN "el_nino_sst.csv"))
        return fail("cannot read /in/el_nino_sst.csv");
    size_t size = (size_t)asked;
    float *from = malloc(size * size * sizeof *from), *to = malloc(size * size * sizeof *to);
    FILE *log = fopen(IDLEGRID_OUT "change.csv", "w");
    FILE *out = fopen(IDLEGRID_OUT "plate.csv", "w");
    if (!from || !to || !log || !out)
        return fail("not enough memory, or cannot write to /out");

    double mean = 0;
    for (size_t i = 0; i < size; i++)
        for (int edge = 0; edge < 4; edge++)
            mean += on_edge(edge, (double)i / (double)(size - 1)) / (4 * (double)size);
    for (size_t i = 0; i < size * size; i++)
        from[i] = (float)mean;
    for (int edge = 0; edge < 4; edge++)
        for (size_t i = 0; i < size; i++) {
            double place = (double)i / (double)(size - 1);
            size_t y = edge == 0 ? 0 : edge == 2 ? size - 1 : i;
            size_t x = edge == 3 ? 0 : edge == 1 ? size - 1 : i;
            from[y * size + x] = on_edge(edge, edge < 2 ? place : 1 - place);
        }
    memcpy(to, from, size * size * sizeof *from);

    long every = rounds / 50 ? rounds / 50 : 1;
    fprintf(log, "round,change\n");
    for (long round = 1; round <= rounds; round++) {
        relax(from, to, size);
        float *kept = from;
        from = to, to = kept;
        if (round % every == 0) {
            fprintf(log, "%ld,%.9g\n", round, largest_change(from, to, size * size));
            idlegrid_progress((double)round / (double)rounds);
        }
        idlegrid_safepoint();
    }
    fprintf(out, "y,x,temperature\n");
    for (size_t j = 0; j < PLACES; j++)
        for (size_t i = 0; i < PLACES; i++) {
            size_t y = j * (size - 1) / (PLACES - 1), x = i * (size - 1) / (PLACES - 1);
            fprintf(out, "%zu,%zu,%.9g\n", y, x, from[y * size + x]);
        }
    return fclose(log) || fclose(out) ? fail("cannot write to /out") : 0;
}
