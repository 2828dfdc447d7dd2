"""`make demo CHAOS=1` in small: killed again and again, it still ends with the same bytes."""

import os
import re
import subprocess
import sys
from pathlib import Path

from examples.sunspots import make_units

ROOT = Path(__file__).parents[2]


def test_the_demo_under_chaos_checks_everything_it_says(tmp_path: Path) -> None:
    table = tmp_path / "units.csv"
    make_units.write(table, bands=4, blocks=4, shuffles=4000)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "examples.demo", "--chaos", "--remove"),
            *("--table", str(table), "--lies", "0.9"),
        ],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "byte for byte" in said
    assert "16 of 16 assimilated" in said
    assert re.search(r"all \d+ altered results were found, and their host named: mallory", said)
    assert re.search(r"killed meanwhile: .*\d×", said)
    assert "no process is left" in said
