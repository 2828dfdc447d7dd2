"""A program as it was built, whatever its runtime."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from idlegrid_shared.documents import Program, Runtime
from idlegrid_shared.manifest import ManifestEntry

from .app import ProgramSource

#: Hears what is being done, in words.
Say = Callable[[str], None] | None


class BuiltProgram(msgspec.Struct, frozen=True):
    """A program's file on this disk, as a release names it."""

    name: str
    path: Path
    entry: ManifestEntry
    #: False if it was up to date already.
    compiled: bool
    #: What is started in it: see ``documents.Program.entry``.
    start: str = ""
    #: Further files that it needs: name → host file, with their entries.
    files: Mapping[str, Path] = {}
    file_entries: tuple[ManifestEntry, ...] = ()
    #: The runtime that interprets it, by its name in the catalogue; "" if nothing does.
    interpreter: str = ""
    #: Native: platform → the program as it was built for that one.
    variants: "Mapping[str, BuiltProgram]" = {}

    def on(self, platform: str) -> "BuiltProgram":
        """The program for a platform; the only one there is if it runs anywhere."""
        return self.variants.get(platform, self)

    def places(self) -> dict[str, str]:
        """SHA-256 → host file of everything that the program needs."""
        found = {entry.sha256: str(self.files[entry.name]) for entry in self.file_entries}
        return {self.entry.sha256: str(self.path), **found}

    def document(self, source: ProgramSource, usual: Runtime) -> Program:
        """The program as a release whose runtime is ``usual`` describes it."""
        return Program(
            name=self.name,
            module=self.entry,
            limits=source.limits,
            entry=self.start,
            files=self.file_entries,
            runtime=None if source.runtime == usual else source.runtime,
            requires=msgspec.UNSET if source.requires is None else source.requires,
            validator=(
                msgspec.UNSET
                if source.validator is None
                else msgspec.Raw(msgspec.json.encode(source.validator))
            ),
        )
