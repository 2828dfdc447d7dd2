/* Where a program finds its files: /in and /out in the sandbox, here when compiled natively. */
#ifndef FOLDERS_H
#define FOLDERS_H

#ifdef __wasm__
#define IN_FOLDER "/in/"
#define OUT_FOLDER "/out/"
__attribute__((import_module("idlegrid"), import_name("progress"))) void
idlegrid_progress(double fraction);
#else
#define IN_FOLDER "in/"
#define OUT_FOLDER "out/"
static inline void idlegrid_progress(double fraction) { (void)fraction; }
#endif

#endif
