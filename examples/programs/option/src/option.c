/* What is a right to buy a share worth, if it pays by the average price of a year? Monte Carlo.
 *
 * option SYMBOL PATHS SEED
 * /in/stocks.csv   symbol,date,price   monthly; the spread of their logarithms is the volatility
 * /out/value.csv   kind,value,error    of options at today's price, with their standard errors:
 *                  european            by the price after a year
 *                  geometric           by the geometric mean of its twelve months
 *                  arithmetic          by the arithmetic mean, for which no formula is known
 *
 * Geometric Brownian motion as in F. Black, M. Scholes, J. Political Economy 81, 637 (1973); normal
 * numbers after G. E. P. Box, M. E. Muller, Ann. Math. Stat. 29, 610 (1958).
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "idlegrid.h"

enum { MONTHS = 12, PRICES_MAX = 4096 };
#define INTEREST 0.03 /* a year */

typedef struct {
    double sum, square;
} Mean;

static double prices[PRICES_MAX];

static int fail(const char *what)
{
    fprintf(stderr, "option: %s\n", what);
    return 2;
}

static int read_prices(const char *path, const char *symbol)
{
    char line[256];
    int n = 0;
    size_t size = strlen(symbol);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    while (n < PRICES_MAX && fgets(line, sizeof line, file)) {
        const char *price = strrchr(line, ',');
        if (strncmp(line, symbol, size) || line[size] != ',' || !price)
            continue;
        prices[n] = strtod(price + 1, NULL);
        if (prices[n++] <= 0)
            return 0;
    }
    fclose(file);
    return n;
}

/* Standard deviation of the monthly changes of the logarithm. */
static double monthly_spread(int n)
{
    double mean = 0, sum = 0;
    for (int i = 1; i < n; i++)
        mean += log(prices[i] / prices[i - 1]) / (n - 1);
    for (int i = 1; i < n; i++)
        sum += pow(log(prices[i] / prices[i - 1]) - mean, 2);
    return sqrt(sum / (n - 2));
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du;
}

/* In (0, 1]: its logarithm is finite. */
static double uniform(uint64_t *state)
{
    return (double)((next_random(state) >> 11) + 1) * 0x1p-53;
}

static void add(Mean *mean, double value)
{
    mean->sum += value;
    mean->square += value * value;
}

static void tell(FILE *out, const char *kind, const Mean *mean, double count)
{
    double value = mean->sum / count;
    double error = sqrt((mean->square / count - value * value) / (count - 1));
    fprintf(out, "%s,%.17g,%.17g\n", kind, value, error);
}

int main(int argc, char **argv)
{
    long paths = argc == 4 ? strtol(argv[2], NULL, 10) : 0;
    uint64_t state = argc == 4 ? strtoull(argv[3], NULL, 10) : 0;
    if (paths < 2 || paths > 1000000000 || state < 1)
        return fail("needs SYMBOL PATHS (2 to 10^9) SEED (from 1)");
    int n = read_prices(IDLEGRID_IN "stocks.csv", argv[1]);
    if (n < 3)
        return fail("/in/stocks.csv has no three prices of that symbol");

    double now = prices[n - 1], spread = monthly_spread(n);
    double drift = INTEREST / MONTHS - spread * spread / 2, discount = exp(-INTEREST);
    Mean european = {0, 0}, geometric = {0, 0}, arithmetic = {0, 0};
    for (long path = 0; path < paths; path++) {
        double price = now, sum = 0, product = 1;
        for (int month = 0; month < MONTHS; month += 2) {
            double radius = sqrt(-2 * log(uniform(&state)));
            double angle = 2 * M_PI * uniform(&state);
            price *= exp(drift + spread * radius * cos(angle));
            sum += price;
            product *= price / now;
            price *= exp(drift + spread * radius * sin(angle));
            sum += price;
            product *= price / now;
        }
        add(&european, discount * fmax(price - now, 0));
        add(&geometric, discount * fmax(now * pow(product, 1.0 / MONTHS) - now, 0));
        add(&arithmetic, discount * fmax(sum / MONTHS - now, 0));
        if (path % 4096 == 0) {
            idlegrid_progress((double)path / (double)paths);
            idlegrid_safepoint();
        }
    }
    FILE *out = fopen(IDLEGRID_OUT "value.csv", "w");
    if (!out)
        return fail("cannot write value.csv");
    fprintf(out, "kind,value,error\n");
    tell(out, "european", &european, (double)paths);
    tell(out, "geometric", &geometric, (double)paths);
    tell(out, "arithmetic", &arithmetic, (double)paths);
    return fclose(out) ? fail("cannot write value.csv") : 0;
}
