"""Who looks at outputs for a stage's validator: its rules here, its program in the sandbox."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from idlegrid_server.domain.reason import APP_ERRORS
from idlegrid_server.store.command import OutputFinding, PairFinding
from idlegrid_server.store.query import Query
from idlegrid_server.store.sql.file import MANIFEST_BY_HASH
from idlegrid_server.store.sql.validation import COMPARED_EVER, PASSED_EVER
from idlegrid_shared.documents import Release
from idlegrid_shared.manifest import Manifest, ManifestEntry, ManifestError, parse_manifest
from idlegrid_shared.sandbox.job import INPUT_FILES_MAX, JobError, Outcome
from idlegrid_shared.signing import Signed
from idlegrid_shared.validator import (
    RuleError,
    Validator,
    check_output,
    compare_outputs,
    parse_validator,
)
from idlegrid_shared.validator.limits import NOTE_CHARS_MAX

from .lease import Interrupted, Lease
from .sandbox import UnrunnableError, make_order, run_box
from .tools import MissingFile, Tools

T = TypeVar("T")
F = TypeVar("F")
VERDICT_NAME = "verdict.json"
VERDICT_BYTES_MAX = 64 * 1024
STDERR_TOLD = 500  # characters of the end of standard error that a reason holds
DIFFERS = 1  # the exit code by which a program says so


class ValidatorFailed(Exception):  # noqa: N818 - what happened is its name
    """The validator itself failed, not an output: nothing is decided. The message says how."""


class Verdict(msgspec.Struct, frozen=True):
    """What a program may write to /out/verdict.json."""

    agrees: bool
    note: str = ""


@dataclass(frozen=True)
class Rule:
    """A stage's validator, and the release in which its program is."""

    validator: Validator
    digest: bytes
    release: Release

    @classmethod
    def read(cls, text: str, digest: bytes, signed: bytes) -> "Rule":
        """From a stage's row; raises :class:`ValidatorFailed` for one this server cannot read."""
        body = msgspec.json.decode(signed, type=Signed).body
        release = msgspec.json.decode(body, type=Release)  # verified when it was published
        try:
            return cls(parse_validator(text.encode()), digest, release)
        except RuleError as error:
            raise ValidatorFailed(f"its rule cannot be read: {error}") from error


