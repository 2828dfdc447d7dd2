"""Programs that try to leave their folders. Each path is tried by ten calls that could reach it."""

import pytest

from tests.sandbox.guest import module_text

from .arena import SECRET, Arena, Hostile

#: Tries to read, make, empty, ask about, link to, rename onto, remove what lies at the path at
#: 1000, counting each success in $i, and ends with that count as its exit code.
ATTEMPT = """
  {makes}
  {tries}
  (call $proc_exit (local.get $i))
"""
OPEN = (
    "(call $path_open (i32.const 3) (i32.const {lookup}) (i32.const 1000) (i32.const {size}) "
    "(i32.const {how}) (i64.const {rights}) (i64.const -1) (i32.const 0) (i32.const 80))"
)
CALLS = [
    OPEN.replace("{how}", "0").replace("{rights}", "2").replace("{lookup}", "0"),
    OPEN.replace("{how}", "0").replace("{rights}", "2").replace("{lookup}", "1"),
    OPEN.replace("{how}", "9").replace("{rights}", "66").replace("{lookup}", "1"),
    "(call $path_create_directory (i32.const 3) (i32.const 1000) (i32.const {size}))",
    "(call $path_remove_directory (i32.const 3) (i32.const 1000) (i32.const {size}))",
    "(call $path_unlink_file (i32.const 3) (i32.const 1000) (i32.const {size}))",
    "(call $path_filestat_get (i32.const 3) (i32.const 1) (i32.const 1000) (i32.const {size}) "
    "(i32.const 200))",
    # out/x, which exists, onto the path
    "(call $path_rename (i32.const 3) (i32.const 900) (i32.const 5) (i32.const 3) "
    "(i32.const 1000) (i32.const {size}))",
    # a link at out/l to the path, by symlink and by link
    "(call $path_symlink (i32.const 1000) (i32.const {size}) (i32.const 3) (i32.const 910) "
    "(i32.const 5))",
    "(call $path_link (i32.const 3) (i32.const 1) (i32.const 1000) (i32.const {size}) "
    "(i32.const 3) (i32.const 910) (i32.const 5))",
]
MAKE_X = (
    "(if (call $path_open (i32.const 3) (i32.const 0) (i32.const 900) (i32.const 5) "
    "(i32.const 1) (i64.const 66) (i64.const 0) (i32.const 0) (i32.const 80)) (then unreachable))"
)


def attempt(path: bytes) -> str:
    """A module that tries everything with ``path``."""
    escaped = "".join(f"\\{byte:02x}" for byte in path)
    count = "(local.set $i (i32.add (local.get $i) (i32.const 1)))"
    tries = "".join(
        f"(if (i32.eqz {call.replace('{size}', str(len(path)))}) (then {count}))" for call in CALLS
    )
    body = ATTEMPT.format(makes=MAKE_X, tries=tries)
    return module_text(body, data={900: "out/x", 910: "out/l", 1000: escaped})


PATHS = {
    "up": b"../secret",
    "up from an input": b"in/../../secret",
    "up and up": b"../" * 60 + b"etc/passwd",
    "up through a folder that is not there": b"out/no/../../../secret",
    "up with slashes": b"out//..//..//home//secret",
    "up and dots": b"./out/./.././../home/./secret",
    "absolute": b"/etc/passwd",
    "absolute twice": b"//etc//passwd",
    "absolute to the program itself": b"/proc/self/mem",
    "relative to the process": b"proc/self/environ",
    "devices": b"dev/mem",
    "a Windows drive": b"C:\\Windows\\win.ini",
    "backslashes": b"out\\..\\..\\home\\secret",
    "mixed slashes": b"out/..\\../home/secret",
    "a network share": b"\\\\server\\share\\x",
    "a stream of a file": b"out/y:hidden",
    "a Windows device": b"out/CON",
    "percent signs": b"%2e%2e/%2e%2e/home/secret",
    "a zero byte": b"out/z\0/../../home/secret",
    "a zero byte at the end": b"out/z\0",
    "overlong dots": b"\xc0\xae\xc0\xae/secret",
    "an overlong slash": b"out\xc0\xaf..\xc0\xaf..\xc0\xafsecret",
    "an overlong zero": b"out/z\xc0\x80",
    "wide dots": "\uff0e\uff0e/secret".encode(),
    "half a surrogate": b"out/\xed\xa0\x80",
    "a path of 4,097 bytes": b"out/" + b"a/" * 2046 + b"b",
    "a name of 256 bytes": b"out/" + b"n" * 256,
    "a line break": b"out/a\nb",
    "an escape sequence": b"out/\x1b[2J",
    "a trailing dot": b"out/a.",
    "a trailing space": b"out/a ",
    "standard output under its name": b"out/stdout",
    "a variable": b"$HOME/secret",
    "a home": b"~/secret",
}


