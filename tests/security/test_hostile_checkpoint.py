"""A checkpoint that was tampered with: damage is noticed, and malice stays in the sandbox.

Whoever forges the checksum as well can make a program compute something else, which the project's
other replicas will outvote. It can do nothing to the host, nor crash the worker.
"""

import io
import json
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idlegrid_shared.sandbox.fault import HostFault, Refused
from idlegrid_shared.sandbox.guest import Guest
from idlegrid_shared.sandbox.job import Outcome, SandboxJob
from idlegrid_shared.sandbox.run import run_sandboxed
from idlegrid_shared.sandbox.snapshot import FILE, LOG, MEMORY, NOTES, STATE
from idlegrid_shared.sandbox.snapshot_file import MARK, PieceReader, PieceWriter, SnapshotError
from idlegrid_shared.sandbox.snapshot_reader import Snapshot
from tests.sandbox.conftest import Lab
from tests.sandbox.guest import Desk
from tests.sandbox.saved import again, continue_from, figures, save_somewhere, wander_job

Pieces = list[tuple[int, int, bytes]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, module_cache: Path) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"), module_cache)


@pytest.fixture(scope="module")
def job(lab: Lab, build_c: Callable[[str], bytes]) -> SandboxJob:
    return wander_job(lab, build_c)


@pytest.fixture(scope="module")
def whole(job: SandboxJob) -> Outcome:
    return run_sandboxed(again(job, checkpoint_dir=None), timeout=120)


@pytest.fixture(scope="module")
def good(job: SandboxJob, whole: Outcome) -> bytes:
    """A checkpoint as it was written."""
    return Path(save_somewhere(job, whole, random.Random(7)).path).read_bytes()


def pieces_of(data: bytes) -> Pieces:
    return list(PieceReader(io.BytesIO(data)).pieces())


def sealed(pieces: Pieces) -> bytes:
    """The file with a right checksum, as a forger makes it."""
    file = io.BytesIO()
    writer = PieceWriter(file)
    for kind, key, data in pieces:
        writer.add(kind, key, data)
    writer.close()
    return file.getvalue()


def state_of(data: bytes) -> dict[str, Any]:
    text = b"".join(part for kind, _, part in pieces_of(data) if kind == STATE)
    state: dict[str, Any] = json.loads(text)
    return state


def forged(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """The same file with another state, and a right checksum."""
    state = state_of(data)
    change(state)
    rest = [piece for piece in pieces_of(data) if piece[0] != STATE]
    return sealed([(STATE, 0, json.dumps(state).encode()), *rest])


def run_from(job: SandboxJob, data: bytes, folder: Path) -> Outcome:
    path = folder / "given"
    path.write_bytes(data)
    return continue_from(job, path, count=random.randrange(10**9))


def test_the_good_one_is_good(job: SandboxJob, whole: Outcome, good: bytes, tmp_path: Path) -> None:
    """Else all that follows would prove nothing."""
    assert figures(run_from(job, good, tmp_path)) == figures(whole)
    assert figures(run_from(job, sealed(pieces_of(good)), tmp_path)) == figures(whole)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data + b"more",
        lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],
        lambda data: b"IDLGCKP2" + data[8:],
        lambda data: data[:8] + data,
        lambda data: b"\x80\x04\x95" + data,  # as a pickle begins
    ],
)
def test_damage_is_told_plainly(
    job: SandboxJob, good: bytes, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    outcome = run_from(job, change(good), tmp_path)
    assert outcome.reason == "bad_checkpoint"
    assert outcome.message.startswith("the checkpoint cannot be used: ")
    assert outcome.outputs == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.update(version=2), "another version"),
        (lambda s: s.update(kind="files"), "another kind"),
        (lambda s: s.update(identity="0" * 64), "other work"),
        (lambda s: s.update(ops=-1), "ops is out of its range"),
        (lambda s: s.update(ops=s["max_ops"] + 1), "ops is out of its range"),
        (lambda s: s.update(cpu_s=float("inf")), "cpu_s is out of its range"),
        (lambda s: s.update(memory_bytes=1 << 40), "memory_bytes is out of its range"),
        (lambda s: s.update(memory_bytes=s["memory_bytes"] + 1), "no whole pages"),
        (lambda s: s.update(notes_bytes=s["notes_bytes"] + 1), "a part of it is missing"),
        (lambda s: s.update(globals={}), "other globals"),
        (lambda s: s["globals"].update(dict.fromkeys(s["globals"], 1 << 70)), "cannot hold"),
        (lambda s: s["globals"].update(dict.fromkeys(s["globals"], "1")), "cannot hold"),
        (lambda s: s.update(call=["fd_write", []]), "another place"),
        (lambda s: s.update(call=["proc_exit", [0]]), "another place"),
        (lambda s: s.update(call=[[], "x"]), "described wrongly"),
        (lambda s: s["world"].update(files=[]), "files is missing"),
        (lambda s: s.clear(), "version is missing"),
    ],
)
def test_a_forged_state_is_refused(
    job: SandboxJob, good: bytes, tmp_path: Path, change: Callable[[Any], object], words: str
) -> None:
    outcome = run_from(job, forged(good, change), tmp_path)
    assert (outcome.reason, outcome.outputs) == ("bad_checkpoint", ())
    assert words in outcome.message


