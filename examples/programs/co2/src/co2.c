/* Which rhythms in the air's carbon dioxide are no mere noise? A spectrum by fast Fourier
 * transform, and as many spectra of red noise as wanted, to compare it with.
 *
 * co2 NOISES SEED
 * /in/mauna_loa_co2.csv   date,co2    weekly; gaps are bridged by straight lines
 * /out/spectrum.csv       frequency (a year),power,noise: the noise's mean power there
 * /out/highest.csv        noise,ratio: the highest power against that mean, of data (0) and noises
 *
 * The series loses its parabola and is weighted by a Hann window. The noise is a first-order
 * autoregression with the series' own memory from week to week, after C. Torrence, G. P. Compo,
 * Bull. Am. Meteorol. Soc. 79, 61 (1998); transform after J. W. Cooley, J. W. Tukey,
 * Math. Comp. 19, 297 (1965).
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "idlegrid.h"

enum { WEEKS_MAX = 4096, SIZE = 16384, HALF = SIZE / 2 };
#define WEEKS_A_YEAR (365.25 / 7)

static double series[WEEKS_MAX], noise[WEEKS_MAX], window[WEEKS_MAX];
static double real[SIZE], imaginary[SIZE], cosine[HALF], sine[HALF];
static double data_power[HALF], mean_power[HALF];

static int fail(const char *what)
{
    fprintf(stderr, "co2: %s\n", what);
    return 2;
}

static int read_series(const char *path)
{
    char line[128];
    int n = 0, known = -1;
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file))
        return 0;
    while (n < WEEKS_MAX && fgets(line, sizeof line, file)) {
        char *rest, *end;
        strtol(line, &rest, 10);
        if (rest == line || *rest != ',')
            return 0;
        double value = strtod(rest + 1, &end);
        if (end > rest + 1 && isfinite(value)) {
            for (int i = known + 1; known >= 0 && i < n; i++)
                series[i] = series[known] + (value - series[known]) * (i - known) / (n - known);
            series[n] = value;
            known = n;
        } else if (known < 0) {
            continue; /* before the first value there is nothing to bridge from */
        }
        n++;
    }
    fclose(file);
    return known + 1;
}

/* Subtract the best parabola: least squares on Legendre's polynomials, by Gram and Schmidt. */
static void detrend(int n)
{
    static double basis[3][WEEKS_MAX];
    for (int p = 0; p < 3; p++) {
        for (int i = 0; i < n; i++) {
            double x = 2.0 * i / (n - 1) - 1;
            basis[p][i] = p == 0 ? 1 : p == 1 ? x : x * x;
        }
        for (int q = 0; q <= p; q++) {
            double product = 0;
            for (int i = 0; i < n; i++)
                product += basis[p][i] * (q == p ? basis[p][i] : basis[q][i]);
            for (int i = 0; i < n; i++)
                basis[p][i] = q == p ? basis[p][i] / sqrt(product)
                                     : basis[p][i] - product * basis[q][i];
        }
        double part = 0;
        for (int i = 0; i < n; i++)
            part += series[i] * basis[p][i];
        for (int i = 0; i < n; i++)
            series[i] -= part * basis[p][i];
    }
}

/* In place; SIZE is a power of two. */
static void transform(void)
{
    for (int i = 1, j = 0; i < SIZE; i++) {
        int bit = SIZE >> 1;
        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            double kept = real[i];
            real[i] = real[j], real[j] = kept;
            kept = imaginary[i];
            imaginary[i] = imaginary[j], imaginary[j] = kept;
        }
    }
    for (int half = 1; half < SIZE; half *= 2)
        for (int start = 0; start < SIZE; start += 2 * half)
            for (int k = 0; k < half; k++) {
                double c = cosine[k * (HALF / half)], s = sine[k * (HALF / half)];
                int a = start + k, b = a + half;
                double x = real[b] * c - imaginary[b] * s, y = real[b] * s + imaginary[b] * c;
                real[b] = real[a] - x, imaginary[b] = imaginary[a] - y;
                real[a] += x, imaginary[a] += y;
            }
}

