/* Idlegrid for programs in C and C++, in the sandbox and compiled for your own machine alike.
 *
 *     FILE *in = fopen(IDLEGRID_IN "data.csv", "r");
 *     for (long i = 0; i < n; i++) {
 *         ...
 *         idlegrid_progress((double)i / n);
 *     }
 *
 * `idlegrid app build` finds this header by itself; at home add its folder with -I.
 */
#ifndef IDLEGRID_H
#define IDLEGRID_H

#ifndef __wasm__
#include <stdio.h>
#include <stdlib.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __wasm__

/* Where inputs lie and outputs go; at home: in/, out/ and checkpoint/ of the folder you are in. */
#define IDLEGRID_IN "/in/"
#define IDLEGRID_OUT "/out/"
/* With checkpoint = "app": files that outlive the program, for its own state; no outputs. */
#define IDLEGRID_CHECKPOINT "/checkpoint/"

/* Say how much is done, from 0 to 1. It costs a few millionths of a second. */
__attribute__((import_module("idlegrid"), import_name("progress"))) void
idlegrid_progress(double fraction);

/* Here the program may be saved, to go on after a restart or on another machine. Call it in long
   loops that call nothing else of the host; every other call of the host is such a place, too. */
__attribute__((import_module("idlegrid"), import_name("safepoint"))) void
idlegrid_safepoint(void);

#else

#define IDLEGRID_IN "in/"
#define IDLEGRID_OUT "out/"
#define IDLEGRID_CHECKPOINT "checkpoint/"
/* As a native app, in a small file whose name stands in the environment; at home nowhere. */
static inline void idlegrid_progress(double fraction) {
    static FILE *told = NULL;
    static int looked = 0;
    if (!looked) {
        const char *name = getenv("IDLEGRID_PROGRESS");
        looked = 1;
        if (name) told = fopen(name, "w");
    }
    if (told) {
        rewind(told);
        fprintf(told, "%.6f\n", fraction);
        fflush(told);
    }
}
static inline void idlegrid_safepoint(void) {}

#endif

#ifdef __cplusplus
}
#endif

#endif
