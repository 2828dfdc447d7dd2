"""Key files: durable, private, sealed by a passphrase, never overwritten by accident."""

import stat
from pathlib import Path

import pytest

from idlegrid_shared.keyfile import (
    KeyFileError,
    is_protected,
    load_key,
    read_public,
    save_key,
    write_private,
)
from idlegrid_shared.signing import new_key, public_hex


def test_a_plain_key_comes_back_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    key, path = new_key(), tmp_path / "online.key"
    save_key(path, key)
    assert load_key(path) == key
    assert read_public(path) == public_hex(key)
    assert not is_protected(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["online.key"], "a temporary file was left"


def test_a_sealed_key_opens_with_its_passphrase_alone(tmp_path: Path) -> None:
    key, path = new_key(), tmp_path / "root.key"
    save_key(path, key, "correct horse")
    assert bytes(key).hex() not in path.read_text()
    assert is_protected(path)
    assert load_key(path, "correct horse") == key
    with pytest.raises(KeyFileError, match="passphrase does not open"):
        load_key(path, "wrong horse")
    with pytest.raises(KeyFileError, match="give its passphrase"):
        load_key(path)


def test_a_key_is_never_overwritten_unless_asked(tmp_path: Path) -> None:
    first, second, path = new_key(), new_key(), tmp_path / "k"
    save_key(path, first)
    with pytest.raises(KeyFileError, match="exists already"):
        save_key(path, second)
    assert load_key(path) == first
    save_key(path, second, replace=True)
    assert load_key(path) == second
    assert [p.name for p in tmp_path.iterdir()] == ["k"]


def test_an_empty_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="empty passphrase"):
        save_key(tmp_path / "k", new_key(), "")
    assert not list(tmp_path.iterdir())


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "k"
    save_key(path, new_key())
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_key(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not a key file"),
        (b"{}", "not a key file"),
        (b'{"public":"00","format":"idlegrid-key/1"}', "holds no key"),
        (b'{"public":"00","format":"idlegrid-key/1","seed":"AAAA"}', "3 bytes of key"),
        (b'{"public":"00","format":"idlegrid-key/9","seed":"AAAA"}', "not a key file"),
        (b"x" * 5000, "too long"),
        (
            b'{"public":"00","format":"idlegrid-key/1","sealed":'
            b'{"salt":"AAAA","ops":99,"memory_bytes":999999999999,"box":""}}',
            "asks for more work",
        ),
    ],
)
def test_a_file_that_is_no_key_is_named_in_plain_words(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = tmp_path / "bad.key"
    write_private(path, content)
    with pytest.raises(KeyFileError, match=sentence) as caught:
        load_key(path, "p")
    assert "bad.key" in str(caught.value)


def test_halves_that_do_not_belong_together_are_found(tmp_path: Path) -> None:
    one, other = new_key(), new_key()
    path = tmp_path / "k"
    save_key(path, one)
    mixed = path.read_text().replace(public_hex(one), public_hex(other))
    write_private(path, mixed.encode(), replace=True)
    with pytest.raises(KeyFileError, match="damaged"):
        load_key(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"cannot read key file .*nowhere"):
        load_key(tmp_path / "nowhere")
