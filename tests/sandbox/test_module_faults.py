"""Modules that are not what they should be are refused, each with its own reason."""

import hashlib

import msgspec
import pytest

from idlegrid_shared.sandbox.job import SandboxJob
from idlegrid_shared.sandbox.profile import RuntimeProfile
from idlegrid_shared.sandbox.run import run_sandboxed

from .conftest import Lab
from .guest import assemble, module_text

GOOD = assemble(module_text(""))


@pytest.mark.parametrize(
    "module",
    [
        b"",
        b"\0asm",
        b"\0asm\1\0\0\0\xff\xff\xff\xff",
        GOOD[:-3],
        GOOD + b"\x0b\xff",
        b"MZ this is a program for another machine",
        b'(module (func (export "_start")))',  # text is not accepted, even if it would assemble
    ],
)
def test_malformed_modules(lab: Lab, module: bytes) -> None:
    assert lab.run(module).reason == "bad_module"


@pytest.mark.parametrize(
    "text",
    [
        '(module (memory 1) (memory 1) (func (export "_start")))',
        '(module (memory i64 1) (func (export "_start")))',
        '(module (memory 1 1 shared) (func (export "_start")))',
        '(module (func (export "_start") (drop (i32x4.relaxed_trunc_f32x4_s '
        "(v128.const i32x4 0 0 0 0)))))",
        '(module (type (struct)) (func (export "_start")))',
    ],
    ids=["memories", "memory64", "threads", "relaxed-simd", "gc"],
)
def test_features_that_are_off_are_refused(lab: Lab, text: str) -> None:
    """Each could make results differ between hosts, or widens the wall without use."""
    assert lab.run(text).reason == "bad_module"


def test_simd_is_a_matter_of_the_profile(lab: Lab, profile: RuntimeProfile) -> None:
    text = '(module (func (export "_start") (drop (v128.const i32x4 1 2 3 4))))'
    assert lab.run(text).reason == "ok"
    without = msgspec.structs.replace(profile, simd=False)
    assert lab.run(text, profile=without).reason == "bad_module"


@pytest.mark.parametrize(
    "text",
    [
        '(module (import "env" "system" (func (param i32))) (func (export "_start")))',
        '(module (import "wasi_snapshot_preview1" "thread_spawn" (func)) (func (export "_start")))',
        '(module (import "wasi_unstable" "fd_close" (func)) (func (export "_start")))',
        '(module (import "wasi_snapshot_preview1" "fd_close" (func)) (func (export "_start")))',
        '(module (import "wasi_snapshot_preview1" "fd_close" (memory 1)) (func (export "_start")))',
        '(module (import "idlegrid" "progress" (func (param i32))) (func (export "_start")))',
    ],
    ids=["env", "unknown", "unstable", "wrong type", "wrong kind", "wrong own type"],
)
def test_imports_that_are_not_offered(lab: Lab, text: str) -> None:
    outcome = lab.run(text)
    assert outcome.reason == "bad_import", outcome.message
    assert "import" in outcome.message


@pytest.mark.parametrize(
    "text",
    [
        "(module)",
        '(module (memory (export "_start") 1))',
        '(module (func (export "_start") (param i32)))',
    ],
)
def test_a_module_without_a_start_is_no_program(lab: Lab, text: str) -> None:
    outcome = lab.run(text)
    assert outcome.reason == "bad_module"
    assert "_start" in outcome.message


def test_a_module_without_memory_gets_errors_and_no_crash(lab: Lab) -> None:
    text = """(module (import "wasi_snapshot_preview1" "random_get"
        (func $r (param i32 i32) (result i32)))
      (func (export "_start")
        (if (i32.ne (call $r (i32.const 0) (i32.const 8)) (i32.const 21)) (then unreachable))))"""
    assert lab.run(text).reason == "ok"


def test_hidden_memory_counts_too(lab: Lab) -> None:
    outcome = lab.run('(module (memory 64) (func (export "_start")))')
    assert outcome.reason == "memory_limit", outcome.message


@pytest.mark.parametrize(
    ("body", "reason"),
    [("(block $h (try_table (catch $e $h) (throw $e)))", "ok"), ("(throw $e)", "trap")],
)
def test_exceptions_are_offered(lab: Lab, body: str, reason: str) -> None:
    """Large runtimes are built with them."""
    outcome = lab.run(f'(module (tag $e) (func (export "_start") {body}))')
    assert outcome.reason == reason, outcome.message


def test_another_module_than_the_one_signed_is_refused(lab: Lab) -> None:
    outcome = lab.run(GOOD, module_sha256=hashlib.sha256(b"another").hexdigest())
    assert outcome.reason == "bad_module"
    assert "SHA-256" in outcome.message


def test_a_missing_module_is_the_hosts_fault(lab: Lab) -> None:
    job = msgspec.structs.replace(lab.job(GOOD), module="/nowhere/at/all.wasm")
    assert run_sandboxed(job).reason == "host_error"


def test_a_profile_of_another_engine_is_refused(lab: Lab, profile: RuntimeProfile) -> None:
    old = msgspec.structs.replace(profile, major=profile.major - 1)
    outcome = lab.run(GOOD, profile=old)
    assert outcome.reason == "profile_mismatch"
    assert f"wasmtime{profile.major - 1}" in outcome.message


@pytest.mark.parametrize("name", ["../x", "/abs", "a/../b", "", "dir/", "."])
def test_input_names_that_leave_the_folder_are_refused(lab: Lab, name: str) -> None:
    job = lab.job(GOOD)
    bad: SandboxJob = msgspec.structs.replace(job, inputs={name: job.module})
    assert run_sandboxed(bad).reason == "bad_input"


def test_a_missing_input_is_the_hosts_fault(lab: Lab) -> None:
    outcome = lab.run(GOOD, inputs={"data": "/nowhere/data"})
    assert outcome.reason == "host_error"
    assert "/nowhere/data" in outcome.message
