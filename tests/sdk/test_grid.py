"""From a folder to an answer through the REST interface: what is sent, when, and what not."""

import contextlib
import hashlib
import json
from collections.abc import Iterator

import pytest

from idlegrid import BatchFailedError, Grid, IdlegridError, InputError, TableError
from idlegrid import batch as batch_module
from idlegrid.api import ApiError
from idlegrid.keys import key_path, make_key

from .loopback import serve
from .project import Project
from .tiny_app import APP_TOML, write_app


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch) -> None:
    monkeypatch.setattr(batch_module, "POLL_FIRST_S", 0.01)


@pytest.fixture
def project() -> Project:
    return Project()


@contextlib.contextmanager
def connected(project: Project) -> Iterator[Grid]:
    with serve(project) as server, Grid(server.url, "igt_x", patience_s=2.0) as grid:
        yield grid


def test_the_first_submission_publishes_and_later_ones_only_send_what_is_new(
    tmp_path, project
) -> None:
    toml = APP_TOML.replace('table = "', 'inputs = ["src/form.h"]\ntable = "') + (
        'args = ["x"]\nplacement = "server"\n'
    )
    folder = write_app(tmp_path / "my app", [1, 2], toml)
    make_key(key_path(), None)
    with connected(project) as grid:
        batch = grid.submit(folder, seed="7", priority=3, on_failure="skip 10")
        assert (batch.id, batch.name) == ("batch_1", "tiny")
        assert list(project.releases["tiny"]) == ["1.0.0"]
        project.requests.clear()
        again = grid.submit(folder, folder / "units.csv", name="second", public=True)
    assert again.id == "batch_2"
    assert "POST apps" not in project.requests
    assert "PATCH uploads" not in project.requests

    units = b'{"args":["1"]}\n{"args":["2"]}\n'
    form = (folder / "src/form.h").read_bytes()
    shared = {"name": "form.h", "sha256": hashlib.sha256(form).hexdigest(), "bytes": len(form)}
    assert project.files[shared["sha256"]] == form
    assert project.files[project.specs[0]["units"]] == units
    assert project.specs[0] == {
        "name": "tiny",
        "app": "tiny",
        "version": "1.0.0",
        "units": hashlib.sha256(units).hexdigest(),
        "stages": [
            {"kind": "map", "program": "square", "inputs": [shared]},
            {
                "kind": "combine",
                "program": "total",
                "args": ["x"],
                "inputs": [],
                "placement": "server",
            },
        ],
        "on_failure": {"mode": "skip", "max_units": 10},
        "priority": 3,
        "seed": "7",
    }
    assert (project.specs[1]["name"], project.specs[1]["public"]) == ("second", True)


def test_a_wrong_table_is_told_before_anything_is_sent(tmp_path, project) -> None:
    folder = write_app(tmp_path / "app", [])
    with connected(project) as grid:
        with pytest.raises(TableError, match="no rows"):
            grid.submit(folder)
        with pytest.raises(InputError, match="must be within"):
            grid.submit(folder, priority=10**9)
        with pytest.raises(InputError, match="on_failure 'ignore' must be"):
            grid.submit(folder, on_failure="ignore")
    assert project.requests == []


def test_a_published_version_with_other_content_is_not_submitted(tmp_path, project) -> None:
    folder = write_app(tmp_path / "app", [1])
    project.releases["tiny"] = {"1.0.0": "0" * 64}
    with connected(project) as grid, pytest.raises(InputError, match="raise the version"):
        grid.submit(folder)
    assert project.specs == []


def test_without_a_key_nothing_is_published(tmp_path, project) -> None:
    folder = write_app(tmp_path / "app", [1])
    with connected(project) as grid, pytest.raises(InputError, match="idlegrid keys init"):
        grid.submit(folder)
    assert (project.releases, project.specs) == ({}, [])


def test_a_batch_is_waited_for_and_its_answer_checked_and_fetched(tmp_path, project) -> None:
    project.specs.append({"name": "mine"})
    project.state = "complete"
    project.answer_files = {"answer.json": b"{}", "a folder/plot #1.svg": b"<svg/>"}
    heard: list[int] = []
    with connected(project) as grid:
        batch = grid.batch("mine")
        ended = batch.wait(on_progress=lambda now: heard.append(now.stages[0].assimilated))
        assert (ended.state, heard) == ("complete", [1, 2, 3])
        answer = batch.download(tmp_path / "out")
    assert (tmp_path / "out/answer.json").read_bytes() == b"{}"
    assert (tmp_path / "out/a folder/plot #1.svg").read_bytes() == b"<svg/>"
    assert (answer.revision, json.loads(answer.detail)) == (1, {"units": 2})


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a\\b"])
def test_an_answer_cannot_write_outside_its_folder(tmp_path, project, name) -> None:
    project.specs.append({"name": "mine"})
    project.answer_files = {name: b"x"}
    with connected(project) as grid, pytest.raises(ApiError, match="names bad files"):
        grid.batch("batch_1").download(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_failed_batch_is_told_with_its_causes(project) -> None:
    project.specs.append({"name": "mine"})
    project.state = "failed"
    with connected(project) as grid:
        with pytest.raises(BatchFailedError, match="batch mine failed: a unit failed") as caught:
            grid.batch("mine").wait()
        assert [group.reason for group in grid.batch("mine").failures()] == ["exit_code"]
    assert caught.value.detail == "1 × exit_code\noh no"


def test_waiting_ends_after_its_time(project) -> None:
    project.specs.append({"name": "mine"})
    with connected(project) as grid, pytest.raises(IdlegridError, match="still running after 0"):
        grid.batch("mine").wait(timeout_s=0)


def test_batches_are_listed_page_by_page_and_steered_by_name(project) -> None:
    project.specs += [{"name": name} for name in ("a", "b", "a", "c", "d")]
    with connected(project) as grid:
        assert [batch.name for batch in grid.batches()] == ["d", "c", "a", "b", "a"]
        assert grid.batch("a").id == "batch_3"
        for verb in ("pause", "resume", "cancel"):
            getattr(grid.batch("b"), verb)()
        with pytest.raises(InputError, match="no batch called 'z'"):
            grid.batch("z")
    assert project.steered == ["pause", "resume", "cancel"]


def test_a_batch_says_when_it_will_be_done(tmp_path, project) -> None:
    folder = write_app(tmp_path / "app", [1])
    make_key(key_path(), None)
    with connected(project) as grid:
        batch = grid.submit(folder, canary=False)
        assert project.specs[0]["canary"] is False
        assert batch.forecast() is None
        project.forecast = {"p50_at": "2027-01-02T03:04:05.000Z", "p90_at": "2027-01-02T06:00:00Z"}
        found = batch.forecast()
    assert found is not None
    assert (found.p50_at[:10], found.p90_at[11:16]) == ("2027-01-02", "06:00")
