// Adds up the counts of all units. /in/units.jsonl has one line per unit, in order; the outputs of
// unit N lie in /in/units/N (six digits). A unit that failed has none.
#include <cstdio>

#include "idlegrid.h"

int main()
{
    std::FILE *units = std::fopen(IDLEGRID_IN "units.jsonl", "r");
    if (!units)
        return 1;
    unsigned long total = 0, missing = 0, count;
    long index = 0;
    for (int c; (c = std::getc(units)) != EOF;) {
        if (c != '\n')
            continue;
        char name[64];
        std::snprintf(name, sizeof name, IDLEGRID_IN "units/%06ld/count", index++);
        std::FILE *in = std::fopen(name, "r");
        if (in && std::fscanf(in, "%lu", &count) == 1)
            total += count;
        else
            missing++;
        if (in)
            std::fclose(in);
    }
    std::FILE *out = std::fopen(IDLEGRID_OUT "answer.json", "w");
    if (!out)
        return 1;
    std::fprintf(out, "{\"primes\": %lu, \"units\": %ld, \"missing\": %lu}\n", total, index, missing);
    return std::fclose(out) ? 1 : 0;
}
