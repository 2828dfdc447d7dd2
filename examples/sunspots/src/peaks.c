/* The combine step: joins the bands, finds the peaks and how often chance alone makes such a peak.
 *
 * /in/units.jsonl                one line per unit: {"index":0,"args":[...],"state":"assimilated"}
 * /in/units/NNNNNN/maxima.csv    shuffle,power,frequency
 * /in/units/NNNNNN/powers.csv    frequency,power (units with shuffle 0)
 * /out/answer.json, /out/periodogram.csv
 *
 * A unit's outputs must be what its arguments ask for: LOW HIGH FREQUENCIES FIRST LAST SEED. Where
 * the data's band is missing, because its unit failed, the answer names the band, the table has a
 * row without a power, and the edges beside it are not taken for peaks.
 *
 * False-alarm probability of a peak: (1 + shuffles whose highest power anywhere reaches it) /
 * (1 + shuffles). A shuffle counts only if every band of it was computed.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "idlegrid.h"

enum { UNITS_MAX = 100000, BANDS_MAX = 4096, SHUFFLES_MAX = 4000000, POWERS_MAX = 4000000, PEAKS = 8 };

typedef struct {
    double frequency, power;
} Point;

static Point *points;
static long point_count;
static double *highest;        /* by shuffle: the maximum over the bands */
static unsigned short *bands;  /* by shuffle: how many bands were seen */
static long shuffle_count;     /* highest shuffle number + 1 */
typedef struct {
    char low[32], high[32];
    int computed; /* a unit of it was, so that `high` is to be believed */
    int known;    /* the data's powers in it are */
} Band;
static Band band_table[BANDS_MAX];
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

/* The band that starts at `low`. A failed unit may have failed for its arguments, so only those of
   computed units must agree about `high`. NULL if they do not, or if there are too many bands. */
static Band *note_band(const char *low, const char *high, int computed)
{
    Band *band = band_table;
    while (band < band_table + band_count && strcmp(band->low, low))
        band++;
    if (band == band_table + BANDS_MAX)
        return NULL;
    if (band == band_table + band_count) {
        band_count++;
        strcpy(band->low, low);
        strcpy(band->high, high);
    }
    if (computed && !band->computed) {
        band->computed = 1;
        strcpy(band->high, high);
    }
    return computed && strcmp(band->high, high) ? NULL : band;
}

/* A finite number up to the character `end`, which is stepped over. */
static int number(char **at, char end, double *into)
{
    char *rest;
    *into = strtod(*at, &rest);
    if (rest == *at || *rest != end || !isfinite(*into))
        return 0;
    *at = rest + 1;
    return 1;
}

/* One row for each shuffle from `first` to `last`, in this order, and no other. */
static int read_maxima(const char *path, long first, long last)
{
    char line[128];
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    long shuffle = first;
    int good = fgets(line, sizeof line, file) != NULL;
    for (; good && fgets(line, sizeof line, file); shuffle++) {
        char *at = line;
        double told, power, frequency;
        good = shuffle <= last && number(&at, ',', &told) && told == (double)shuffle &&
               number(&at, ',', &power) && number(&at, '\n', &frequency);
        if (!good)
            break;
        if (bands[shuffle] == 0 || power > highest[shuffle])
            highest[shuffle] = power;
        bands[shuffle]++;
    }
    fclose(file);
    if (shuffle > shuffle_count)
        shuffle_count = shuffle;
    return good && shuffle == last + 1;
}

static int read_powers(const char *path, long frequencies)
{
    char line[128];
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    long rows = 0;
    int good = fgets(line, sizeof line, file) != NULL;
    for (; good && fgets(line, sizeof line, file); rows++) {
        char *at = line;
        Point point;
        good = point_count < POWERS_MAX && number(&at, ',', &point.frequency) &&
               point.frequency > 0 && number(&at, '\n', &point.power);
        if (good)
            points[point_count++] = point;
    }
    fclose(file);
    return good && rows == frequencies;
}

static int by_low(const void *a, const void *b)
{
    double x = strtod(((const Band *)a)->low, NULL), y = strtod(((const Band *)b)->low, NULL);
    return (x > y) - (x < y);
}

/* A point without a power at the start of each band that the data lack; how many there are. */
static int note_gaps(void)
{
    int missing = 0;
    qsort(band_table, (size_t)band_count, sizeof(Band), by_low);
    for (int i = 0; i < band_count; i++)
        if (!band_table[i].known) {
            missing++;
            points[point_count++] = (Point){strtod(band_table[i].low, NULL), NAN};
        }
    return missing;
}

