"""The folder of one run: what goes in, what comes out, and how it is all removed again.

Everything below ``out`` was written by a stranger's program. It is read without following links,
once the program is gone.
"""

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from idlegrid_shared.manifest import (
    Manifest,
    ManifestEntry,
    ManifestError,
    check_name,
    make_manifest,
)
from idlegrid_shared.sandbox.limits import Limits

STDOUT_NAME = "stdout"
FOLDERS_DEEP_MAX = 32
FOLDERS_MAX = 1_000
PROGRESS_BYTES_MAX = 64
BLOCK_BYTES = 4096


class OutputError(ValueError):
    """Outputs that are none; ``reason`` is one of :data:`idlegrid_shared.sandbox.job.Reason`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Stage:
    """``in``, ``out``, ``program``, ``progress`` and ``stdout`` beside the final output folder."""

    def __init__(self, output_dir: str) -> None:
        self.output = Path(output_dir).absolute()
        self.root = self.output.with_name(self.output.name + ".stage")
        self.inputs = self.root / "in"
        self.out = self.root / "out"
        self.program = self.root / "program"
        self.progress = self.root / "progress"
        self.stdout = self.root / STDOUT_NAME

    def make(self, program: str, sha256: str, inputs: Mapping[str, str]) -> None:
        """Fill a fresh stage; raises ``OSError``, and ``ValueError`` if the program is another."""
        self.make_folders(inputs)
        digest = hashlib.sha256()
        with Path(program).open("rb") as source_file, self.program.open("xb") as copy:
            while piece := source_file.read(1 << 20):
                digest.update(piece)
                copy.write(piece)
        if digest.hexdigest() != sha256:
            raise ValueError(f"the program's file is not the one with SHA-256 {sha256[:16]}…")
        self.program.chmod(0o500)

    def make_folders(self, inputs: Mapping[str, str], owner: int | None = None) -> None:
        """A fresh stage with its inputs and nothing else; raises ``OSError``.

        ``owner``: the user that all of it is given to; inputs are then copies.
        """
        self.remove()
        for folder in (self.root, self.inputs, self.out):
            folder.mkdir(mode=0o700, parents=True)
        self.progress.touch(mode=0o600)
        self.stdout.touch(mode=0o600)
        for name, source in inputs.items():
            target = self.inputs / check_name(name)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if owner is None:
                _bring(source, target)
            else:
                shutil.copyfile(source, target)
        if owner is not None:
            for path in (self.out, self.progress, self.inputs, *self.inputs.rglob("*")):
                os.chown(path, owner, owner)

    def fraction(self) -> float:
        """How far the program says it is; 0 if it said nothing that can be read."""
        try:
            with self.progress.open("rb") as file:
                value = float(file.read(PROGRESS_BYTES_MAX).split(b"\n")[0].strip(b"\0 "))
        except (OSError, ValueError):
            return 0.0
        return value if 0.0 <= value <= 1.0 else 0.0  # NaN is neither

    def check_room(self, limits: Limits, beyond: int = 0) -> None:
        """Raise :class:`OutputError` when the outputs, and ``beyond``, exceed the limits."""
        total = beyond + self.stdout.stat().st_size
        files = folders = 0
        _check_counts(limits, files, folders, 0, total)
        waiting = [(self.out, 1)]
        while waiting:
            folder, depth = waiting.pop()
            try:
                entries = os.scandir(folder)
            except (FileNotFoundError, PermissionError):
                continue  # removed meanwhile, or closed by the program; counted at the end
            with entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):
                        facts = entry.stat(follow_symlinks=False)
                        if stat.S_ISDIR(facts.st_mode):
                            folders += 1
                            waiting.append((Path(entry.path), depth + 1))
                        else:
                            files += 1
                            # A small file takes a block, whatever its size.
                            total += max(facts.st_size, facts.st_blocks * 512 - BLOCK_BYTES)
                    _check_counts(limits, files, folders, depth, total)

    def collect(self, limits: Limits) -> Manifest:
        """Check all outputs and move them to the output folder; the program must be gone.

        Raises :class:`OutputError` and ``OSError``.
        """
        if self.stdout.stat().st_size:
            if os.path.lexists(self.out / STDOUT_NAME):
                raise OutputError(
                    "bad_output", "the program wrote to standard output and to out/stdout"
                )
            self.stdout.rename(self.out / STDOUT_NAME)
            self.stdout.touch(mode=0o600)
        entries = []
        waiting = [(self.out, "")]
        while waiting:
            folder, prefix = waiting.pop()
            folder.chmod(0o700)
            for entry in sorted(os.scandir(folder), key=lambda found: found.name):
                name = prefix + entry.name
                try:
                    check_name(name)
                except ManifestError as error:
                    raise OutputError("bad_output", f"an output cannot be taken: {error}") from None
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((Path(entry.path), name + "/"))
                    continue
                entries.append(_entry(Path(entry.path), name))
        self.check_room(limits)
        try:
            manifest = make_manifest(entries)
        except ManifestError as error:
            raise OutputError("bad_output", f"the outputs cannot be taken: {error}") from None
        shutil.rmtree(self.output, ignore_errors=True)
        self.out.rename(self.output)
        return manifest

    def remove(self) -> None:
        """Remove the stage, however deep a hostile program has nested its folders."""
        remove_tree(self.root)


def _check_counts(limits: Limits, files: int, folders: int, depth: int, total: int) -> None:
    if depth > FOLDERS_DEEP_MAX or folders > FOLDERS_MAX:
        raise OutputError(
            "file_limit",
            f"the program made more than {FOLDERS_MAX} folders, "
            f"or more than {FOLDERS_DEEP_MAX} inside each other",
        )
    if files > limits.output_files:
        raise OutputError(
            "file_limit", f"the program made more than {limits.output_files} files, its limit"
        )
    if total > limits.output_bytes:
        raise OutputError(
            "output_limit", f"the program wrote more than {limits.output_bytes} bytes, its limit"
        )


def _bring(source: str, target: Path) -> None:
    """A second name for the file; a copy where the disk cannot do that."""
    facts = Path(source).stat()
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(f"the input {source!r} is not a regular file")
    try:
        os.link(Path(source).resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def _entry(path: Path, name: str) -> ManifestEntry:
    """One output, read without following links; raises :class:`OutputError`."""
    facts = path.lstat()
    if not stat.S_ISREG(facts.st_mode):
        what = "a link" if stat.S_ISLNK(facts.st_mode) else "no ordinary file"
        raise OutputError("bad_output", f"the output {name!r} is {what}; only files are taken")
    if facts.st_nlink != 1:
        raise OutputError("bad_output", f"the output {name!r} is a file with a second name")
    path.chmod(0o600)
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(handle, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return ManifestEntry(name, digest, file.tell())


def remove_tree(root: Path) -> None:
    """Remove a folder with all below it, by short paths and without recursion.

    Folders inside folders are brought up to the first level before they are emptied. Raises
    ``OSError``.
    """
    if not os.path.lexists(root):
        return
    root.chmod(0o700)
    count = 0
    while True:
        entries = list(os.scandir(root))
        if not entries:
            break
        for entry in entries:
            path = Path(entry.path)
            if not entry.is_dir(follow_symlinks=False):
                path.unlink()
                continue
            path.chmod(0o700)
            for inner in list(os.scandir(path)):
                if inner.is_dir(follow_symlinks=False):
                    Path(inner.path).chmod(0o700)  # moving a folder writes in it
                    count += 1
                    Path(inner.path).rename(_free_name(root, count))
                else:
                    Path(inner.path).unlink()
            path.rmdir()
    root.rmdir()


def _free_name(root: Path, count: int) -> Path:
    name = root / f".remove-{count}"
    while os.path.lexists(name):
        name = name.with_name(name.name + "_")
    return name