static void spectrum(const double *values, int n, double *power)
{
    for (int i = 0; i < SIZE; i++) {
        real[i] = i < n ? values[i] * window[i] : 0;
        imaginary[i] = 0;
    }
    transform();
    for (int i = 0; i < HALF; i++)
        power[i] = (real[i] * real[i] + imaginary[i] * imaginary[i]) / n;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du;
}

static double normal(uint64_t *state)
{
    double a = (double)((next_random(state) >> 11) + 1) * 0x1p-53;
    double b = (double)(next_random(state) >> 11) * 0x1p-53;
    return sqrt(-2 * log(a)) * cos(2 * M_PI * b);
}

static void make_noise(int n, double memory, double deviation, uint64_t *state)
{
    double fresh = deviation * sqrt(1 - memory * memory);
    noise[0] = deviation * normal(state);
    for (int i = 1; i < n; i++)
        noise[i] = memory * noise[i - 1] + fresh * normal(state);
}

static double highest_ratio(const double *power, const double *mean)
{
    double highest = 0;
    for (int i = 1; i < HALF; i++)
        if (mean[i] > 0 && power[i] / mean[i] > highest)
            highest = power[i] / mean[i];
    return highest;
}

int main(int argc, char **argv)
{
    long noises = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
    uint64_t seed = argc == 3 ? strtoull(argv[2], NULL, 10) : 0, state = seed;
    if (noises < 1 || noises > 10000000 || seed < 1)
        return fail("needs NOISES (1 to 10^7) SEED (from 1)");
    int n = read_series(IDLEGRID_IN "mauna_loa_co2.csv");
    if (n < 100)
        return fail("/in/mauna_loa_co2.csv must have at least 100 weeks");
    FILE *out = fopen(IDLEGRID_OUT "spectrum.csv", "w");
    FILE *ratios = fopen(IDLEGRID_OUT "highest.csv", "w");
    double *power = malloc(HALF * sizeof *power);
    if (!out || !ratios || !power)
        return fail("cannot write to /out, or not enough memory");

    for (int i = 0; i < HALF; i++) {
        cosine[i] = cos(2 * M_PI * i / SIZE);
        sine[i] = -sin(2 * M_PI * i / SIZE);
    }
    for (int i = 0; i < n; i++)
        window[i] = 0.5 - 0.5 * cos(2 * M_PI * i / (n - 1));
    detrend(n);
    double variance = 0, next = 0;
    for (int i = 0; i < n; i++) {
        variance += series[i] * series[i] / n;
        next += i ? series[i] * series[i - 1] / n : 0;
    }
    spectrum(series, n, data_power);

    /* Twice the same noises: once for their mean, once to hold each against it. */
    for (int pass = 0; pass < 2; pass++) {
        state = seed;
        if (pass == 1)
            fprintf(ratios, "noise,ratio\n0,%.17g\n", highest_ratio(data_power, mean_power));
        for (long k = 1; k <= noises; k++) {
            make_noise(n, next / variance, sqrt(variance), &state);
            spectrum(noise, n, power);
            if (pass == 0)
                for (int i = 0; i < HALF; i++)
                    mean_power[i] += power[i] / (double)noises;
            else
                fprintf(ratios, "%ld,%.17g\n", k, highest_ratio(power, mean_power));
            idlegrid_progress((double)(pass * noises + k) / (double)(2 * noises));
            idlegrid_safepoint();
        }
    }
    fprintf(out, "frequency,power,noise\n");
    for (int i = 1; i < HALF; i++)
        fprintf(out, "%.17g,%.17g,%.17g\n", i * WEEKS_A_YEAR / SIZE, data_power[i], mean_power[i]);
    return fclose(out) || fclose(ratios) ? fail("cannot write to /out") : 0;
}