/* A point that rises above both its neighbours; beside a gap nobody can tell. */
static int is_peak(long i)
{
    return points[i].power > points[i - 1].power && points[i].power >= points[i + 1].power;
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
    char path[256], low[32], high[32], words[3][32];
    long used = 0, failed = 0, total = 0, frequencies = 0;
    points = malloc(sizeof(Point) * (POWERS_MAX + BANDS_MAX));
    highest = calloc(SHUFFLES_MAX, sizeof(double));
    bands = calloc(SHUFFLES_MAX, sizeof(unsigned short));
    FILE *units = fopen(IDLEGRID_IN "units.jsonl", "r");
    if (!points || !highest || !bands || !units)
        return fail("cannot read /in/units.jsonl, or not enough memory");

    while (fgets(line, sizeof line, units)) {
        const char *at = strstr(line, "\"index\":");
        int computed = strstr(line, "\"state\":\"assimilated\"") != NULL;
        int good = argument(line, 0, low, sizeof low) && argument(line, 1, high, sizeof high);
        for (int i = 0; good && i < 3; i++)
            good = argument(line, i + 2, words[i], sizeof words[i]);
        good = good && strtod(low, NULL) > 0 && isfinite(strtod(low, NULL));
        Band *band = good ? note_band(low, high, computed) : NULL;
        if (!at || ++total > UNITS_MAX || (!band && (computed || good)))
            return fail("a line of /in/units.jsonl is not a unit of this app");
        if (!computed) {
            failed++;
            continue;
        }
        long index = strtol(at + 8, NULL, 10);
        long first = strtol(words[1], NULL, 10), last = strtol(words[2], NULL, 10);
        if (first < 0 || last < first || last >= SHUFFLES_MAX)
            return fail("a unit has shuffles beyond those that can be counted");
        snprintf(path, sizeof path, IDLEGRID_IN "units/%06ld/maxima.csv", index);
        if (!read_maxima(path, first, last))
            return fail("a unit's maxima.csv is not what its arguments ask for");
        used++;
        if (first > 0)
            continue; /* this unit had only shuffles */
        snprintf(path, sizeof path, IDLEGRID_IN "units/%06ld/powers.csv", index);
        if (band->known || !read_powers(path, strtol(words[0], NULL, 10)))
            return fail("a unit's powers.csv is not what its arguments ask for");
        band->known = 1;
    }
    fclose(units);
    frequencies = point_count;
    if (frequencies < 3)
        return fail("no unit computed the data itself (shuffle 0)");
    int missing = note_gaps();
    qsort(points, (size_t)point_count, sizeof(Point), by_frequency);

    long shuffles = 0;
    for (long k = 1; k < shuffle_count; k++)
        if (bands[k] == band_count)
            highest[shuffles++] = highest[k];
    qsort(highest, (size_t)shuffles, sizeof(double), by_value);

    FILE *csv = fopen(IDLEGRID_OUT "periodogram.csv", "w");
    FILE *out = fopen(IDLEGRID_OUT "answer.json", "w");
    if (!csv || !out)
        return fail("cannot write to /out");
    fprintf(csv, "frequency,period_years,power\n");
    for (long i = 0; i < point_count; i++) {
        fprintf(csv, "%.12g,%.12g,", points[i].frequency, 1 / points[i].frequency);
        if (isnan(points[i].power))
            fprintf(csv, "\n");
        else
            fprintf(csv, "%.12g\n", points[i].power);
    }
    if (fclose(csv))
        return fail("cannot write periodogram.csv");

    /* Peaks: local maxima, highest first; none within a resolution (1/span) of a higher one. */
    double resolution = 1.0 / 308.0, least = 1e300;
    Point peaks[PEAKS];
    int found = 0;
    while (found < PEAKS) {
        long best = -1;
        for (long i = 1; i + 1 < point_count; i++) {
            if (!is_peak(i))
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
            frequencies, shuffles);
    fprintf(out, "  \"complete\": %s,\n  \"missing_bands\": [", failed ? "false" : "true");
    for (int i = 0, told = 0; told < missing; i++)
        if (!band_table[i].known)
            fprintf(out, "%s\n    {\"low\": %.12g, \"high\": %.12g}", told++ ? "," : "",
                    strtod(band_table[i].low, NULL), strtod(band_table[i].high, NULL));
    fprintf(out, "%s],\n", missing ? "\n  " : "");
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