@pytest.mark.parametrize("name", PATHS)
def test_no_path_leads_out(arena: Arena, name: str) -> None:
    """Not one of the ten calls succeeds, so the exit code is 0."""
    arena.fight(Hostile(name, attempt(PATHS[name]), "ok", "ended normally"))


def test_the_attempts_would_succeed_on_a_path_that_is_allowed(arena: Arena) -> None:
    """The proof that the test above can fail."""
    outcome = arena.fight(Hostile("allowed", attempt(b"out/y"), "exit_code"))
    assert outcome.exit_code == 3, "made, unlinked, and another file moved there"


def test_an_input_that_is_a_link_to_elsewhere_is_the_hosts_choice_and_read_only(
    arena: Arena,
) -> None:
    """The host names its input files itself; even then the program can only read them."""
    link = arena.lab.folder / "link"
    link.symlink_to(arena.home / "secret")
    module = attempt(b"in/a")
    outcome = arena.fight(Hostile("link", module, "exit_code", fields={"inputs": {"a": str(link)}}))
    assert outcome.exit_code == 3, "reading twice and asking about it, and nothing else"
    assert (arena.home / "secret").read_text() == SECRET


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "a\0b", "x/"])
def test_inputs_cannot_be_placed_elsewhere(arena: Arena, name: str) -> None:
    """A task descriptor is signed, and checked all the same."""
    if "\0" in name:
        name = name.replace("\0", "/./../..//")
    inputs = {name: str(arena.home / "secret")}
    arena.fight(Hostile(name, "", "bad_input", "input name", fields={"inputs": inputs}))


def test_an_output_folder_with_planted_links_is_not_followed(arena: Arena) -> None:
    """An earlier program, or another user, left a link under the name of the coming output."""
    job = arena.lab.job(attempt(b"out/nothing/at/all"))
    out = arena.lab.folder / job.output_dir
    out.mkdir()
    (out / "x").symlink_to(arena.home / "secret")
    outcome = arena.run(job)
    assert outcome.reason == "ok", outcome.message
    assert not (out / "x").is_symlink()
    assert (arena.home / "secret").read_text() == SECRET


def test_an_output_folder_behind_a_planted_link_is_not_entered(arena: Arena) -> None:
    """The same trick with a folder: out/d is a link to somebody's folder, and d/x is written."""
    (arena.home / "folder").mkdir()
    arena.before = arena.picture()
    body = (
        "(if (call $path_create_directory (i32.const 3) (i32.const 900) (i32.const 5)) "
        "(then unreachable))"
        "(if (call $path_open (i32.const 3) (i32.const 0) (i32.const 900) (i32.const 7) "
        "(i32.const 1) (i64.const 66) (i64.const 0) (i32.const 0) (i32.const 80)) "
        "(then unreachable))"
    )
    job = arena.lab.job(module_text(body, data={900: "out/d/x"}))
    out = arena.lab.folder / job.output_dir
    out.mkdir()
    (out / "d").symlink_to(arena.home / "folder")
    outcome = arena.run(job)
    assert outcome.reason == "host_error"
    assert "is a link" in outcome.message
    assert list((arena.home / "folder").iterdir()) == []
