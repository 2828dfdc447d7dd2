"""The app that ``idlegrid app new`` writes: small, commented, and it works."""

from pathlib import Path

from .appfile import APP_FILE
from .fault import InputError

APP_TOML = """\
# What this app is. Raise the version whenever a program, a limit or the policy changes:
# a published version never does.
[app]
name = "{name}"
version = "0.1.0"
summary = "Counts primes in ranges of numbers"

# Each program is compiled to WebAssembly. Limits hold on every machine alike;
# `idlegrid run-local` prints what your units really take.
[programs.count]
sources = ["src/count.c"]
memory_bytes = 67_108_864
max_ops = 10_000_000_000
time_s = 600

[programs.total]
sources = ["src/total.c"]

# Two results must agree byte for byte.
[policy]
quorum = 2
deadline_s = 3600

# One row of the table is one work unit; {{column}} is filled in from the row.
[split]
program = "count"
table = "units.csv"
args = ["{{from}}", "{{to}}"]

# Turns all outputs into one answer.
[combine]
program = "total"
"""

COUNT_C = r"""/* Counts the primes p with from <= p < to; writes the count to /out/count. */
#include <stdio.h>
#include <stdlib.h>

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
    for (unsigned long n = from; n < to; n++) count += is_prime(n);

    FILE *out = fopen("/out/count", "w");
    if (!out) return 1;
    fprintf(out, "%lu\n", count);
    return fclose(out) ? 1 : 0;
}
"""

TOTAL_C = r"""/* Adds up the counts of all units. /in/units.jsonl has one line per unit, in
   order; the outputs of unit N lie in /in/units/N (six digits). A unit that failed has none. */
#include <stdio.h>

int main(void) {
    FILE *units = fopen("/in/units.jsonl", "r");
    if (!units) return 1;
    unsigned long total = 0, missing = 0, count;
    long index = 0;
    int c;
    while ((c = getc(units)) != EOF) {
        if (c != '\n') continue;
        char name[64];
        snprintf(name, sizeof name, "/in/units/%06ld/count", index++);
        FILE *in = fopen(name, "r");
        if (in && fscanf(in, "%lu", &count) == 1) total += count;
        else missing++;
        if (in) fclose(in);
    }
    FILE *out = fopen("/out/answer.json", "w");
    if (!out) return 1;
    fprintf(out, "{\"primes\": %lu, \"units\": %ld, \"missing\": %lu}\n", total, index, missing);
    return fclose(out) ? 1 : 0;
}
"""

UNITS_CSV = "from,to\n" + "".join(f"{n},{n + 20_000}\n" for n in range(0, 200_000, 20_000))


def write_new_app(folder: Path) -> str:
    """Write the app into ``folder``, which must be new or empty; return the app's name.

    Raises :class:`InputError` if the folder is not empty or its name cannot be an app's name.
    """
    letters = (c if c.isascii() and c.isalnum() else "-" for c in folder.absolute().name.lower())
    name = "".join(letters).strip("-")[:63]
    if not name or not name[0].isalpha():
        raise InputError(f"{folder.name!r} cannot be an app's name: let it start with a letter")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty; name a new folder")
    files = {
        APP_FILE: APP_TOML.format(name=name),
        "src/count.c": COUNT_C,
        "src/total.c": TOTAL_C,
        "units.csv": UNITS_CSV,
        ".gitignore": "/build/\n",
    }
    for file, text in files.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return name
