"""docs/wasi.md, the tables of cases and the layer cannot part."""

import random
import re
from pathlib import Path

from idlegrid_shared.sandbox.fault import GuestExit, Refused
from idlegrid_shared.sandbox.wasi import WASI_FUNCTIONS

from .test_wasi_table_files import CASES as FILES
from .test_wasi_table_paths import CASES as PATHS
from .test_wasi_table_process import CASES as PROCESS
from .wasi_case import ENDINGS, ERRNO, set_stage

PAGE = (Path(__file__).parents[2] / "docs" / "wasi.md").read_text(encoding="utf-8")
CASES = [*FILES, *PATHS, *PROCESS]
Answers = dict[str, set[str]]


def answers_named(text: str) -> set[str]:
    known = set(ERRNO) | set(ENDINGS)
    return known & set(re.findall(r"`([A-Za-z_]+)`", text))


def page_answers() -> Answers:
    common = answers_named(re.search(r"^\*Path errors\*.*?\n\n", PAGE, re.M | re.S)[0])  # type: ignore[index]
    found: Answers = {}
    for name, answers in re.findall(r"^\| ([a-z]+_[a-z_]+) \|[^|]*\| (.*) \|$", PAGE, re.M):
        found[name] = answers_named(answers)
        if "*path errors*" in answers:
            found[name] |= common
    return found


def table_answers() -> Answers:
    found: Answers = {name: set() for name in WASI_FUNCTIONS}
    for one in CASES:
        found[one.function].add(one.outcome)
    return found


def test_all_calls_of_preview_1_are_there() -> None:
    assert len(WASI_FUNCTIONS) == 46
    assert list(page_answers()) == sorted(WASI_FUNCTIONS)


def test_the_page_names_exactly_the_answers_that_are_tested() -> None:
    tested = {name: answers - {"SUCCESS"} for name, answers in table_answers().items()}
    page = page_answers()
    for name in WASI_FUNCTIONS:
        assert page[name] == tested[name], f"{name}: the page and the table of cases differ"


def test_every_call_that_can_succeed_is_seen_to_succeed() -> None:
    never = {"proc_exit", "proc_raise", "path_link", "path_symlink", "path_readlink"}
    never |= {name for name in WASI_FUNCTIONS if name.startswith("sock_")}
    assert {name for name, a in table_answers().items() if "SUCCESS" not in a} == never


def test_no_two_cases_are_the_same() -> None:
    names = [str(one) for one in CASES]
    assert len(names) == len(set(names))


def test_no_call_gives_an_answer_that_is_not_in_the_table(tmp_path: Path) -> None:
    """Ten thousand calls with likely and unlikely numbers, each on a stage that others changed."""
    dice = random.Random(46)
    table = table_answers()
    paths = [b"out/x", b"out/d", b"in/a", b"..", b"out/new", b"out/d/y", b"out/N/", b".", b"\xff"]
    numbers = [0, 1, 2, 3, 4, 5, 6, 7, 9, 16, 64, 2000, 3000, 65535, 65536, 2**31, 2**63, 2**64 - 1]
    names = sorted(set(WASI_FUNCTIONS) - {"proc_exit"})
    seen = 0
    for round_ in range(40):
        folder = tmp_path / str(round_)
        folder.mkdir()
        desk = set_stage(folder, {})
        for index, path in enumerate(paths):
            desk.put(30_000 + 100 * index, path)
        for _ in range(250):
            name = dice.choice(names)
            arguments: list[int] = []
            for _letter in WASI_FUNCTIONS[name][0]:
                if dice.random() < 0.3:
                    index = dice.randrange(len(paths))
                    arguments += [30_000 + 100 * index, len(paths[index])]
                else:
                    arguments.append(dice.choice(numbers))
            try:
                errno = desk.call(name, *arguments[: len(WASI_FUNCTIONS[name][0])])
            except (GuestExit, Refused) as end:
                answer = "exit" if isinstance(end, GuestExit) else end.reason
                assert answer in table[name], f"{name}{arguments} ended the run by {answer}"
                break
            known = [word for word, number in ERRNO.items() if number == errno]
            assert known, f"{name}{arguments} answered errno {errno}"
            assert known[0] in table[name] | {"SUCCESS"}, f"{name}{arguments}: {known[0]}"
            seen += 1
        desk.files.reader.close()
    assert seen > 4000
