"""What became of the mutants: counts by module, and the survivors with their changes."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

#: mutmut's exit codes of a mutant's tests. Whatever is not here ended in some other odd way, and a
#: mutant that makes the tests crash was noticed.
SURVIVED, KILLED, UNCHECKED = "survived", "killed", "not checked"
CODES: dict[int | None, str] = {
    0: SURVIVED,
    1: KILLED,
    3: KILLED,
    5: "no tests",
    33: "no tests",
    24: "timeout",
    36: "timeout",
    152: "timeout",
    255: "timeout",
    None: UNCHECKED,
}


@dataclass
class Report:
    """By module: how many mutants became what; and the names of those that nothing noticed."""

    modules: dict[str, Counter[str]] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)

    @property
    def total(self) -> Counter[str]:
        """Of all modules together."""
        return sum(self.modules.values(), Counter[str]())

    @property
    def share(self) -> float:
        """Killed ones of all that were made and checked; an endless loop counts as killed."""
        return killed_share(self.total)


def killed_share(counts: Counter[str]) -> float:
    """Share of the checked mutants that some test noticed."""
    checked = counts.total() - counts[UNCHECKED]
    return 1 - (counts[SURVIVED] + counts["no tests"]) / checked if checked else 0.0


def read(place: Path, modules: list[str]) -> Report:
    """What mutmut wrote down so far."""
    report = Report()
    for name in modules:
        path = place / "mutants" / "idlegrid_server" / "domain" / f"{name}.py.meta"
        try:
            codes = json.loads(path.read_text())["exit_code_by_key"]
        except (FileNotFoundError, json.JSONDecodeError):  # not made yet, or just being written
            continue
        counts: Counter[str] = Counter()
        for mutant, code in codes.items():
            word = CODES.get(code, KILLED)
            counts[word] += 1
            if word in (SURVIVED, "no tests"):
                report.missed.append(mutant)
        report.modules[name] = counts
    return report


def table(report: Report) -> str:
    """A line for each module, and the total."""
    lines = [f"{'module':<14} {'mutants':>8} {'killed':>7} {'timeout':>8} {'missed':>7}   share"]
    for name, counts in [*sorted(report.modules.items()), ("all", report.total)]:
        missed = counts[SURVIVED] + counts["no tests"]
        lines.append(
            f"{name:<14} {counts.total():>8} {counts[KILLED]:>7} {counts['timeout']:>8} "
            f"{missed:>7}   {killed_share(counts):.1%}"
            + (f"  ({counts[UNCHECKED]} not checked yet)" if counts[UNCHECKED] else "")
        )
    return "\n".join(lines)


def changes(place: Path, report: Report) -> str:
    """What each survivor changed, as mutmut shows it: one process for all of them."""
    shown = subprocess.run(
        [sys.executable, "-c", SHOW, *report.missed],
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = [line for line in shown.splitlines() if line[:1] in "#+-" and line[:3] not in MARKS]
    return "\n".join(lines)


SHOW = """\
import sys
from mutmut.mutation.diff_apply import get_diff_for_mutant
for name in sys.argv[1:]:
    print("#", name)
    try:
        print(get_diff_for_mutant(name))
    except Exception as error:
        print("+ of code that has changed since:", error)
"""
MARKS = ("+++", "---")