def test_deep_json_is_refused(job: SandboxJob, tmp_path: Path) -> None:
    data = sealed([(STATE, 0, b"[" * 100_000)])
    assert run_from(job, data, tmp_path).reason == "bad_checkpoint"


def test_a_bomb_does_not_go_off(job: SandboxJob, good: bytes, tmp_path: Path) -> None:
    """Pieces that unpack to more than they say, or say more than a piece may have."""
    packed = zlib.compress(bytes(1 << 26))
    for size in (1 << 20, 0xFFFF_FFFF):
        data = MARK + struct.pack("<BQII", STATE, 0, size, len(packed)) + packed
        outcome = run_from(job, data, tmp_path)
        assert outcome.reason == "bad_checkpoint"
        assert "size" in outcome.message
    large = sealed([(STATE, 0, b" " * (33 << 20))])
    assert run_from(job, large, tmp_path).reason == "bad_checkpoint"


def test_memory_that_leaves_the_memory_is_refused(
    job: SandboxJob, good: bytes, tmp_path: Path
) -> None:
    pieces = [piece for piece in pieces_of(good) if piece[0] != MEMORY]
    top = state_of(good)["memory_bytes"]
    for start in (top, top - 10, 1 << 40, (1 << 64) - 1):
        outcome = run_from(job, sealed([*pieces, (MEMORY, start, bytes(100))]), tmp_path)
        assert outcome.reason == "bad_checkpoint"
    memory = [piece for piece in pieces_of(good) if piece[0] == MEMORY]
    outcome = run_from(job, sealed([*pieces, *memory, memory[0]]), tmp_path)
    assert outcome.reason == "bad_checkpoint"  # the same place twice


def test_forged_notes_lead_nowhere_or_to_a_wrong_result(
    job: SandboxJob, good: bytes, tmp_path: Path
) -> None:
    """The way back follows them: it ends in a trap, at another call, or in the program."""
    rng = random.Random(11)
    for _ in range(12):
        pieces = []
        for kind, key, data in pieces_of(good):
            changed = bytearray(data)
            if kind == NOTES:
                for _ in range(rng.randrange(1, 6)):
                    changed[rng.randrange(len(changed))] = rng.randrange(256)
            pieces.append((kind, key, bytes(changed)))
        outcome = run_from(job, sealed(pieces), tmp_path)
        assert outcome.reason not in ("worker_died", "host_error"), outcome


def test_no_notes_at_all(job: SandboxJob, good: bytes, tmp_path: Path) -> None:
    pieces = [piece for piece in pieces_of(good) if piece[0] != NOTES]
    state = state_of(good) | {"notes_bytes": 0}
    rest = [piece for piece in pieces if piece[0] != STATE]
    outcome = run_from(job, sealed([(STATE, 0, json.dumps(state).encode()), *rest]), tmp_path)
    assert (outcome.reason, outcome.outputs) == ("bad_checkpoint", ())


def test_forged_memory_stays_in_the_sandbox(job: SandboxJob, good: bytes, tmp_path: Path) -> None:
    """Every pointer of the program is wild: it traps, fails or computes nonsense."""
    rng = random.Random(12)
    for _ in range(6):
        pieces = []
        for kind, key, data in pieces_of(good):
            changed = bytearray(data)
            if kind == MEMORY:
                for _ in range(200):
                    changed[rng.randrange(len(changed))] = rng.randrange(256)
            pieces.append((kind, key, bytes(changed)))
        outcome = run_from(job, sealed(pieces), tmp_path)
        assert outcome.reason not in ("worker_died", "host_error"), outcome


def test_a_folder_in_its_place(job: SandboxJob, tmp_path: Path) -> None:
    outcome = continue_from(job, tmp_path, count=1)
    assert outcome.reason == "host_error"


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(-2, 300), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a state where another value could stand."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key in value:
            found += places(value[key], (*path, key))
    elif isinstance(value, list):
        for index in range(len(value)):
            found += places(value[index], (*path, index))
    return found


