"""run-local: a whole batch without a server, and the same bytes every time."""

import pytest

from idlegrid.appfile import read_app
from idlegrid.fault import BatchFailedError, TableError
from idlegrid.local import run_local
from idlegrid_shared.sandbox.randomness import SeededStream
from idlegrid_shared.seeds import batch_seed, unit_seed

from .tiny_app import APP_TOML, write_app


def expected_total(numbers: list[int], seed: str = "0") -> str:
    """What the app must answer, computed here from its numbers and the published seeds."""
    base = batch_seed("tiny", "1.0.0", seed)
    lines = []
    for index, n in enumerate(numbers):
        if n >= 0:
            drawn = SeededStream(unit_seed(base, 0, index)).draw(4)
            lines.append(f"{n * n} {drawn.hex()}\n")
    good = [n for n in numbers if n >= 0]
    failed = len(numbers) - len(good)
    return "".join(lines) + f"total {sum(n * n for n in good)}, failed {failed}\n"


def test_a_batch_from_table_to_answer_in_a_path_with_spaces(tmp_path) -> None:
    numbers = [3, 1, 4, 1, 5]
    app = read_app(write_app(tmp_path / "my own app", numbers))
    out = tmp_path / "the answer"
    answer = run_local(app, out, jobs=2)
    assert (out / "total.txt").read_text() == expected_total(numbers)
    assert [entry.name for entry in answer.manifest] == ["total.txt"]
    assert [path.name for path in out.iterdir()] == ["total.txt"], "working files were left"
    assert answer.usage["square"].runs == 5
    assert 0 < answer.usage["square"].ops_max < 50_000_000


def test_the_number_of_jobs_does_not_change_a_byte(tmp_path) -> None:
    app = read_app(write_app(tmp_path / "app", list(range(12))))
    one = run_local(app, tmp_path / "one", jobs=1)
    four = run_local(app, tmp_path / "four", jobs=4)
    assert one.manifest == four.manifest
    files = [(tmp_path / name / "total.txt").read_bytes() for name in ("one", "four")]
    assert files[0] == files[1]


def test_the_seed_is_the_only_source_of_chance(tmp_path) -> None:
    app = read_app(write_app(tmp_path / "app", [7]))
    run_local(app, tmp_path / "out", seed="another", jobs=1)
    text = (tmp_path / "out/total.txt").read_text()
    assert text == expected_total([7], "another")
    assert text != expected_total([7])


def test_without_a_combine_step_the_answer_is_all_outputs(tmp_path) -> None:
    toml = APP_TOML.partition("[combine]")[0]
    app = read_app(write_app(tmp_path / "app", [2, 3], toml))
    answer = run_local(app, tmp_path / "out", jobs=2)
    names = ["units/000000/square", "units/000001/square"]
    assert [entry.name for entry in answer.manifest] == names
    assert (tmp_path / "out" / names[1]).read_text().startswith("9 ")


def test_a_failed_unit_stops_the_batch_and_shows_its_stderr(tmp_path) -> None:
    app = read_app(write_app(tmp_path / "app", [1, -2, 3]))
    with pytest.raises(BatchFailedError, match=r"unit 1 \(square -2\) failed") as caught:
        run_local(app, tmp_path / "out", jobs=1)
    assert "-2 is negative" in caught.value.detail
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("rule", ["skip", "skip 2", "skip 50%"])
def test_failed_units_within_the_allowance_are_skipped_and_listed(tmp_path, rule) -> None:
    numbers = [1, -2, 3, -4]
    toml = APP_TOML.replace("[combine]", f'on_failure = "{rule}"\n\n[combine]')
    app = read_app(write_app(tmp_path / "app", numbers, toml))
    answer = run_local(app, tmp_path / "out", jobs=2)
    assert (tmp_path / "out/total.txt").read_text() == expected_total(numbers)
    assert [(unit.index, unit.args, unit.reason) for unit in answer.skipped] == [
        (1, ("-2",), "exit_code"),
        (3, ("-4",), "exit_code"),
    ]


@pytest.mark.parametrize("rule", ["skip 1", "skip 49%"])
def test_failed_units_beyond_the_allowance_fail_the_batch(tmp_path, rule) -> None:
    toml = APP_TOML.replace("[combine]", f'on_failure = "{rule}"\n\n[combine]')
    app = read_app(write_app(tmp_path / "app", [1, -2, 3, -4], toml))
    with pytest.raises(BatchFailedError, match="unit 3"):
        run_local(app, tmp_path / "out", jobs=1)


def test_a_program_that_never_ends_is_stopped_by_its_limit(tmp_path) -> None:
    app = read_app(write_app(tmp_path / "app", [666]))
    with pytest.raises(BatchFailedError, match="unit 0"):
        run_local(app, tmp_path / "out", jobs=1)


def test_a_table_without_rows_is_refused_before_anything_is_built(tmp_path) -> None:
    app = read_app(write_app(tmp_path / "app", [], compiled=False))
    with pytest.raises(TableError, match="no rows"):
        run_local(app, tmp_path / "out")
    assert not (app.folder / "build").exists()
