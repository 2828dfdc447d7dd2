/* All three hashes of every length up to a page, and of a file. */
#include <stdio.h>
#include <stdlib.h>
#include "xxhash.h"

int main(int argc, char **argv) {
    unsigned char bytes[4096];
    unsigned state = 1;
    for (int i = 0; i < 4096; i++) bytes[i] = (state = state * 1103515245u + 12345u) >> 16;
    unsigned long long mixed = 0;
    for (int size = 0; size <= 4096; size++) {
        mixed = mixed * 31 + XXH32(bytes, size, size);
        mixed = mixed * 31 + XXH64(bytes, size, size);
        mixed = mixed * 31 + XXH3_64bits_withSeed(bytes, size, size);
        XXH128_hash_t wide = XXH3_128bits(bytes, size);
        mixed = mixed * 31 + wide.low64 + wide.high64 * 7;
    }
    printf("%016llx\n", mixed);
    printf("empty %08x %016llx\n", XXH32("", 0, 0), (unsigned long long)XXH64("", 0, 0));
    FILE *file = fopen(argv[1], "rb");
    XXH3_state_t *hash = XXH3_createState();
    XXH3_64bits_reset(hash);
    for (size_t n; (n = fread(bytes, 1, 777, file)) > 0;) XXH3_64bits_update(hash, bytes, n);
    printf("file %016llx\n", (unsigned long long)XXH3_64bits_digest(hash));
    return 0;
}
