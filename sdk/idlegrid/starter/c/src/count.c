/* Counts the primes p with from <= p < to; writes the count to /out/count. */
#include <stdio.h>
#include <stdlib.h>

#include "idlegrid.h"

static int is_prime(unsigned long n) {
    if (n < 2) return 0;
    for (unsigned long d = 2; d * d <= n; d++)
        if (n % d == 0) return 0;
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: count FROM TO\n");
        return 2;
    }
    unsigned long from = strtoul(argv[1], NULL, 10), to = strtoul(argv[2], NULL, 10), count = 0;
    for (unsigned long n = from; n < to; n++) {
        count += is_prime(n);
        if (n % 1000 == 0) idlegrid_progress((double)(n - from) / (double)(to - from));
    }

    FILE *out = fopen(IDLEGRID_OUT "count", "w");
    if (!out) return 1;
    fprintf(out, "%lu\n", count);
    return fclose(out) ? 1 : 0;
}
