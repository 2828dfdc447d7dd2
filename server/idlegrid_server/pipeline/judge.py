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
FAILURES_MAX = 3  # in a row at the start: then it is the validator, not an output
# The exit code by which a program says so. Not 1: that is how a Python program ends that fell over
# an exception, and many another that found something wrong with itself.
DIFFERS = 10


class ValidatorFailed(Exception):  # noqa: N818 - what happened is its name
    """The validator itself failed, not an output: nothing is decided. The message says how."""


class Stumbled(Exception):  # noqa: N818 - what happened is its name
    """A scientist's program failed on what it was given, as it would on any machine."""


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
        """What was found, and what the validator failed on.

        Raises :class:`ValidatorFailed` once it has failed a few times and never worked.
        """
        found: list[F] = []
        failed: list[T] = []
        for thing in things:
            try:
                found.append(look(thing))
            except ValidatorFailed:
                failed.append(thing)
                if not found and len(failed) >= FAILURES_MAX:
                    raise
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
        try:
            verdict = self._run(manifest, manifest, files, files)
        except Stumbled as error:
            # Is it the output, or the program? Who has got through another output is not broken.
            if not self._ever(PASSED_EVER):
                raise self._failed(error) from error
            return OutputFinding(manifest, "unreadable", _note(str(error)))
        if verdict.agrees:
            self._worked.add(PASSED_EVER.name)
            return OutputFinding(manifest, "good")
        note = verdict.note or "compared with itself, it was refused"
        return OutputFinding(manifest, "failed", note)

    def _compare_by_program(
        self, a: bytes, b: bytes, one: Manifest, other: Manifest
    ) -> PairFinding:
        try:
            verdict = self._run(a, b, one, other)
        except Stumbled as error:
            if not self._ever(COMPARED_EVER):
                raise self._failed(error) from error
            return PairFinding(a, b, False, _note(f"the program failed on the two: {error}"))
        self._worked.add(COMPARED_EVER.name)
        return PairFinding(a, b, verdict.agrees, verdict.note)

    def _failed(self, why: object) -> ValidatorFailed:
        return ValidatorFailed(f"its program {self.rule.validator.program}: {why}")

    def _ever(self, query: Query[int]) -> bool:
        if query.name in self._worked:
            return True
        with self.tools.store.reading() as db:
            return db.fetch_one(query, validator=self.rule.digest) is not None

    def _run(self, a: bytes, b: bytes, one: Manifest, other: Manifest) -> Verdict:
        """Run it on two outputs; raises :class:`Stumbled` if it fails, as it would anywhere."""
        rule = self.rule
        if len(one) + len(other) > INPUT_FILES_MAX:
            raise Stumbled(f"the two outputs have more than {INPUT_FILES_MAX} files")
        with tempfile.TemporaryDirectory(prefix="validate-", dir=self.tools.work) as name:
            folder = Path(name)
            copies = folder / "copies"
            copies.mkdir()
            inputs = {
                f"{place}/{entry.name}": self.tools.place_file(bytes.fromhex(entry.sha256), copies)
                for place, files in (("a", one), ("b", other))
                for entry in files
            }
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
            except (KeyError, UnrunnableError) as error:
                raise self._failed(error) from error
            except JobError as error:
                raise Stumbled(str(error)) from error
            return self._verdict(outcome, folder / "out")

    def _verdict(self, outcome: Outcome, out: Path) -> Verdict:
        if outcome.status == "success":
            if not any(entry.name == VERDICT_NAME for entry in outcome.outputs):
                return Verdict(True)
            with (out / VERDICT_NAME).open("rb") as file:
                data = file.read(VERDICT_BYTES_MAX + 1)
            if len(data) > VERDICT_BYTES_MAX:
                raise Stumbled(f"{VERDICT_NAME} has more than {VERDICT_BYTES_MAX} bytes")
            try:
                verdict = msgspec.json.decode(data, type=Verdict)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise Stumbled(f"{VERDICT_NAME} cannot be read: {error}") from error
            return Verdict(verdict.agrees, _note(verdict.note))
        if outcome.reason == "exit_code" and outcome.exit_code == DIFFERS:
            lines = outcome.stderr.strip().splitlines()
            return Verdict(False, _note(lines[-1] if lines else ""))
        tail = outcome.stderr.strip()[-STDERR_TOLD:]
        words = f"{outcome.message}\n{tail}" if tail else outcome.message
        if outcome.reason in APP_ERRORS:
            raise Stumbled(words)
        # This machine's fault: memory, time, a process that was killed.
        raise self._failed(words)


def _note(text: str) -> str:
    clean = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return clean[:NOTE_CHARS_MAX]
