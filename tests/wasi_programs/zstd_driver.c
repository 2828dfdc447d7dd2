/* Compress a file at several levels, as one and by streaming, decompress, compare. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "zstd.h"

static unsigned char *read_all(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) exit(2);
    fseek(file, 0, SEEK_END);
    *size = ftell(file);
    rewind(file);
    unsigned char *data = malloc(*size + 1);
    if (fread(data, 1, *size, file) != *size) exit(3);
    fclose(file);
    return data;
}

int main(int argc, char **argv) {
    if (argc < 3) return 1;
    size_t size;
    unsigned char *data = read_all(argv[1], &size);
    size_t room = ZSTD_compressBound(size);
    unsigned char *packed = malloc(room), *again = malloc(size + 1);
    for (int level = 1; level <= 19; level += 6) {
        size_t length = ZSTD_compress(packed, room, data, size, level);
        if (ZSTD_isError(length)) return 4;
        size_t back = ZSTD_decompress(again, size, packed, length);
        printf("level %d: %zu bytes, %s\n", level, length,
               back == size && !memcmp(data, again, size) ? "the same" : "DIFFERENT");
        if (level == 19) {
            FILE *file = fopen(argv[2], "wb");
            fwrite(packed, 1, length, file);
            fclose(file);
        }
    }
    ZSTD_CStream *stream = ZSTD_createCStream();
    ZSTD_initCStream(stream, 3);
    ZSTD_outBuffer out = {packed, room, 0};
    for (size_t at = 0; at < size; at += 1000) {
        ZSTD_inBuffer in = {data + at, size - at < 1000 ? size - at : 1000, 0};
        while (in.pos < in.size) ZSTD_compressStream(stream, &out, &in);
    }
    while (ZSTD_endStream(stream, &out)) {}
    ZSTD_freeCStream(stream);
    printf("streamed: %zu bytes, %s\n", out.pos,
           ZSTD_decompress(again, size, packed, out.pos) == size && !memcmp(data, again, size)
               ? "the same" : "DIFFERENT");
    return 0;
}
