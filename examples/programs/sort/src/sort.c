/* How cold is a cold hour? Many years of made-up weather around the hourly normals of Seattle,
 * brought into order with little memory: sorted runs in files, then merged.
 *
 * sort YEARS SEED
 * /in/seattle_temperature_hourly.csv   date,temperature (Fahrenheit), one normal year
 * /out/quantiles.csv                   share,temperature,year,hour   at each thousandth
 * /out/order.txt                       how many, and a hash of all of them in order
 *
 * Merge sort and merging by a heap: D. E. Knuth, The Art of Computer Programming 3, 5.2.4, 5.4.1.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "idlegrid.h"

enum { HOURS_MAX = 8784, RUN = 1 << 16, RUNS_MAX = 1024, YEARS_MAX = 7000 };
enum { BUFFER = 1 << 14 }; /* each call of the host costs time, and stdio's own buffers are small */

typedef struct {
    int32_t tenths; /* of a degree */
    uint32_t year, hour, unused;
} Hour;

typedef struct {
    FILE *file;
    char *buffer;
    Hour next;
} Run;

static int32_t normals[HOURS_MAX];
static Hour *hours, *space;
static Run runs[RUNS_MAX];
static int run_count;

static int fail(const char *what)
{
    fprintf(stderr, "sort: %s\n", what);
    return 2;
}

static int read_normals(const char *path)
{
    char line[128];
    int n = 0;
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file))
        return 0;
    while (n < HOURS_MAX && fgets(line, sizeof line, file)) {
        char *at = line;
        while (*at && *at != ',')
            at++;
        if (*at != ',')
            return 0;
        double value = strtod(at + 1, NULL);
        normals[n++] = (int32_t)(value * 10 + (value < 0 ? -0.5 : 0.5));
    }
    fclose(file);
    return n;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du;
}

/* By temperature, and equal ones by time: no two are equal. */
static int before(const Hour *a, const Hour *b)
{
    if (a->tenths != b->tenths)
        return a->tenths < b->tenths;
    return a->year != b->year ? a->year < b->year : a->hour < b->hour;
}

/* Apart, as sink() is: what makes a program able to be saved and continued slows only functions from
   which the host can be called. */
__attribute__((noinline)) static void sort(Hour *values, Hour *other, size_t n)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t low = 0; low < n; low += 2 * width) {
            size_t middle = low + width < n ? low + width : n;
            size_t high = low + 2 * width < n ? low + 2 * width : n;
            for (size_t a = low, b = middle, to = low; to < high; to++)
                other[to] = a < middle && (b == high || !before(&values[b], &values[a]))
                                ? values[a++]
                                : values[b++];
        }
        Hour *kept = values;
        values = other, other = kept;
    }
    if (values != hours)
        for (size_t i = 0; i < n; i++)
            hours[i] = values[i];
}

static void run_name(char *into, size_t size, int number)
{
    snprintf(into, size, IDLEGRID_OUT "run-%04d", number);
}

static int write_run(size_t n)
{
    char name[64];
    if (run_count == RUNS_MAX || !(runs[run_count].buffer = malloc(BUFFER)))
        return 0;
    run_name(name, sizeof name, run_count);
    sort(hours, space, n);
    FILE *file = fopen(name, "wb");
    if (!file || setvbuf(file, runs[0].buffer, _IOFBF, BUFFER) || fwrite(hours, sizeof(Hour), n, file) != n || fclose(file))
        return 0;
    run_count++;
    idlegrid_safepoint();
    return 1;
}

__attribute__((noinline)) static void sink(Run *heap, int size, int at)
{
    Run moving = heap[at];
    for (int child; (child = 2 * at + 1) < size; at = child) {
        if (child + 1 < size && before(&heap[child + 1].next, &heap[child].next))
            child++;
        if (!before(&heap[child].next, &moving.next))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

static int merge(uint64_t total)
{
    char name[64];
    int size = 0;
    uint64_t hash = 14695981039346656037u, told = 0; /* FNV-1a, over words */
    FILE *out = fopen(IDLEGRID_OUT "quantiles.csv", "w");
    FILE *order = fopen(IDLEGRID_OUT "order.txt", "w");
    if (!out || !order)
        return 0;
    for (int i = 0; i < run_count; i++) {
        run_name(name, sizeof name, i);
        runs[size].file = fopen(name, "rb");
        if (!runs[size].file || setvbuf(runs[size].file, runs[size].buffer, _IOFBF, BUFFER) ||
            fread(&runs[size].next, sizeof(Hour), 1, runs[size].file) != 1)
            return 0;
        size++;
    }
    for (int i = size / 2 - 1; i >= 0; i--)
        sink(runs, size, i);
    fprintf(out, "share,temperature,year,hour\n");
    for (uint64_t rank = 0; rank < total; rank++) {
        Hour hour = runs[0].next;
        hash = (hash ^ (uint32_t)hour.tenths) * 1099511628211u;
        hash = (hash ^ ((uint64_t)hour.year << 32 | hour.hour)) * 1099511628211u;
        if (rank >= (total - 1) * told / 1000) {
            fprintf(out, "%.3f,%.1f,%" PRIu32 ",%" PRIu32 "\n", (double)told / 1000,
                    hour.tenths / 10.0, hour.year, hour.hour);
            while (rank >= (total - 1) * told / 1000)
                told++;
        }
        if (fread(&runs[0].next, sizeof(Hour), 1, runs[0].file) != 1) {
            if (fclose(runs[0].file))
                return 0;
            runs[0] = runs[--size];
        }
        sink(runs, size, 0);
        if (rank % 65536 == 0) {
            idlegrid_progress(0.5 + 0.5 * (double)rank / (double)total);
            idlegrid_safepoint();
        }
    }
    fprintf(order, "%" PRIu64 " %016" PRIx64 "\n", total, hash);
    for (int i = 0; i < run_count; i++) {
        run_name(name, sizeof name, i);
        if (unlink(name))
            return 0;
    }
    return !fclose(out) && !fclose(order);
}

int main(int argc, char **argv)
{
    long years = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
    uint64_t state = argc == 3 ? strtoull(argv[2], NULL, 10) : 0, total = 0;
    if (years < 1 || years > YEARS_MAX || state < 1)
        return fail("needs YEARS (1 to 7000) SEED (from 1)");
    int normal_count = read_normals(IDLEGRID_IN "seattle_temperature_hourly.csv");
    hours = malloc(RUN * sizeof *hours);
    space = malloc(RUN * sizeof *space);
    if (!normal_count || !hours || !space)
        return fail("cannot read the hourly temperatures, or not enough memory");

    size_t held = 0;
    for (long year = 0; year < years; year++) {
        for (int hour = 0; hour < normal_count; hour++) {
            /* Four uniform numbers add up to nearly what weather does: ±3.7 degrees. */
            uint64_t bits = next_random(&state);
            int32_t change = -128;
            for (int i = 0; i < 4; i++, bits >>= 6)
                change += (int32_t)(bits & 63) + (i & 1);
            hours[held++] = (Hour){normals[hour] + change, (uint32_t)year, (uint32_t)hour, 0};
            total++;
            if (held == RUN) {
                if (!write_run(held))
                    return fail("cannot write a run");
                held = 0;
            }
        }
        idlegrid_progress(0.5 * (double)year / (double)years);
    }
    if (held && !write_run(held))
        return fail("cannot write a run");
    return merge(total) ? 0 : fail("cannot merge the runs");
}
