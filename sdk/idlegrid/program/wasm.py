"""WebAssembly programs: C, C++ or Rust to compile, or a finished module."""

from pathlib import Path

from idlegrid.app import ProgramSource
from idlegrid.limit import read_limits
from idlegrid.section import Section, app_file

SOURCE_SUFFIXES = {".c", ".cc", ".cpp", ".cxx"}


def read_wasm(section: Section, name: str) -> ProgramSource:
    """The program in ``section``; raises ``AppFileError``."""
    sources: tuple[str, ...] = ()
    module = cargo = None
    if sum(section.has(key) for key in ("sources", "cargo", "module")) != 1:
        raise section.error(
            "sources",
            f'give either sources = ["src/{name}.c"], or cargo = "Cargo.toml" for Rust, or '
            f'module = "{name}.wasm"',
        )
    if section.has("sources"):
        sources = read_sources(section, name)
    elif section.has("cargo"):
        cargo = app_file(section, "cargo", section.text("cargo", '"Cargo.toml"'))
    else:
        module = app_file(section, "module", section.text("module", f'"{name}.wasm"'))
    return ProgramSource(
        name=name,
        runtime="wasm",
        sources=sources,
        module=module,
        cargo=cargo,
        flags=section.texts("flags", '["-DSIZE=10"]', []),
        limits=read_limits(section),
    )


def read_sources(section: Section, name: str) -> tuple[str, ...]:
    """The C and C++ files to compile; raises ``AppFileError``."""
    sources = section.texts("sources", f'["src/{name}.c"]')
    if not sources:
        raise section.error("sources", "is empty; name at least one C or C++ file")
    for source in sources:
        app_file(section, "sources", source)
        if Path(source).suffix not in SOURCE_SUFFIXES:
            known = ", ".join(sorted(SOURCE_SUFFIXES))
            raise section.error("sources", f"{source!r} is no C or C++ file ({known})")
    return sources
