/* Generalised (floating-mean) Lomb-Scargle periodogram of one band, for the data and for shuffles.
 *
 * Zechmeister & Kuerster 2009, A&A 496, 577, equations 4 to 15, with equal weights w = 1/N:
 *     p(f) = (SS YC^2 + CC YS^2 - 2 CS YC YS) / (YY D),   D = CC SS - CS^2
 *
 * periodogram LOW HIGH FREQUENCIES FIRST_SHUFFLE LAST_SHUFFLE SEED
 *     frequencies  LOW + i (HIGH - LOW) / FREQUENCIES, in cycles per year
 *     shuffle 0    the data as they are; shuffle k > 0: the values in a random order that depends
 *                  on SEED and k alone, so any unit that needs it makes the same
 * /in/sunspots.csv   YEAR,SUNACTIVITY
 * /out/maxima.csv    shuffle,power,frequency   the highest power of each shuffle in this band
 * /out/powers.csv    frequency,power           of the data, when shuffle 0 is among them
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "idlegrid.h"

enum { POINTS_MAX = 4096, SHUFFLES_MAX = 65536, FREQUENCIES_MAX = 1000000 };
enum { SHUFFLE_MAX = 1000000000 }; /* the highest number of a shuffle */

/* Below it sine and cosine look alike at these times, and the power is nothing but rounding: at a
   multiple of half the sampling frequency, and at periods far beyond the span. */
#define DETERMINANT_MIN 1e-9

static double when[POINTS_MAX], value[POINTS_MAX];
static double cosine[POINTS_MAX], sine[POINTS_MAX];

static int fail(const char *what)
{
    fprintf(stderr, "periodogram: %s\n", what);
    return 2;
}

static int read_data(const char *path)
{
    char line[256];
    int n = 0;
    FILE *file = fopen(path, "r");
    if (!file)
        return -1;
    if (!fgets(line, sizeof line, file)) {
        fclose(file);
        return -1;
    }
    while (fgets(line, sizeof line, file)) {
        char *rest, *end;
        int whole = strchr(line, '\n') || feof(file);
        if (whole && strspn(line, " \r\n") == strlen(line))
            continue;
        double year = strtod(line, &rest);
        if (!whole || rest == line || *rest != ',' || n == POINTS_MAX) {
            fclose(file);
            return -1;
        }
        value[n] = strtod(rest + 1, &end);
        if (end == rest + 1 || end[strspn(end, " \r\n")] || !isfinite(value[n]) ||
            !isfinite(year)) {
            fclose(file);
            return -1;
        }
        when[n++] = year;
    }
    fclose(file);
    return n;
}

/* A whole argument as a finite number; anything before or after it is refused. */
static int real(const char *text, double *into)
{
    char *end;
    *into = strtod(text, &end);
    return end != text && !*end && isfinite(*into);
}

/* A whole argument as a number without sign, at most `most`. */
static int count(const char *text, uint64_t most, uint64_t *into)
{
    *into = 0;
    if (!*text)
        return 0;
    for (; *text; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (*text < '0' || *text > '9' || *into > (most - digit) / 10)
            return 0;
        *into = *into * 10 + digit;
    }
    return 1;
}

