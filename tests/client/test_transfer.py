"""Files over a real network: cut in the middle, continued, and never believed unseen."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from idlegrid_client.layout import ProjectFolder
from idlegrid_client.transfer.download import (
    WrongFileError,
    download,
    in_cache,
    large_files,
    tidy_cache,
)
from idlegrid_client.transfer.http import BadAnswerError, Server, ServerProblem, UnreachableError
from idlegrid_client.transfer.upload import upload
from idlegrid_shared.signing import new_key
from idlegrid_shared.wire import ProjectInfo

from .simulator import SimulatedProject, serving, sha256

DATA = bytes(range(256)) * 4_000


@pytest.fixture
def project() -> SimulatedProject:
    made = SimulatedProject()
    made.files[sha256(DATA)] = DATA
    return made


@pytest.fixture
def server(project: SimulatedProject) -> Iterator[Server]:
    with serving(project) as url:
        connection = Server(url, new_key())
        yield connection
        connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> ProjectFolder:
    made = ProjectFolder(tmp_path / "pro ject")
    made.make()
    return made


def fetch(server: Server, folder: ProjectFolder, data: bytes = DATA, size: int = -1) -> None:
    size = len(data) if size < 0 else size
    download(server, folder, sha256(data), size, f"/files/{sha256(data)}")


def test_a_file_comes_whole_into_the_cache(server: Server, folder: ProjectFolder) -> None:
    fetch(server, folder)
    assert (folder.cache / sha256(DATA)).read_bytes() == DATA
    assert in_cache(folder, sha256(DATA), len(DATA))


def test_a_download_that_was_cut_goes_on_where_it_ended(
    project: SimulatedProject, server: Server, folder: ProjectFolder
) -> None:
    project.cut_downloads = [300_000, 200_000]
    have = 0
    for _ in range(2):
        with pytest.raises(UnreachableError, match="broke off"):
            fetch(server, folder)
        before, have = have, (folder.parts / sha256(DATA)).stat().st_size
        assert before < have < len(DATA), "what came is kept"
    project.cut_downloads = [len(DATA) - have]  # exactly the rest: nothing was fetched twice
    fetch(server, folder)
    assert (folder.cache / sha256(DATA)).read_bytes() == DATA
    assert not list(folder.parts.iterdir())


def test_wrong_bytes_are_refused_and_thrown_away(
    project: SimulatedProject, server: Server, folder: ProjectFolder
) -> None:
    """The server, or somebody between, serves another program under the signed name."""
    project.files[sha256(DATA)] = b"evil" + DATA[4:]
    with pytest.raises(WrongFileError, match="other bytes"):
        fetch(server, folder)
    assert not list(folder.cache.iterdir())
    assert not list(folder.parts.iterdir())


def test_a_rotten_part_does_not_hold_up_the_next_attempt(
    server: Server, folder: ProjectFolder
) -> None:
    (folder.parts / sha256(DATA)).write_bytes(b"rotten" + DATA[6:500])
    with pytest.raises(WrongFileError):
        fetch(server, folder)
    fetch(server, folder)
    assert in_cache(folder, sha256(DATA), len(DATA))


def test_more_bytes_than_were_signed_are_not_even_stored(
    project: SimulatedProject, server: Server, folder: ProjectFolder
) -> None:
    project.files[sha256(b"small")] = DATA
    with pytest.raises(WrongFileError, match="sends more"):
        fetch(server, folder, b"small")
    assert not list(folder.parts.iterdir())


def test_a_file_that_is_gone_is_told_as_such(server: Server, folder: ProjectFolder) -> None:
    with pytest.raises(ServerProblem) as problem:
        fetch(server, folder, b"never there")
    assert problem.value.status == 404


def test_what_is_in_the_cache_is_not_fetched(tmp_path: Path, folder: ProjectFolder) -> None:
    (folder.cache / sha256(DATA)).write_bytes(DATA)
    nobody = Server("http://127.0.0.1:9", new_key())
    fetch(nobody, folder)
    nobody.close()


def test_a_rotten_file_in_the_cache_is_fetched_anew(server: Server, folder: ProjectFolder) -> None:
    (folder.cache / sha256(DATA)).write_bytes(b"x" + DATA[1:])
    assert not in_cache(folder, sha256(DATA), len(DATA))
    fetch(server, folder)
    assert in_cache(folder, sha256(DATA), len(DATA))


def test_the_cache_keeps_to_its_size_and_to_what_is_needed(folder: ProjectFolder) -> None:
    for age, name in enumerate("abcd"):
        path = folder.cache / name
        path.write_bytes(b"x" * 100)
        os.utime(path, (1000 + age, 1000 + age))
    assert tidy_cache(folder, {"a"}, 250) == 200
    assert sorted(p.name for p in folder.cache.iterdir()) == ["a", "d"]


def test_an_upload_arrives_whole(project: SimulatedProject, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "out put"
    path.write_bytes(DATA * 3)
    upload(server, path, sha256(DATA * 3), len(DATA) * 3, "task_1")
    assert bytes(project.uploads[sha256(DATA * 3)]) == DATA * 3


def test_an_upload_that_was_cut_goes_on_where_the_server_stands(
    project: SimulatedProject, server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    path.write_bytes(DATA)
    project.cut_uploads = 1
    with pytest.raises(UnreachableError):
        upload(server, path, sha256(DATA), len(DATA), "task_1")
    half = len(project.uploads[sha256(DATA)])
    assert 0 < half < len(DATA)
    upload(server, path, sha256(DATA), len(DATA), "task_1")
    assert bytes(project.uploads[sha256(DATA)]) == DATA


def test_a_server_that_never_takes_the_bytes_is_not_fed_for_ever(
    project: SimulatedProject, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    path.write_bytes(DATA)
    monkeypatch.setattr(
        project, "append", lambda name, offset, data: project.upload_state(name, len(DATA))
    )
    with pytest.raises(BadAnswerError, match="takes no more"):
        upload(server, path, sha256(DATA), len(DATA), "task_1")


def test_a_server_that_is_down_is_told_in_plain_words() -> None:
    nobody = Server("http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match=r"^http://127\.0\.0\.1:9 does not answer"):
        nobody.get("/rpc/v1/project", ProjectInfo)
    nobody.close()


def test_a_page_that_is_no_message_is_no_idlegrid_server(
    project: SimulatedProject, server: Server
) -> None:
    with pytest.raises(BadAnswerError, match="is not an Idlegrid server"):
        server.get(f"/files/{sha256(DATA)}", ProjectInfo)


def test_large_files_are_told_by_the_start_of_their_hash(folder: ProjectFolder) -> None:
    """So that a project sends work that needs no download; small ones are not worth a word."""
    for age, (name, size) in enumerate(
        [("a" * 64, 2**20), ("b" * 64, 2**20 - 1), ("c" * 64, 2**21)]
    ):
        path = folder.cache / name
        path.write_bytes(bytes(size))
        os.utime(path, (1000 - age, 1000 - age))
    assert large_files(folder) == ("a" * 16, "c" * 16)
