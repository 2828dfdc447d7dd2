"""Sending an output: opened for its task, continued where a former attempt ended."""

from pathlib import Path

import msgspec

from idlegrid_shared.wire import UploadOpen, UploadState

from .http import BadAnswerError, Server, ServerProblem

UPLOADS_PATH = "/rpc/v1/uploads"
CHUNK_BYTES = 1024 * 1024
NAME_CHARS_MAX = 200
OFFSET_CONFLICTS_MAX = 5


def upload(
    server: Server,
    path: Path,
    sha256: str,
    size: int,
    task: str,
    checkpoint_ops: int | None = None,
) -> None:
    """Send the file at ``path`` until the server says that it is whole and verified.

    ``checkpoint_ops``: it is no output of the task but its checkpoint, made after so many ops.

    Raises ``ServerProblem``, ``UnreachableError``, ``BadAnswerError``, ``OSError``. Called again,
    it goes on where the server says that it stands.
    """
    wanted = UploadOpen(sha256=sha256, bytes=size, task=task, checkpoint_ops=checkpoint_ops)
    body = msgspec.json.encode(wanted)
    state = server.post(UPLOADS_PATH, body, UploadState)
    place = f"{UPLOADS_PATH}/{_checked_name(state.upload)}"
    conflicts = 0
    with path.open("rb") as file:
        while not state.done:
            if not 0 <= state.offset <= size:
                raise BadAnswerError(f"{server.url} claims to have {state.offset} of {size} bytes")
            file.seek(state.offset)
            chunk = file.read(CHUNK_BYTES)
            before = state.offset
            try:
                state = server.patch(place, chunk, before, UploadState)
            except ServerProblem as problem:
                conflicts += 1
                if problem.status != 409 or conflicts > OFFSET_CONFLICTS_MAX:
                    raise
                state = server.get(place, UploadState)
                continue
            if not state.done and state.offset <= before:
                raise BadAnswerError(f"{server.url} takes no more than {before} of {size} bytes")


def _checked_name(name: str) -> str:
    if not 0 < len(name) <= NAME_CHARS_MAX or not all(c.isalnum() or c in "_-" for c in name):
        raise BadAnswerError(f"the server named an upload {name[:40]!r}, which is no good name")
    return name
