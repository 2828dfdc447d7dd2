"""A tiny app for tests: squares of numbers, summed by its combine step."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from idlegrid.appfile import read_app
from idlegrid.build import build_app

ROOT = Path(__file__).parents[2]
# One compiler cache for all tests: only the first build on a machine makes the C library.
ZIG_CACHE = ROOT / "build/zig-cache"

APP_TOML = """\
[app]
name = "tiny"
version = "1.0.0"
summary = "Squares, and their sum"

[programs.square]
sources = ["src/square.c"]
max_ops = 50_000_000

[programs.total]
sources = ["src/total.c"]

[split]
program = "square"
table = "units.csv"
args = ["{n}"]

[combine]
program = "total"
"""

# Fails for a negative number; loops for ever for 666; writes its random bytes down.
SQUARE_C = r"""
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "form.h"
int main(int argc, char **argv) {
    long n = atol(argv[1]);
    if (n < 0) { fprintf(stderr, "%ld is negative\n", n); return 3; }
    while (n == 666) { __asm__ volatile(""); }
    unsigned char random[4];
    if (getentropy(random, sizeof random)) return 4;
    FILE *out = fopen("/out/square", "w");
    fprintf(out, FORM, n * n, random[0], random[1], random[2], random[3]);
    return fclose(out);
}
"""
FORM_H = '#define FORM "%ld %02x%02x%02x%02x\\n"\n'

TOTAL_C = r"""
#include <stdio.h>
#include <string.h>
int main(void) {
    char line[4096], name[64];
    long total = 0, value, failed = 0;
    int index = 0;
    FILE *units = fopen("/in/units.jsonl", "r"), *out = fopen("/out/total.txt", "w");
    for (; fgets(line, sizeof line, units); index++) {
        if (!strstr(line, "\"assimilated\"")) { failed++; continue; }
        snprintf(name, sizeof name, "/in/units/%06d/square", index);
        FILE *in = fopen(name, "r");
        if (!in || fscanf(in, "%ld", &value) != 1) return 5;
        rewind(in);
        while (fgets(line, sizeof line, in)) fputs(line, out);
        fclose(in);
        total += value;
    }
    fprintf(out, "total %ld, failed %ld\n", total, failed);
    return fclose(out);
}
"""


def write_app(
    folder: Path, numbers: list[int], toml: str = APP_TOML, *, compiled: bool = True
) -> Path:
    """Write the app into ``folder`` with a table of ``numbers``.

    ``compiled``: with its modules beside it, as after a build; their stamps say whether they fit.
    """
    (folder / "src").mkdir(parents=True)
    (folder / "app.toml").write_text(toml, "utf-8")
    (folder / "src/square.c").write_text(SQUARE_C, "utf-8")
    (folder / "src/form.h").write_text(FORM_H, "utf-8")
    (folder / "src/total.c").write_text(TOTAL_C, "utf-8")
    (folder / "units.csv").write_text("n\n" + "".join(f"{n}\n" for n in numbers), "utf-8")
    if compiled:
        shutil.copytree(compiled_once(), folder / "build")
    return folder


@functools.cache
def compiled_once() -> Path:
    """The app's modules, compiled once for all tests of this process."""
    folder = Path(tempfile.mkdtemp(prefix="tiny-app-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    build_app(read_app(write_app(folder / "app", [1], compiled=False)))
    return folder / "app/build"
