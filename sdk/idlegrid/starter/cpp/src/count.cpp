// Counts the primes p with from <= p < to; writes the count to /out/count.
#include <cstdio>
#include <string>

#include "idlegrid.h"

namespace {

bool is_prime(unsigned long n)
{
    for (unsigned long d = 2; d * d <= n; d++)
        if (n % d == 0)
            return false;
    return n >= 2;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::fprintf(stderr, "usage: count FROM TO\n");
        return 2;
    }
    // Compiled without exceptions: what would throw ends the program, which is an error of the app.
    unsigned long from = std::stoul(argv[1]), to = std::stoul(argv[2]), count = 0;
    for (unsigned long n = from; n < to; n++) {
        count += is_prime(n);
        if (n % 1000 == 0)
            idlegrid_progress(static_cast<double>(n - from) / static_cast<double>(to - from));
    }
    std::FILE *out = std::fopen(IDLEGRID_OUT "count", "w");
    if (!out)
        return 1;
    std::fprintf(out, "%lu\n", count);
    return std::fclose(out) ? 1 : 0;
}
