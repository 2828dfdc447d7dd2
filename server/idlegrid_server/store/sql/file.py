"""Files, whose they are, uploads, manifests."""

from typing import NamedTuple

from idlegrid_server.store.query import Query


class FileRow(NamedTuple):
    """A file; ``data`` is None where its bytes lie in the content-addressed folder."""

    sha256: bytes
    size: int
    public: int
    data: bytes | None


class UploadRow(NamedTuple):
    """Room for a file."""

    id: int
    name: str
    account_id: int | None
    task_id: int | None
    sha256: bytes
    size: int
    done: int
    expires_at: int
    checkpoint_ops: int | None


def _hash(row: object) -> bytes:
    return bytes(row[0])  # type: ignore[index]


_UPLOAD = (
    "SELECT id, name, account_id, task_id, sha256, bytes, done, expires_at, checkpoint_ops "
    "FROM upload"
)

FILE_BY_HASH = Query(
    "file_by_hash",
    "a file's size, and its content if it is small",
    "SELECT sha256, bytes, public, data FROM file WHERE sha256 = :sha256",
    FileRow._make,
)
FILE_INSERT = Query(
    "file_insert",
    "name a durable file; a file that is there stays as it is",
    """
    INSERT INTO file (sha256, bytes, public, data, created_at)
    VALUES (:sha256, :bytes, :public, :data, :now) ON CONFLICT (sha256) DO NOTHING
    """,
)
FILE_PUBLISH = Query(
    "file_publish",
    "let everybody have a file",
    "UPDATE file SET public = 1 WHERE sha256 {in:hashes} AND public = 0",
)
FILES_KNOWN = Query(
    "files_known",
    "which of these files exist",
    "SELECT sha256 FROM file WHERE sha256 {in:hashes}",
    _hash,
)
FILES_USABLE = Query(
    "files_usable",
    "which of these files an account may name: public ones and its own",
    """
    SELECT f.sha256 FROM file f
    LEFT JOIN account_file a ON a.sha256 = f.sha256 AND a.account_id = :account_id
    WHERE f.sha256 {in:hashes} AND (f.public = 1 OR a.account_id IS NOT NULL)
    """,
    _hash,
)
FILES_USABLE_SIZES = Query(
    "files_usable_sizes",
    "how large these files are, as far as an account may name them",
    """
    SELECT f.sha256, f.bytes FROM file f
    LEFT JOIN account_file a ON a.sha256 = f.sha256 AND a.account_id = :account_id
    WHERE f.sha256 {in:hashes} AND (f.public = 1 OR a.account_id IS NOT NULL)
    """,
    lambda row: (bytes(row[0]), int(row[1])),
)
ACCOUNT_FILE_INSERT = Query(
    "account_file_insert",
    "let an account use a file",
    """
    INSERT INTO account_file (account_id, sha256, created_at) VALUES (:account_id, :sha256, :now)
    ON CONFLICT DO NOTHING
    """,
)

UPLOAD_BY_NAME = Query(
    "upload_by_name",
    "how far an upload is and whose it is",
    _UPLOAD + " WHERE name = :name",
    UploadRow._make,
)
UPLOAD_BY_NAME_LOCKED = Query(
    "upload_by_name_locked",
    "finish an upload once",
    _UPLOAD + " WHERE name = :name {lock}",
    UploadRow._make,
)
UPLOAD_OF_TASK = Query(
    "upload_of_task",
    "an upload of a task's output that was opened before",
    _UPLOAD + " WHERE task_id = :task_id AND sha256 = :sha256",
    UploadRow._make,
)
UPLOAD_OF_ACCOUNT = Query(
    "upload_of_account",
    "an upload of an account that was opened before",
    _UPLOAD + " WHERE account_id = :account_id AND sha256 = :sha256",
    UploadRow._make,
)
UPLOADS_OPEN_OF_TASK = Query(
    "uploads_open_of_task",
    "hold a task to its number and bytes of uploads",
    """
    SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM upload
    WHERE task_id = :task_id AND checkpoint_ops IS NULL
    """,
    lambda row: (int(row[0]), int(row[1])),
)
UPLOADS_OPEN_OF_ACCOUNT = Query(
    "uploads_open_of_account",
    "hold an account to its number and bytes of unfinished uploads",
    """
    SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM upload
    WHERE account_id = :account_id AND done = 0
    """,
    lambda row: (int(row[0]), int(row[1])),
)
UPLOADS_DONE_OF_TASKS = Query(
    "uploads_done_of_tasks",
    "which files were uploaded for reported tasks",
    """
    SELECT task_id, sha256 FROM upload
    WHERE task_id {in:task_ids} AND done = 1 AND checkpoint_ops IS NULL
    """,
    lambda row: (int(row[0]), bytes(row[1])),
)
UPLOAD_INSERT = Query(
    "upload_insert",
    "open an upload",
    """
    INSERT INTO upload (name, account_id, task_id, sha256, bytes, checkpoint_ops, created_at,
                        expires_at)
    VALUES (:name, :account_id, :task_id, :sha256, :bytes, :checkpoint_ops, :now, :expires_at)
    RETURNING id
    """,
)
UPLOAD_FINISH = Query(
    "upload_finish",
    "an upload is a file now",
    "UPDATE upload SET done = 1 WHERE id = :upload_id",
)
UPLOADS_EXPIRED = Query(
    "uploads_expired",
    "uploads whose time is over",
    _UPLOAD + " WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit {lock_free}",
    UploadRow._make,
)
UPLOADS_DELETE = Query(
    "uploads_delete",
    "forget uploads",
    "DELETE FROM upload WHERE id {in:upload_ids}",
)

MANIFEST_INSERT = Query(
    "manifest_insert",
    "keep the list that a manifest hash stands for",
    "INSERT INTO manifest (hash, body) VALUES (:hash, :body) ON CONFLICT (hash) DO NOTHING",
)
MANIFEST_BY_HASH = Query(
    "manifest_by_hash",
    "the files behind a manifest hash",
    "SELECT body FROM manifest WHERE hash = :hash",
    lambda row: bytes(row[0]),
)
