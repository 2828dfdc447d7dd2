"""Keys and delegations: made once, sealed, and signed away from the server."""

import pytest

from idlegrid.fault import InputError, SigningKeyError
from idlegrid.keys import delegate, key_path, make_key, needs_passphrase, open_key, public_key
from idlegrid_shared.documents import Delegations, Publisher, open_delegations
from idlegrid_shared.signing import fingerprint, new_key, open_document, public_hex


def test_a_key_is_made_once_and_opens_only_with_its_passphrase() -> None:
    path = key_path()
    public = make_key(path, "a long sentence")
    assert public_key(path) == public
    assert needs_passphrase(path)
    assert public_hex(open_key(path, "a long sentence")) == public
    with pytest.raises(SigningKeyError, match="passphrase does not open"):
        open_key(path, "another")
    with pytest.raises(SigningKeyError, match="exists already"):
        make_key(path, "a long sentence")
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_passphrase_may_come_from_the_environment(monkeypatch) -> None:
    make_key(key_path(), "from outside")
    monkeypatch.setenv("IDLEGRID_PASSPHRASE", "from outside")
    assert not needs_passphrase(key_path())
    open_key(key_path())


def test_a_missing_key_says_how_to_make_one() -> None:
    with pytest.raises(SigningKeyError, match=r"make one with `idlegrid keys init`"):
        public_key(key_path())
    with pytest.raises(SigningKeyError, match=r"make one with `idlegrid keys init --root`"):
        open_key(key_path(root=True))


def test_delegations_grow_one_by_one_and_clients_believe_them() -> None:
    root, online, ada, bob = (new_key() for _ in range(4))
    first = delegate(root, issued_at=1, project="Spin", online=(public_hex(online),))
    second = delegate(
        root, issued_at=2, before=first, publisher=Publisher(public_hex(ada), "Ada", ("a-*",))
    )
    third = delegate(
        root, issued_at=3, before=second, publisher=Publisher(public_hex(bob), "Bob", ("b",))
    )
    changed = delegate(
        root, issued_at=4, before=third, publisher=Publisher(public_hex(ada), "Ada", ("c",))
    )
    document = open_delegations(changed, fingerprint(public_hex(root)))
    assert document == Delegations(
        project="Spin",
        root=public_hex(root),
        serial=4,
        online=(public_hex(online),),
        publishers=(
            Publisher(public_hex(bob), "Bob", ("b",)),
            Publisher(public_hex(ada), "Ada", ("c",)),
        ),
        issued_at=4,
    )
    new_online = public_hex(new_key())
    moved = delegate(root, issued_at=5, before=changed, online=(new_online,))
    assert open_document("delegations", moved, Delegations).online == (new_online,)


def test_what_cannot_be_delegated_is_told() -> None:
    root, online = new_key(), public_hex(new_key())
    first = delegate(root, issued_at=1, project="Spin", online=(online,))
    with pytest.raises(InputError, match="name the project"):
        delegate(root, issued_at=1, online=(online,))
    with pytest.raises(InputError, match="name the server's online key"):
        delegate(root, issued_at=1, project="Spin")
    with pytest.raises(InputError, match="not of this root key"):
        delegate(new_key(), issued_at=1, before=first)
    with pytest.raises(InputError, match="is not an Ed25519 public key"):
        delegate(root, issued_at=1, before=first, publisher=Publisher("xyz", "", ("a",)))
    with pytest.raises(InputError, match="at least one app"):
        delegate(root, issued_at=1, before=first, publisher=Publisher(online, "", ()))
    with pytest.raises(InputError, match="no name of an app"):
        delegate(root, issued_at=1, before=first, publisher=Publisher(online, "", ("a\n",)))