@given(st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_state_is_taken_or_refused(
    job: SandboxJob, good: bytes, tmp_path: Path, data: st.DataObject
) -> None:
    """With one value replaced by anything, reading ends well or in a plain refusal."""
    state = state_of(good)
    path = data.draw(st.sampled_from(places(state)))
    at = state
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = data.draw(values)
    rest = [piece for piece in pieces_of(good) if piece[0] != STATE]
    file = tmp_path / "any"
    file.write_bytes(sealed([(STATE, 0, json.dumps(state).encode()), *rest]))
    read_in_this_process(job, file)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, STATE, LOG, NOTES, FILE, MEMORY, 9]),
            st.one_of(st.integers(0, 2**20), st.just(2**64 - 1)),
            st.binary(min_size=1, max_size=100),
        ),
        max_size=6,
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_row_of_pieces_is_taken_or_refused(
    job: SandboxJob, good: bytes, tmp_path: Path, pieces: Pieces
) -> None:
    file = tmp_path / "any"
    first = [piece for piece in pieces_of(good) if piece[0] == STATE]
    file.write_bytes(sealed([*first, *pieces]))
    read_in_this_process(job, file)


def read_in_this_process(job: SandboxJob, file: Path) -> None:
    """Take the job from a checkpoint up to the way back; only a refusal may come of it."""
    plain = json.loads(msgspec.json.encode(again(job, resume=str(file), checkpoint_dir=None)))
    guest = Guest(plain)
    try:
        world = guest.make_world()
        reason, _, _ = guest.run(guest.load(), world, StopAtOnce())
    except (Refused, HostFault) as error:
        reason = error.reason
    assert reason in ("bad_checkpoint", "out_of_ops", "host_error", "trap", "killed")


class StopAtOnce:
    """Ends the run at its first host call: what comes before it is what is tested."""

    def __call__(self, name: str, arguments: tuple[Any, ...]) -> bool:
        raise Refused("killed", "far enough")


# --- of programs that keep their own files


def files_of(tmp_path: Path, tree: Any, contents: bytes = b"") -> str:
    """What becomes of a checkpoint of files with this tree: "" or the reason of its refusal."""
    state = {
        "version": 1,
        "kind": "files",
        "identity": "this",
        "max_ops": 10,
        "ops": 1,
        "elapsed_s": 0.0,
        "cpu_s": 0.0,
        "tree": tree,
    }
    pieces = [(STATE, 0, json.dumps(state).encode())]
    file = tmp_path / "files"
    file.write_bytes(sealed([*pieces, (FILE, 0, contents)] if contents else pieces))
    files = Desk(own_checkpoints=True, output_bytes=100, output_files=3).files
    assert files.checkpoint is not None
    snapshot = Snapshot(str(file), "files", "this", 10**6)
    try:
        snapshot.restore_files(files, files.checkpoint)
    except SnapshotError as error:
        return str(error)
    finally:
        snapshot.close()
        assert files.outputs() == []
        assert files.used_bytes <= 100
    return ""


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ([[["a"], True, 3]], ""),
        ([[["d"], False, 0], [["d", "a"], True, 3]], ""),
        ([[["..", "out", "a"], True, 3]], "lies nowhere"),
        ([[["..", "a"], True, 3]], "lies nowhere"),
        ([[[".."], True, 3]], "cannot be called"),
        ([[["a/b"], True, 3]], "lies nowhere"),
        ([[[], True, 3]], "lies nowhere"),
        ([[["con"], True, 3]], "cannot be called"),
        ([[["\ud800"], True, 3]], "cannot be called"),
        ([[["a"], True, 3], [["a"], True, 0]], "same name"),
        ([[["a"], True, 3], [["a", "b"], True, 0]], "lies nowhere"),
        ([[["a"], True, 101]], "more output"),
        ([[["a"], True, 10**18]], "more output"),
        ([[["a"], True, -1]], "out of its range"),
        ([[["a"], True, 2]], "out of order"),
        ([[["a"], True, 4]], "a part of it is missing"),
        ([[[name], True, 0] for name in "bcdef"] + [[["a"], True, 3]], "cannot be called"),
        ([[["a"], 1, 3]], "is_file is missing"),
        ([["a", True, 3]], "described wrongly"),
        ([None], "described wrongly"),
        ("tree", "tree is missing"),
    ],
)
def test_a_forged_tree_of_files(tmp_path: Path, tree: Any, words: str) -> None:
    reason = files_of(tmp_path, tree, b"abc")
    assert (reason == "") == (words == "")
    assert words in reason
