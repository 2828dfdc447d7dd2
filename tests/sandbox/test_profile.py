"""The runtime profile names all that results depend on, and the host is held to it."""

import msgspec
import pytest

from idlegrid_shared.sandbox.profile import (
    STACK_BYTES_MAX,
    STACK_BYTES_MIN,
    ProfileError,
    RuntimeProfile,
    can_run,
    current_profile,
)

from .conftest import Lab


def test_the_current_profile_is_the_installed_engine() -> None:
    from importlib.metadata import version

    profile = current_profile()
    assert profile.major == int(version("wasmtime").split(".")[0])
    assert can_run(profile)
    assert not can_run(msgspec.structs.replace(profile, major=profile.major + 1))


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "wasmtime50-speed-stack1m"),
        ({"opt_level": "none", "simd": False}, "wasmtime50-none-stack1m-nosimd"),
        ({"max_wasm_stack_bytes": 512 * 1024}, "wasmtime50-speed-stack512k"),
        ({"nan_canonical": True, "major": 51}, "wasmtime51-speed-stack1m-nan"),
    ],
)
def test_names_tell_profiles_apart(fields: dict[str, object], name: str) -> None:
    assert msgspec.structs.replace(RuntimeProfile(), **fields).name == name


@pytest.mark.parametrize(
    "size", [0, -1, STACK_BYTES_MIN - 1024, STACK_BYTES_MAX + 1024, STACK_BYTES_MIN + 1]
)
def test_impossible_stacks_are_refused(size: int) -> None:
    with pytest.raises(ProfileError, match=str(size)):
        RuntimeProfile(max_wasm_stack_bytes=size)


def test_decoding_checks_too() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"max_wasm_stack_bytes": 1}', type=RuntimeProfile)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"threads": true}', type=RuntimeProfile)


def test_differences_are_told_in_words() -> None:
    other = RuntimeProfile(major=49, nan_canonical=True)
    assert RuntimeProfile().differences(other) == [
        "major is 50, not 49",
        "nan_canonical is False, not True",
    ]
    assert other.differences(other) == []


# Each level of recursion costs the same ops, so the ops at the trap tell the depth.
DEEP = """(call $down) ;; functions
  (func $down (call $down) (drop (i32.load (i32.const 0))))"""


def test_the_stack_of_the_profile_decides_the_depth(lab: Lab) -> None:
    """The largest stack must fit the worker's thread: a trap, and not a crash of the worker."""
    small = lab.run(DEEP, profile=RuntimeProfile(max_wasm_stack_bytes=STACK_BYTES_MIN))
    large = lab.run(DEEP, profile=RuntimeProfile(max_wasm_stack_bytes=STACK_BYTES_MAX))
    assert small.reason == large.reason == "stack_overflow"
    assert large.ops > 20 * small.ops > 0


NAN = """
  (f32.store (i32.const 100) (f32.div (f32.const 0) (f32.const 0)))
  (if (i32.ne (i32.load (i32.const 100)) (i32.const 0x7fc00000)) (then unreachable))"""


def test_canonical_nans_have_fixed_bits(lab: Lab) -> None:
    assert lab.run(NAN, profile=RuntimeProfile(nan_canonical=True)).reason == "ok"
