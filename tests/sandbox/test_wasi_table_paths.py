"""The calls on paths: every answer that each can give, asked for by wasm code."""

import pytest

from idlegrid_shared.sandbox.descriptor import OPEN_MAX
from idlegrid_shared.sandbox.filesystem import FOLDERS_MAX

from .guest import GuestDesk
from .wasi_case import FOLDER, NONE, OUT, RESULT, ROOT, WILD, Case, P, case, hold

CREATE, IS_FOLDER, EXCLUSIVE, TRUNCATE = 1, 2, 4, 8
READ, WRITE = 1 << 1, 1 << 6

#: Where a path stands among the arguments of each call, and what stands around it.
AROUND: dict[str, tuple[tuple[int | P, ...], tuple[int | P, ...]]] = {
    "path_create_directory": ((), ()),
    "path_filestat_get": ((0,), (RESULT,)),
    "path_filestat_set_times": ((0,), (0, 0, 0)),
    "path_link": ((0,), (ROOT, P(b"out/new"))),
    "path_open": ((0,), (0, READ, 0, 0, RESULT)),
    "path_readlink": ((), (5000, 10, RESULT)),
    "path_remove_directory": ((), ()),
    "path_rename": ((), (ROOT, P(b"out/new"))),
    "path_symlink": ((), ()),
    "path_unlink_file": ((), ()),
}


def on(function: str, outcome: str, when: str, fd: int, path: bytes, **more: object) -> Case:
    """The call with ``path`` as its (first) path and nothing special around it."""
    before, after = AROUND[function]
    first: tuple[int | P, ...] = (P(b"target"), fd) if function == "path_symlink" else (fd,)
    return case(function, outcome, when, *first, *before, P(path), *after, **more)


def wild(function: str) -> Case:
    """The call with a path that leaves the memory."""
    before, after = AROUND[function]
    first: tuple[int | P, ...] = (P(b"target"), ROOT) if function == "path_symlink" else (ROOT,)
    return case(function, "FAULT", "wild pointer", *first, *before, WILD, 9, *after)


#: What is wrong with the path is told by all calls alike.
WRONG = [
    case_
    for function in AROUND
    for case_ in (
        on(function, "BADF", "no such descriptor", NONE, b"x"),
        on(function, "NOTDIR", "the descriptor is a file", OUT, b"x"),
        on(function, "NOTDIR", "a part of the path is a file", ROOT, b"in/a/x"),
        on(function, "NOENT", "a part of the path is missing", ROOT, b"out/no/x"),
        on(function, "NOENT", "an empty path", ROOT, b""),
        on(function, "PERM", "out of the folder by ..", FOLDER, b"../x"),
        on(function, "PERM", "absolute", ROOT, b"/out/x"),
        on(function, "INVAL", "a zero byte", ROOT, b"out/x\0"),
        on(function, "ILSEQ", "no UTF-8", ROOT, b"out/\xff"),
        on(function, "NAMETOOLONG", "a part of 256 bytes", ROOT, b"out/" + b"n" * 256),
        on(function, "NAMETOOLONG", "4097 bytes in all", ROOT, b"out/" + b"./" * 2047),
        wild(function),
    )
]


def opening(
    outcome: str,
    when: str,
    path: bytes,
    how: int = 0,
    rights: int = READ,
    flags: int = 0,
    **more: object,
) -> Case:
    return case("path_open", outcome, when, ROOT, 0, path, how, rights, 0, flags, RESULT, **more)


def moving(outcome: str, when: str, old: bytes, new: bytes, **more: object) -> Case:
    return case("path_rename", outcome, when, ROOT, old, ROOT, new, **more)


def names(desk: GuestDesk) -> list[str]:
    return [name for name, _ in desk.files.outputs()]


def all_open(desk: GuestDesk) -> None:
    while len(desk.world.descriptors.table) < OPEN_MAX:
        assert desk.open("in/a")[0] == 0


def all_folders(desk: GuestDesk) -> None:
    desk.files.used_folders = FOLDERS_MAX


def long_folder(desk: GuestDesk) -> None:
    """/out/LONG with a file; moving it a little deeper would make that file's name too long."""
    assert desk.on_path("path_create_directory", "out/" + "n" * 120) == 0
    desk.create("out/" + "n" * 120 + "/" + "n" * 120)


BAD_NAMES = [
    ("a colon", b"out/a:b"),
    ("a name that Windows keeps", b"out/NUL.txt"),
    ("a control character", b"out/a\nb"),
    ("a dot at its end", b"out/a."),
]