class Judge:
    """Looks at outputs by one rule, under a job's lease.

    Its methods raise :class:`ValidatorFailed`, and whatever ends a job: ``LeaseLost``,
    ``Interrupted``, ``StoreError``, ``OSError``.
    """

    def __init__(
        self, tools: Tools, lease: Lease, stopping: Callable[[], bool], rule: Rule
    ) -> None:
        self.tools = tools
        self.lease = lease
        self.stopping = stopping
        self.rule = rule
        self._worked: set[str] = set()  # queries whose answer is yes by now

    def look(
        self, outputs: Iterable[bytes], pairs: Iterable[tuple[bytes, bytes]]
    ) -> tuple[list[OutputFinding], list[PairFinding]]:
        """Single outputs first, then those pairs of which both are good."""
        found, doubtful = self._try(self.check, outputs)
        # What the program failed on may be understood once it got through another.
        found += [self.check(manifest) for manifest in doubtful]
        bad = {finding.manifest for finding in found if finding.outcome != "good"}
        wanted = [both for both in pairs if not bad & set(both)]
        compared, unclear = self._try(lambda both: self.compare(*both), wanted)
        return found, compared + [self.compare(a, b) for a, b in unclear]

    def _try(self, look: Callable[[T], F], things: Iterable[T]) -> tuple[list[F], list[T]]:
        """What was found, and what the validator failed on."""
        found: list[F] = []
        failed: list[T] = []
        for thing in things:
            try:
                found.append(look(thing))
            except ValidatorFailed:
                failed.append(thing)
        return found, failed

    def check(self, manifest: bytes) -> OutputFinding:
        """One output by itself."""
        try:
            files = self._manifest(manifest)
            found = check_output(self.rule.validator, files, self._open, self._beat)
            if found.outcome == "good" and self.rule.validator.program:
                return self._compare_with_itself(manifest, files)
        except (MissingFile, ManifestError) as error:
            raise ValidatorFailed(str(error)) from error
        return OutputFinding(manifest, found.outcome, found.note)  # type: ignore[arg-type]

    def compare(self, a: bytes, b: bytes) -> PairFinding:
        """Two outputs that are good by themselves; the lower hash comes first."""
        try:
            one, other = self._manifest(a), self._manifest(b)
            if self.rule.validator.program:
                return self._compare_by_program(a, b, one, other)
            found = compare_outputs(self.rule.validator, one, other, self._open, self._beat)
        except (MissingFile, ManifestError) as error:
            raise ValidatorFailed(str(error)) from error
        return PairFinding(a, b, found.outcome == "agree", found.note)

    def _manifest(self, digest: bytes) -> Manifest:
        with self.tools.store.reading() as db:
            body = db.fetch_one(MANIFEST_BY_HASH, hash=digest)
        if body is None:
            raise MissingFile(f"manifest {digest.hex()} is not stored")
        return parse_manifest(body)

    @contextmanager
    def _open(self, entry: ManifestEntry) -> Iterator[BinaryIO]:
        with self.tools.open_file(bytes.fromhex(entry.sha256)) as content:
            yield content

    def _beat(self) -> None:
        if self.stopping():
            self.lease.give_back()
            raise Interrupted("a validation")
        self.lease.keep()

    # --- the scientist's own program

    def _compare_with_itself(self, manifest: bytes, files: Manifest) -> OutputFinding:
        """A program is first given an output twice: one that it cannot read shows then, alone."""
        outcome, verdict = self._run(manifest, manifest, files, files)
        if verdict is not None:
            if verdict.agrees:
                self._worked.add(PASSED_EVER.name)
            return OutputFinding(
                manifest,
                "good" if verdict.agrees else "failed",
                "" if verdict.agrees else verdict.note or "compared with itself, it was refused",
            )
        # Is it the output, or the program? Who has got through another output is not broken.
        if not self._ever(PASSED_EVER):
            raise ValidatorFailed(_words(self.rule, outcome))
        return OutputFinding(manifest, "unreadable", _note(outcome.message))

    def _compare_by_program(
        self, a: bytes, b: bytes, one: Manifest, other: Manifest
    ) -> PairFinding:
        outcome, verdict = self._run(a, b, one, other)
        if verdict is not None:
            self._worked.add(COMPARED_EVER.name)
            return PairFinding(a, b, verdict.agrees, verdict.note)
        if not self._ever(COMPARED_EVER):
            raise ValidatorFailed(_words(self.rule, outcome))
        return PairFinding(a, b, False, _note(f"the program failed on the two: {outcome.message}"))

    def _ever(self, query: Query[int]) -> bool:
        if query.name in self._worked:
            return True
        with self.tools.store.reading() as db:
            return db.fetch_one(query, validator=self.rule.digest) is not None

    def _run(
        self, a: bytes, b: bytes, one: Manifest, other: Manifest
    ) -> tuple[Outcome, Verdict | None]:
        """Run it on two outputs. No verdict: it failed by itself, as it would anywhere."""
        rule = self.rule
        with tempfile.TemporaryDirectory(prefix="validate-", dir=self.tools.work) as name:
            folder = Path(name)
            copies = folder / "copies"
            copies.mkdir()
            inputs = {
                f"{place}/{entry.name}": self.tools.place_file(bytes.fromhex(entry.sha256), copies)
                for place, files in (("a", one), ("b", other))
                for entry in files
            }
            if len(inputs) > INPUT_FILES_MAX:
                raise ValidatorFailed(f"{len(inputs)} files are more than {INPUT_FILES_MAX}")
            try:
                order = make_order(
                    self.tools,
                    rule.release,
                    rule.release.program(rule.validator.program),
                    folder,
                    inputs=inputs,
                    seed=hashlib.sha256(rule.digest + a + b).digest(),
                )
                outcome = run_box(order, self.lease, self.stopping)
            except (KeyError, UnrunnableError, JobError) as error:
                raise ValidatorFailed(str(error)) from error
            return outcome, self._verdict(outcome, folder / "out")

    def _verdict(self, outcome: Outcome, out: Path) -> Verdict | None:
        if outcome.status == "success":
            path = out / VERDICT_NAME
            if not any(entry.name == VERDICT_NAME for entry in outcome.outputs):
                return Verdict(True)
            with path.open("rb") as file:
                data = file.read(VERDICT_BYTES_MAX + 1)
            try:
                if len(data) > VERDICT_BYTES_MAX:
                    raise ValidatorFailed(f"{VERDICT_NAME} has more than {VERDICT_BYTES_MAX} bytes")
                verdict = msgspec.json.decode(data, type=Verdict)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise ValidatorFailed(f"{VERDICT_NAME} cannot be read: {error}") from error
            return Verdict(verdict.agrees, _note(verdict.note))
        if outcome.reason == "exit_code" and outcome.exit_code == DIFFERS:
            lines = outcome.stderr.strip().splitlines()
            return Verdict(False, _note(lines[-1] if lines else ""))
        if outcome.reason not in APP_ERRORS:
            # This machine's fault: memory, time, a process that was killed.
            raise ValidatorFailed(_words(self.rule, outcome))
        return None


def _note(text: str) -> str:
    clean = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return clean[:NOTE_CHARS_MAX]


def _words(rule: Rule, outcome: Outcome) -> str:
    tail = outcome.stderr.strip()[-STDERR_TOLD:]
    return f"its program {rule.validator.program}: {outcome.message}" + (
        f"\n{tail}" if tail else ""
    )
