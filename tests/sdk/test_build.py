"""Sources become modules: the same bytes from the same sources, and no work done twice."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from idlegrid.appfile import read_app
from idlegrid.build import build_app
from idlegrid.fault import BuildError

from .tiny_app import APP_TOML, write_app


def hashes(app) -> dict[str, str]:
    return {name: program.entry.sha256 for name, program in build_app(app).items()}


def test_the_same_sources_give_the_same_bytes_wherever_they_lie(tmp_path) -> None:
    one = read_app(write_app(tmp_path / "one", [1], compiled=False))
    two = read_app(write_app(tmp_path / "a folder with spaces" / "two", [2], compiled=False))
    assert hashes(one) == hashes(two)
    module = (one.folder / "build/square.wasm").read_bytes()
    assert str(tmp_path).encode() not in module


def test_nothing_is_compiled_again_until_a_source_header_or_flag_changes(tmp_path) -> None:
    folder = write_app(tmp_path / "app", [1], compiled=False)
    steps: list[str] = []
    build_app(read_app(folder), steps.append)
    assert steps == ["compiling square", "compiling total"]
    first = hashes(read_app(folder))

    steps.clear()
    build_app(read_app(folder), steps.append)
    assert steps == []

    (folder / "src/form.h").write_text('#define FORM "%ld: %02x%02x%02x%02x\\n"\n')
    build_app(read_app(folder), steps.append)
    assert "compiling square" in steps
    assert hashes(read_app(folder))["square"] != first["square"]

    steps.clear()
    changed = APP_TOML.replace('["src/total.c"]', '["src/total.c"]\nflags = ["-DX=1"]')
    (folder / "app.toml").write_text(changed)
    build_app(read_app(folder), steps.append)
    assert steps == ["compiling total"]


def test_c_and_cpp_sources_make_one_program(tmp_path) -> None:
    """The C driver knew no header of the C++ library; C stays C, where a void* becomes an int*."""
    folder = write_app(tmp_path / "app", [1], compiled=False)
    (folder / "src/seven.c").write_text(
        "#include <stdlib.h>\nint seven(void) { int *p = malloc(4); *p = 7; return *p; }\n"
    )
    (folder / "src/total.cpp").write_text(
        '#include <vector>\n#include "idlegrid.h"\nextern "C" int seven(void);\n'
        "int main() { idlegrid_progress(1); return (int)std::vector<int>(7).size() - seven(); }\n"
    )
    changed = APP_TOML.replace('["src/total.c"]', '["src/seven.c", "src/total.cpp"]')
    (folder / "app.toml").write_text(changed)
    assert "total" in hashes(read_app(folder))


def test_a_module_that_was_altered_on_the_disk_is_made_anew(tmp_path) -> None:
    app = read_app(write_app(tmp_path / "app", [1], compiled=False))
    first = hashes(app)
    with (app.folder / "build/square.wasm").open("ab") as file:
        file.write(b"\0")
    assert hashes(app) == first


def test_a_mistake_in_the_source_is_told_in_the_compilers_words(tmp_path) -> None:
    folder = write_app(tmp_path / "app", [1], compiled=False)
    (folder / "src/total.c").write_text("int main(void) { return nothing; }\n")
    with pytest.raises(BuildError, match="program total does not compile") as caught:
        build_app(read_app(folder))
    assert "src/total.c:1" in caught.value.detail
    assert "nothing" in caught.value.detail
    left = [path.name for path in (folder / "build").iterdir()]
    assert not [name for name in left if "total" in name]


def test_a_finished_module_is_taken_as_it_is_and_anything_else_refused(tmp_path) -> None:
    folder = write_app(tmp_path / "app", [1], compiled=False)
    built = build_app(read_app(folder))
    shutil.copy(built["total"].path, folder / "done.wasm")
    toml = APP_TOML.replace('sources = ["src/total.c"]', 'module = "done.wasm"')
    (folder / "app.toml").write_text(toml)
    again = build_app(read_app(folder))["total"]
    assert (again.entry.sha256, again.compiled) == (built["total"].entry.sha256, False)
    (folder / "done.wasm").write_bytes(b"\0asm\2\0\0\0")
    with pytest.raises(BuildError, match="no WebAssembly module"):
        build_app(read_app(folder))


def test_builds_at_once_make_a_module_once(tmp_path) -> None:
    """Two at once replaced the module under the feet of whoever was about to run it."""
    folder = write_app(tmp_path / "app", [1], compiled=False)
    app = read_app(folder)
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: build_app(app)["square"], range(3)))
    assert [result.compiled for result in results].count(True) == 1