/* splitmix64 (Steele, Lea, Flood 2014): small, and the same everywhere. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* Fisher-Yates into column k of rows of `width`: rows[point][k]. */
static void shuffle(double *rows, int n, int width, int k, uint64_t seed, uint64_t number)
{
    static double order[POINTS_MAX];
    memcpy(order, value, sizeof(double) * (size_t)n);
    if (number > 0) {
        uint64_t state = seed * 0xD1342543DE82EF95u + number;
        for (int i = n - 1; i > 0; i--) {
            int j = (int)(next_random(&state) % (uint64_t)(i + 1));
            double kept = order[i];
            order[i] = order[j];
            order[j] = kept;
        }
    }
    for (int i = 0; i < n; i++)
        rows[(size_t)i * (size_t)width + (size_t)k] = order[i];
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return fail("needs LOW HIGH FREQUENCIES FIRST_SHUFFLE LAST_SHUFFLE SEED");
    double low, high;
    uint64_t wanted, begin, end, seed;
    if (!real(argv[1], &low) || !real(argv[2], &high) || !(low > 0 && high > low) ||
        !count(argv[3], FREQUENCIES_MAX, &wanted) || wanted < 1)
        return fail("the band must be 0 < LOW < HIGH, with 1 to 1000000 frequencies");
    if (!count(argv[4], SHUFFLE_MAX, &begin) || !count(argv[5], SHUFFLE_MAX, &end) ||
        end < begin || end - begin >= SHUFFLES_MAX)
        return fail("the shuffles must be 0 <= FIRST <= LAST, at most 65536 of them");
    if (!count(argv[6], UINT64_MAX, &seed))
        return fail("the SEED must be a whole number from 0 to 2^64 - 1");
    long frequencies = (long)wanted, first = (long)begin, last = (long)end;

    int n = read_data(IDLEGRID_IN "sunspots.csv");
    if (n < 4)
        return fail("/in/sunspots.csv must have a header and at least four lines YEAR,VALUE");

    int width = (int)(last - first + 1);
    double *rows = malloc(sizeof(double) * (size_t)n * (size_t)width);
    double *yc = malloc(sizeof(double) * (size_t)width);
    double *ys = malloc(sizeof(double) * (size_t)width);
    double *best = calloc((size_t)width, sizeof(double));
    double *where = calloc((size_t)width, sizeof(double));
    if (!rows || !yc || !ys || !best || !where)
        return fail("not enough memory for so many shuffles");

    /* Mean and variance do not depend on the order, so one pair serves all shuffles. */
    double mean = 0, yy = 0;
    for (int i = 0; i < n; i++)
        mean += value[i] / n;
    for (int i = 0; i < n; i++) {
        value[i] -= mean;
        yy += value[i] * value[i] / n;
    }
    if (!(yy > 0))
        return fail("the values are all equal");
    for (int k = 0; k < width; k++)
        shuffle(rows, n, width, k, seed, (uint64_t)(first + k));

    FILE *powers = first == 0 ? fopen(IDLEGRID_OUT "powers.csv", "w") : NULL;
    if (first == 0 && !powers)
        return fail("cannot write powers.csv");
    if (powers)
        fprintf(powers, "frequency,power\n");
    for (long f = 0; f < frequencies; f++) {
        double frequency = low + (double)f * (high - low) / (double)frequencies;
        double c = 0, s = 0, cc = 0, cs = 0;
        for (int i = 0; i < n; i++) {
            double angle = 2 * M_PI * frequency * (when[i] - when[0]);
            cosine[i] = cos(angle);
            sine[i] = sin(angle);
            c += cosine[i] / n;
            s += sine[i] / n;
            cc += cosine[i] * cosine[i] / n;
            cs += cosine[i] * sine[i] / n;
        }
        double ss = 1 - cc - s * s;
        cc -= c * c;
        cs -= c * s;
        double d = cc * ss - cs * cs;
        if (!(d > DETERMINANT_MIN))
            return fail("these times cannot tell a frequency of the band: it is at half the "
                        "sampling frequency, or its period is far longer than the data");

        /* The values have mean zero, so YC and YS need no correction for it. The inner loop runs
           over shuffles: independent sums, which the compiler may compute side by side. */
        memset(yc, 0, sizeof(double) * (size_t)width);
        memset(ys, 0, sizeof(double) * (size_t)width);
        for (int i = 0; i < n; i++) {
            const double *row = rows + (size_t)i * (size_t)width;
            const double ci = cosine[i] / n, si = sine[i] / n;
            for (int k = 0; k < width; k++) {
                yc[k] += row[k] * ci;
                ys[k] += row[k] * si;
            }
        }
        for (int k = 0; k < width; k++) {
            double p = (ss * yc[k] * yc[k] + cc * ys[k] * ys[k] - 2 * cs * yc[k] * ys[k]) / (yy * d);
            if (p > best[k]) {
                best[k] = p;
                where[k] = frequency;
            }
            if (powers && k == 0)
                fprintf(powers, "%.17g,%.17g\n", frequency, p);
        }
        if (f % 16 == 0)
            idlegrid_progress((double)f / (double)frequencies);
    }
    if (powers && fclose(powers))
        return fail("cannot write powers.csv");

    FILE *maxima = fopen(IDLEGRID_OUT "maxima.csv", "w");
    if (!maxima)
        return fail("cannot write maxima.csv");
    fprintf(maxima, "shuffle,power,frequency\n");
    for (int k = 0; k < width; k++)
        fprintf(maxima, "%ld,%.17g,%.17g\n", first + k, best[k], where[k]);
    if (fclose(maxima))
        return fail("cannot write maxima.csv");
    return 0;
}
