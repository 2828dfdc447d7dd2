"""Native programs: C or C++ sources to compile for every platform, or finished executables."""

from pathlib import Path

from idlegrid.app import ProgramSource
from idlegrid.limit import read_limits
from idlegrid.section import Section, app_file

from .wasm import read_sources

#: Where native programs can be run, and the compiler's name of each.
TARGETS = {"linux-x86_64": "x86_64-linux-musl", "linux-aarch64": "aarch64-linux-musl"}


def read_native(section: Section, name: str) -> ProgramSource:
    """The program in ``section``; raises ``AppFileError``."""
    if section.has("sources") == section.has("executables"):
        raise section.error(
            "sources",
            f'give either sources = ["src/{name}.c"] or '
            f'executables = {{ "linux-x86_64" = "bin/{name}" }}',
        )
    sources: tuple[str, ...] = ()
    executables: dict[str, Path] = {}
    if section.has("sources"):
        sources = read_sources(section, name)
        platforms = section.texts("platforms", '["linux-x86_64"]', list(TARGETS))
    else:
        given = section.mapping("executables", f'{{ "linux-x86_64" = "bin/{name}" }}')
        executables = {key: app_file(section, "executables", file) for key, file in given.items()}
        platforms = tuple(executables)
    for platform in platforms:
        if platform not in TARGETS:
            known = ", ".join(TARGETS)
            raise section.error(
                "platforms", f"native programs run on {known} only, not on {platform!r}"
            )
    if not platforms:
        raise section.error("platforms", "is empty; name at least one, or leave it out for all")
    return ProgramSource(
        name=name,
        runtime="native",
        sources=sources,
        flags=section.texts("flags", '["-DSIZE=10"]', []),
        platforms=tuple(sorted(set(platforms))),
        executables=executables,
        limits=read_limits(section),
    )
