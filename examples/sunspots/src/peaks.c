/* The combine step: joins the bands, finds the peaks and how often chance alone makes such a peak.
 *
 * /in/units.jsonl                one line per unit: {"index":0,"args":[...],"state":"assimilated"}
 * /in/units/NNNNNN/maxima.csv    shuffle,power,frequency
 * /in/units/NNNNNN/powers.csv    frequency,power (units with shuffle 0)
 * /out/answer.json, /out/periodogram.csv
 *
 * False-alarm probability of a peak: (1 + shuffles whose highest power anywhere reaches it) /
 * (1 + shuffles). A shuffle counts only if every band of it was computed.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folders.h"

enum { UNITS_MAX = 100000, BANDS_MAX = 4096, SHUFFLES_MAX = 4000000, POWERS_MAX = 4000000, PEAKS = 8 };

typedef struct {
    double frequency, power;
} Point;

static Point *points;
static long point_count;
static double *highest;        /* by shuffle: the maximum over the bands */
static unsigned short *bands;  /* by shuffle: how many bands were seen */
static long shuffle_count;     /* highest shuffle number + 1 */
static char band_names[BANDS_MAX][32];
static int band_count;

static int fail(const char *what)
{
    fprintf(stderr, "peaks: %s\n", what);
    return 2;
}

/* The index-th string of the "args" list of a line of JSON; args of this app need no escapes. */
static int argument(const char *line, int index, char *into, size_t size)
{
    const char *at = strstr(line, "\"args\":[");
    if (!at)
        return 0;
    at += 8;
    for (int i = 0;; i++) {
        const char *end;
        if (*at != '"' || !(end = strchr(at + 1, '"')))
            return 0;
        if (i == index) {
            size_t length = (size_t)(end - at - 1);
            if (length >= size)
                return 0;
            memcpy(into, at + 1, length);
            into[length] = 0;
            return 1;
        }
        at = end + 1;
        if (*at != ',')
            return 0;
        at++;
    }
}

static int note_band(const char *low)
{
    for (int i = 0; i < band_count; i++)
        if (!strcmp(band_names[i], low))
            return 1;
    if (band_count == BANDS_MAX || strlen(low) >= sizeof band_names[0])
        return 0;
    strcpy(band_names[band_count++], low);
    return 1;
}

static int read_maxima(const char *path)
{
    char line[128];
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file)) {
        if (file)
            fclose(file);
        return 0;
    }
    while (fgets(line, sizeof line, file)) {
        char *rest;
        long shuffle = strtol(line, &rest, 10);
        if (*rest != ',' || shuffle < 0 || shuffle >= SHUFFLES_MAX) {
            fclose(file);
            return 0;
        }
        double power = strtod(rest + 1, NULL);
        if (bands[shuffle] == 0 || power > highest[shuffle])
            highest[shuffle] = power;
        bands[shuffle]++;
        if (shuffle >= shuffle_count)
            shuffle_count = shuffle + 1;
    }
    fclose(file);
    return 1;
}

static int read_powers(const char *path)
{
    char line[128];
    FILE *file = fopen(path, "r");
    if (!file)
        return 1; /* this unit had only shuffles */
    if (!fgets(line, sizeof line, file)) {
        fclose(file);
        return 0;
    }
    while (fgets(line, sizeof line, file)) {
        char *rest;
        double frequency = strtod(line, &rest);
        if (*rest != ',' || point_count == POWERS_MAX) {
            fclose(file);
            return 0;
        }
        points[point_count].frequency = frequency;
        points[point_count++].power = strtod(rest + 1, NULL);
    }
    fclose(file);
    return 1;
}

static int by_frequency(const void *a, const void *b)
{
    double x = ((const Point *)a)->frequency, y = ((const Point *)b)->frequency;
    return (x > y) - (x < y);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y); /* highest first */
}

static double false_alarm(const double *sorted, long count, double power)
{
    long low = 0, high = count; /* sorted[0..low) >= power */
    while (low < high) {
        long middle = low + (high - low) / 2;
        if (sorted[middle] >= power)
            low = middle + 1;
        else
            high = middle;
    }
    return (1.0 + (double)low) / (1.0 + (double)count);
}

static void threshold(FILE *out, const char *name, const double *sorted, long count, long in,
                      const char *before)
{
    if (count + 1 < in)
        return; /* too few shuffles to speak of such a small chance */
    long at = (count + 1) / in - 1;
    fprintf(out, "%s\n    \"%s\": {\"probability\": %.12g, \"power\": %.12g}", before, name,
            1.0 / (double)in, sorted[at < count ? at : count - 1]);
}

