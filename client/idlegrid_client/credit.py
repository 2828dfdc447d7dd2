"""What this machine has been credited: asked of the project, checked, and kept to be shown."""

from pathlib import Path

import msgspec

from idlegrid_shared.documents import CreditStatement
from idlegrid_shared.keyfile import load_key
from idlegrid_shared.signing import Signed, public_hex
from idlegrid_shared.wire import CreditReply

from .durable import read_state, write_bytes
from .layout import DataFolder
from .store_state import Link, StoredTrust
from .transfer.http import Server
from .verify import Trust, VerifyError, check_statement, open_trust

CREDIT_PATH = "/rpc/v1/credit"
MICRO = 1_000_000
PROOF_BYTES_MAX = 1_000_000


class Proof(msgspec.Struct, frozen=True):
    """A statement with all that it takes to check it, but for the project's fingerprint."""

    fingerprint: str
    delegations: Signed
    statement: Signed


class ProofError(ValueError):
    """Why a proof proves nothing, in one sentence."""


def ask_credit(data: DataFolder, link: Link) -> tuple[CreditStatement, Proof]:
    """Ask the project.

    Raises ``UnreachableError``, ``BadAnswerError`` and ``ServerProblem``, :class:`ProofError` for a
    statement that cannot be believed, and ``OSError`` or ``KeyFileError`` for this machine's disk.
    """
    folder = data.project(link.fingerprint)
    key = load_key(folder.key)
    server = Server(link.url, key)
    try:
        reply = server.post(CREDIT_PATH, b"", CreditReply)
    finally:
        server.close()
    stored = read_state(folder.trust, StoredTrust)
    if stored is None:
        raise ProofError(f"the signatures of {link.name} are not known yet: run the client once")
    proof = Proof(link.fingerprint, stored.delegations, reply.statement)
    statement = check_proof(proof)
    if (statement.owner, statement.name) != ("host", public_hex(key)):
        raise ProofError(f"{link.name} sent the statement of another computer")
    return statement, proof


def check_proof(proof: Proof) -> CreditStatement:
    """The statement, if the project with the proof's fingerprint signed it.

    Raises :class:`ProofError`.
    """
    try:
        trust: Trust = open_trust(proof.fingerprint, proof.delegations)
        return check_statement(trust, proof.statement)
    except VerifyError as error:
        raise ProofError(str(error)) from error


def read_proof(path: Path) -> Proof:
    """A proof from a file; raises :class:`ProofError` and ``OSError``."""
    with path.open("rb") as file:
        data = file.read(PROOF_BYTES_MAX)
    try:
        return msgspec.json.decode(data, type=Proof)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProofError(f"{path} holds no statement of credit: {error}") from error


def write_proof(path: Path, proof: Proof) -> None:
    """Keep a proof, to be shown to others. Raises ``OSError``."""
    write_bytes(path, msgspec.json.format(msgspec.json.encode(proof), indent=1) + b"\n", "proof")


def describe_statement(statement: CreditStatement) -> list[str]:
    """In lines, for people."""
    lines = [f"Credit:   {statement.credit_micro / MICRO:,.2f}"]
    if statement.pending_micro:
        waiting = statement.pending_micro / MICRO
        lines.append(f"Pending:  {waiting:,.2f}, until results that nobody else computed are final")
    lines.append(f"Recently: {statement.recent_micro / MICRO:,.2f} a day")
    lines.append(f"Results:  {statement.results:,} found right")
    return lines