CASES = [
    *WRONG,
    on(
        "path_create_directory",
        "SUCCESS",
        "below /out",
        ROOT,
        b"out/e/",
        check=lambda d: d.open("out/e", how=IS_FOLDER)[0] == 0,
    ),
    on("path_create_directory", "EXIST", "there already", ROOT, b"out/d"),
    on("path_create_directory", "EXIST", "differs only in case", ROOT, b"out/D"),
    on("path_create_directory", "ROFS", "outside /out", ROOT, b"in/new"),
    *[on("path_create_directory", "INVAL", why, ROOT, path) for why, path in BAD_NAMES],
    on("path_create_directory", "PERM", "the name of standard output", ROOT, b"out/stdout"),
    on(
        "path_create_directory",
        "NAMETOOLONG",
        "more than a manifest holds",
        ROOT,
        b"out/d/" + b"n" * 254,
    ),
    on(
        "path_create_directory",
        "file_limit",
        "too many folders",
        ROOT,
        b"out/e",
        before=all_folders,
    ),
    on(
        "path_filestat_get",
        "SUCCESS",
        "size and type",
        ROOT,
        b"out/d/../x",
        check=lambda d: d.u64(RESULT + 32) == 6 and d.get(RESULT + 16, 1) == b"\4",
    ),
    case("path_filestat_get", "NOENT", "not there", ROOT, 0, b"out/no", RESULT),
    case("path_filestat_get", "NOTDIR", "a file with a slash", ROOT, 0, b"out/x/", RESULT),
    case("path_filestat_get", "INVAL", "unknown lookup flag", ROOT, 2, b"out/x", RESULT),
    case("path_filestat_get", "FAULT", "no room for the answer", ROOT, 0, b"out/x", WILD),
    on("path_filestat_set_times", "SUCCESS", "below /out", ROOT, b"out/x"),
    case("path_filestat_set_times", "NOENT", "not there", ROOT, 0, b"out/no", 0, 0, 0),
    case("path_filestat_set_times", "ROFS", "an input", ROOT, 0, b"in/a", 0, 0, 0),
    case("path_filestat_set_times", "INVAL", "given and now", ROOT, 0, b"out/x", 0, 0, 12),
    case("path_filestat_set_times", "INVAL", "unknown lookup flag", ROOT, 2, b"out/x", 0, 0, 0),
    case("path_link", "NOTSUP", "there are no links", ROOT, 0, b"out/x", ROOT, b"out/l"),
    case("path_link", "NOENT", "not there", ROOT, 0, b"out/no", ROOT, b"out/l"),
    case("path_link", "EXIST", "the place is taken", ROOT, 0, b"out/x", ROOT, b"out/d"),
    case("path_link", "INVAL", "unknown lookup flag", ROOT, 2, b"out/x", ROOT, b"out/l"),
    case("path_link", "BADF", "no such new descriptor", ROOT, 0, b"out/x", NONE, b"l"),
    opening(
        "SUCCESS",
        "reading an input",
        b"in/deep/b",
        check=lambda d: d.read(d.u32(RESULT), 9) == b"012345678",
    ),
    opening(
        "SUCCESS",
        "a new file",
        b"out/n",
        CREATE | EXCLUSIVE,
        READ | WRITE,
        check=lambda d: names(d) == ["d/y", "n", "x"],
    ),
    opening(
        "SUCCESS",
        "emptied",
        b"out/x",
        TRUNCATE,
        WRITE,
        check=lambda d: dict(d.files.outputs())["x"] == b"",
    ),
    opening(
        "SUCCESS",
        "without rights",
        b"out/x",
        0,
        0,
        check=lambda d: d.write(d.u32(RESULT), b"x") == 8,
    ),
    opening("SUCCESS", "a folder", b"out/d/", IS_FOLDER),
    opening("NOENT", "not there", b"out/no"),
    opening("NOENT", "an entry of what is not there", b"out/no/.", CREATE, WRITE),
    opening("EXIST", "exclusively", b"out/x", CREATE | EXCLUSIVE, WRITE),
    opening("EXIST", "differs only in case", b"out/X", CREATE, WRITE),
    opening("ISDIR", "a folder for writing", b"out/d", IS_FOLDER, READ | WRITE),
    opening("ISDIR", "a folder to be made as a file", b"out/d", CREATE),
    opening("ISDIR", "a new file with a slash", b"out/n/", CREATE, WRITE),
    opening("NOTDIR", "a file as a folder", b"out/x", IS_FOLDER),
    opening("NOTDIR", "a file with a slash", b"out/x/"),
    opening("INVAL", "a folder to be made", b"out/n", CREATE | IS_FOLDER),
    opening("INVAL", "unknown open flag", b"out/x", 16),
    opening("INVAL", "unknown descriptor flag", b"out/x", 0, READ, 32),
    case("path_open", "INVAL", "unknown lookup flag", ROOT, 2, b"out/x", 0, READ, 0, 0, RESULT),
    *[opening("INVAL", f"a new file with {why}", path, CREATE) for why, path in BAD_NAMES],
    opening("PERM", "the name of standard output", b"out/stdout", CREATE, WRITE),
    opening("ROFS", "an input for writing", b"in/a", 0, WRITE),
    opening("ROFS", "an input to be emptied", b"in/a", TRUNCATE),
    opening("ROFS", "a new file outside /out", b"in/n", CREATE, WRITE),
    opening("MFILE", "128 open files", b"in/a", before=all_open),
    opening("NAMETOOLONG", "more than a manifest holds", b"out/d/" + b"n" * 254, CREATE, WRITE),
    case("path_open", "FAULT", "no room for the answer", ROOT, 0, b"in/a", 0, READ, 0, 0, WILD),
    opening("file_limit", "too many files", b"out/n", CREATE, WRITE, settings={"output_files": 2}),
    on("path_readlink", "INVAL", "there are no links", ROOT, b"out/x"),
    on("path_readlink", "NOENT", "not there", ROOT, b"out/no"),
    case("path_readlink", "FAULT", "no room for the answer", ROOT, b"out/x", WILD, 9, RESULT),
    on(
        "path_remove_directory",
        "SUCCESS",
        "empty",
        ROOT,
        b"out/e/",
        before=lambda d: d.on_path("path_create_directory", "out/e"),
        check=lambda d: d.open("out/e")[0] == 44,
    ),
    on("path_remove_directory", "NOENT", "not there", ROOT, b"out/no"),
    on("path_remove_directory", "NOTDIR", "a file", ROOT, b"out/x"),
    on("path_remove_directory", "NOTEMPTY", "with a file in it", ROOT, b"out/d"),
    on("path_remove_directory", "ROFS", "/out itself", ROOT, b"out"),
    on("path_remove_directory", "ROFS", "outside /out", ROOT, b"in/deep"),
    on("path_remove_directory", "INVAL", "where one stands", FOLDER, b"."),
    moving("SUCCESS", "over a file", b"out/x", b"out/d/y", check=lambda d: names(d) == ["d/y"]),
    moving("SUCCESS", "a folder", b"out/d", b"out/e/", check=lambda d: names(d) == ["e/y", "x"]),
    moving("NOENT", "not there", b"out/no", b"out/n"),
    moving("ISDIR", "a file over a folder", b"out/x", b"out/d"),
    moving("NOTDIR", "a folder over a file", b"out/d", b"out/x"),
    moving("NOTDIR", "a file to a name with a slash", b"out/x", b"out/n/"),
    moving(
        "NOTEMPTY",
        "over a folder with a file in it",
        b"out/e",
        b"out/d",
        before=lambda d: d.on_path("path_create_directory", "out/e"),
    ),
    moving("INVAL", "a folder into itself", b"out/d", b"out/d/e"),
    moving("INVAL", "what one stands in", b".", b"out/n"),
    *[moving("INVAL", f"to {why}", b"out/x", path) for why, path in BAD_NAMES],
    moving("EXIST", "to a name that differs only in case", b"out/x", b"out/D"),
    moving("ROFS", "an input", b"in/a", b"out/n"),
    moving("ROFS", "out of /out", b"out/x", b"in/n"),
    moving("PERM", "to the name of standard output", b"out/x", b"out/stdout"),
    moving(
        "NAMETOOLONG",
        "a file in it gets too long a name",
        b"out/" + b"n" * 120,
        b"out/d/" + b"n" * 140,
        before=long_folder,
    ),
    case("path_rename", "BADF", "no such new descriptor", ROOT, b"out/x", NONE, b"n"),
    on("path_symlink", "NOTSUP", "there are no links", ROOT, b"out/l"),
    on("path_symlink", "EXIST", "the place is taken", ROOT, b"out/x"),
    case("path_symlink", "FAULT", "wild target", WILD, 9, ROOT, b"out/l"),
    on("path_unlink_file", "SUCCESS", "gone", ROOT, b"out/x", check=lambda d: names(d) == ["d/y"]),
    on("path_unlink_file", "NOENT", "not there", ROOT, b"out/no"),
    on("path_unlink_file", "ISDIR", "a folder", ROOT, b"out/d/"),
    on("path_unlink_file", "NOTDIR", "a file with a slash", ROOT, b"out/x/"),
    on("path_unlink_file", "ROFS", "an input", ROOT, b"in/a"),
]


@pytest.mark.parametrize("one", CASES, ids=str)
def test_the_table_of_calls_on_paths(stage: GuestDesk, one: Case) -> None:
    hold(stage, one)
