"""Counts the primes p with from <= p < to; writes the count to /out/count."""

import sys

import idlegrid_task as task


def is_prime(n: int) -> bool:
    """By trial division."""
    return n >= 2 and all(n % d for d in range(2, int(n**0.5) + 1))


def main() -> None:
    """The arguments are those of [split] args."""
    first, end = int(sys.argv[1]), int(sys.argv[2])
    count = 0
    for n in range(first, end):
        count += is_prime(n)
        if n % 1000 == 0:
            task.progress((n - first) / (end - first))
    with open(f"{task.OUTPUT}/count", "w") as out:
        out.write(f"{count}\n")


main()