int main(void)
{
    static char line[65536];
    char path[256], low[32];
    long used = 0, failed = 0, total = 0;
    points = malloc(sizeof(Point) * POWERS_MAX);
    highest = calloc(SHUFFLES_MAX, sizeof(double));
    bands = calloc(SHUFFLES_MAX, sizeof(unsigned short));
    FILE *units = fopen(IN_FOLDER "units.jsonl", "r");
    if (!points || !highest || !bands || !units)
        return fail("cannot read /in/units.jsonl, or not enough memory");

    while (fgets(line, sizeof line, units)) {
        const char *at = strstr(line, "\"index\":");
        if (!at || !argument(line, 0, low, sizeof low) || !note_band(low) || ++total > UNITS_MAX)
            return fail("a line of /in/units.jsonl is not a unit of this app");
        if (!strstr(line, "\"state\":\"assimilated\"")) {
            failed++;
            continue;
        }
        long index = strtol(at + 8, NULL, 10);
        snprintf(path, sizeof path, IN_FOLDER "units/%06ld/maxima.csv", index);
        if (!read_maxima(path))
            return fail("a unit has no readable maxima.csv");
        snprintf(path, sizeof path, IN_FOLDER "units/%06ld/powers.csv", index);
        if (!read_powers(path))
            return fail("a unit has no readable powers.csv");
        used++;
    }
    fclose(units);
    if (point_count < 3)
        return fail("no unit computed the data itself (shuffle 0)");
    qsort(points, (size_t)point_count, sizeof(Point), by_frequency);

    long shuffles = 0;
    for (long k = 1; k < shuffle_count; k++)
        if (bands[k] == band_count)
            highest[shuffles++] = highest[k];
    qsort(highest, (size_t)shuffles, sizeof(double), by_value);

    FILE *csv = fopen(OUT_FOLDER "periodogram.csv", "w");
    FILE *out = fopen(OUT_FOLDER "answer.json", "w");
    if (!csv || !out)
        return fail("cannot write to /out");
    fprintf(csv, "frequency,period_years,power\n");
    for (long i = 0; i < point_count; i++)
        fprintf(csv, "%.12g,%.12g,%.12g\n", points[i].frequency, 1 / points[i].frequency,
                points[i].power);
    if (fclose(csv))
        return fail("cannot write periodogram.csv");

    /* Peaks: local maxima, highest first; none within a resolution (1/span) of a higher one. */
    double resolution = 1.0 / 308.0, least = 1e300;
    Point peaks[PEAKS];
    int found = 0;
    while (found < PEAKS) {
        long best = -1;
        for (long i = 1; i + 1 < point_count; i++) {
            if (points[i].power <= points[i - 1].power || points[i].power < points[i + 1].power)
                continue;
            if (points[i].power >= least || (best >= 0 && points[i].power <= points[best].power))
                continue;
            int near = 0;
            for (int j = 0; j < found; j++)
                near |= fabs(points[i].frequency - peaks[j].frequency) < resolution;
            if (!near)
                best = i;
        }
        if (best < 0)
            break;
        least = points[best].power;
        peaks[found++] = points[best];
    }

    fprintf(out, "{\n  \"units\": {\"used\": %ld, \"failed\": %ld},\n", used, failed);
    fprintf(out, "  \"bands\": %d,\n  \"frequencies\": %ld,\n  \"shuffles\": %ld,\n", band_count,
            point_count, shuffles);
    fprintf(out, "  \"complete\": %s,\n", failed ? "false" : "true");
    fprintf(out, "  \"thresholds\": {");
    threshold(out, "p10", highest, shuffles, 10, "");
    threshold(out, "p01", highest, shuffles, 100, ",");
    threshold(out, "p001", highest, shuffles, 1000, ",");
    fprintf(out, "\n  },\n  \"peaks\": [");
    for (int i = 0; i < found; i++)
        fprintf(out,
                "%s\n    {\"frequency\": %.12g, \"period_years\": %.12g, \"power\": %.12g, "
                "\"false_alarm_probability\": %.12g}",
                i ? "," : "", peaks[i].frequency, 1 / peaks[i].frequency, peaks[i].power,
                false_alarm(highest, shuffles, peaks[i].power));
    fprintf(out, "\n  ]\n}\n");
    if (fclose(out))
        return fail("cannot write answer.json");
    return 0;
}
