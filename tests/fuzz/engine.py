"""Two ways to feed a target: atheris, which follows the branches it takes, else hypothesis."""

import importlib.util
import re
import subprocess
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from .source import Target

BYTES_MAX = 4096
RSS_MB_MAX = 2048
#: libFuzzer stops an input that takes longer, as a target must never hang.
INPUT_S_MAX = 25
GRACE_S = 60


def has_atheris() -> bool:
    """Whether the optional package is installed (``pip install -e ".[fuzz]"``)."""
    return importlib.util.find_spec("atheris") is not None


def feed(target: Target, seconds: float, corpus: Path) -> bool:
    """Run a target for so long; True if nothing was found. What it found is printed."""
    if has_atheris():
        return feed_by_atheris(target, seconds, corpus)
    return feed_by_hypothesis(target, seconds)


def feed_by_atheris(target: Target, seconds: float, corpus: Path) -> bool:
    """In a process of its own, as libFuzzer ends the one that it runs in."""
    corpus.mkdir(parents=True, exist_ok=True)
    for index, data in enumerate(target.seeds):
        (corpus / f"seed-{index}").write_bytes(data)
    command = [sys.executable, "-m", "tests.fuzz.atheris_run", target.name, str(corpus)]
    options = [
        f"-max_total_time={max(1, round(seconds))}",
        f"-max_len={BYTES_MAX}",
        f"-rss_limit_mb={RSS_MB_MAX}",
        f"-timeout={INPUT_S_MAX}",
        f"-artifact_prefix={corpus.parent}/{target.name}-found-",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=seconds + GRACE_S * 3
    )
    said = done.stdout + done.stderr
    if done.returncode != 0:
        print(said[-8000:].strip())
        return False
    counts = re.findall(r"stat::number_of_executed_units:\s*(\d+)", said)
    added = re.findall(r"stat::new_units_added:\s*(\d+)", said)
    print(
        f"{target.name}: {counts[0]} inputs, {added[0]} of them reached something new", flush=True
    )
    return True


def feed_by_hypothesis(target: Target, seconds: float) -> bool:
    """Rounds of random bytes, each with another seed."""
    until_s = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < until_s:
        try:
            check_some(target, examples=500, number=rounds)
        except Exception as found:  # noqa: BLE001 (whatever a target raises is a find)
            print(f"{target.name}: {type(found).__name__}: {found}")
            for note in getattr(found, "__notes__", []):
                print(note)
            return False
        rounds += 1
    print(f"{target.name}: {rounds} rounds of 500 inputs by hypothesis")
    return True


def check_some(target: Target, *, examples: int, number: int) -> None:
    """A few inputs, the same for the same ``number``; raises what the target raises."""
    for data in target.seeds:
        target.run(data)

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.binary(max_size=400))
    def inputs(data: bytes) -> None:
        target.run(data)

    inputs()
