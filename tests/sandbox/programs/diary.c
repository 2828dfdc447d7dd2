/* Keeps its own checkpoint: the number of rounds done and a sum, written anew every ten rounds.
   `diary ROUNDS` says at the end how often it was started on the way, in /out/starts. */
#include <stdio.h>
#include <stdlib.h>

__attribute__((import_module("idlegrid"), import_name("safepoint"))) void safepoint(void);

int main(int argc, char **argv) {
    long rounds = atol(argv[1]), round = 0, starts = 0;
    unsigned long sum = 1;
    FILE *state = fopen("/checkpoint/state", "r");
    if (state) {
        if (fscanf(state, "%ld %lu %ld end", &round, &sum, &starts) != 3) return 4;
        fclose(state);
    }
    starts++;
    for (; round < rounds; round++) {
        if (round % 10 == 0) {
            /* Written in two halves, with the host called in between: a checkpoint taken there
               would hold half a state. */
            state = fopen("/checkpoint/state", "w");
            if (!state) return 5;
            fprintf(state, "%ld %lu", round, sum);
            fflush(state);
            for (int i = 0; i < 20; i++) safepoint();
            fprintf(state, " %ld end\n", starts);
            if (fclose(state)) return 6;
        }
        for (unsigned i = 0; i < 200000; i++) sum = sum * 6364136223846793005u + i;
        safepoint();
    }
    FILE *out = fopen("/out/sum", "w");
    fprintf(out, "%lu\n", sum);
    fclose(out);
    out = fopen("/out/starts", "w");
    fprintf(out, "%ld\n", starts);
    return fclose(out) ? 7 : 0;
}
