/* Compress a file at several qualities, decompress, compare. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <brotli/decode.h>
#include <brotli/encode.h>

int main(int argc, char **argv) {
    if (argc < 3) return 1;
    FILE *file = fopen(argv[1], "rb");
    if (!file) return 2;
    fseek(file, 0, SEEK_END);
    size_t size = ftell(file);
    rewind(file);
    unsigned char *data = malloc(size), *again = malloc(size);
    if (fread(data, 1, size, file) != size) return 3;
    fclose(file);
    size_t room = BrotliEncoderMaxCompressedSize(size);
    unsigned char *packed = malloc(room);
    int qualities[] = {1, 5, 9, 11};
    for (int i = 0; i < 4; i++) {
        size_t length = room, back = size;
        if (!BrotliEncoderCompress(qualities[i], 22, BROTLI_MODE_TEXT, size, data, &length, packed))
            return 4;
        if (BrotliDecoderDecompress(length, packed, &back, again) != BROTLI_DECODER_RESULT_SUCCESS)
            return 5;
        printf("quality %d: %zu bytes, %s\n", qualities[i], length,
               back == size && !memcmp(data, again, size) ? "the same" : "DIFFERENT");
        if (qualities[i] == 11) {
            file = fopen(argv[2], "wb");
            fwrite(packed, 1, length, file);
            fclose(file);
        }
    }
    return 0;
}
