"""One target under atheris: ``python -m tests.fuzz.atheris_run TARGET CORPUS [OPTIONS]``."""

import sys

import atheris

with atheris.instrument_imports(include=["idlegrid_shared"]):
    from .target import TARGETS


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    target = TARGETS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
