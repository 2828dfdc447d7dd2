"""The release key's ceremony: make it, and sign the runtimes. See docs/release-key.md.

    python packaging/release_key.py new KEYFILE
    python packaging/release_key.py sign KEYFILE [NAME…]

`new` prints the public half, which goes into shared/idlegrid_shared/runtime/key.py by hand and by
review. `sign` turns packaging/runtimes/NAME.toml into shared/…/runtime/catalogue/NAME.json.
"""

import getpass
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from nacl.signing import SigningKey

from idlegrid_shared.documents import PLATFORM_WASM, Policy, Program, Release
from idlegrid_shared.keyfile import KeyFileError, load_key, save_key
from idlegrid_shared.manifest import ManifestEntry, check_name, check_sha256
from idlegrid_shared.runtime.catalogue import Package, Pinned
from idlegrid_shared.runtime.key import RELEASE_KEYS
from idlegrid_shared.sandbox.limits import OPS_MAX, OUTPUT_FILES_MAX, TIME_S_MAX, Limits
from idlegrid_shared.sandbox.profile import RuntimeProfile
from idlegrid_shared.signing import new_key, public_hex, sign_document

ROOT = Path(__file__).parents[1]
SPECS = ROOT / "packaging/runtimes"
CATALOGUE = ROOT / "shared/idlegrid_shared/runtime/catalogue"


def read_spec(path: Path) -> tuple[Release, Package]:
    """What is to be signed, from its description; raises ``ValueError`` or ``KeyError``."""
    spec = tomllib.loads(path.read_text("utf-8"))
    interpreter, package = spec["interpreter"], spec["package"]
    module = _entry("python.wasm", interpreter["module"])
    files = tuple(_entry(check_name(f["name"]), f) for f in interpreter.get("files", []))
    # The limits that count are those of the programs it interprets; its memory is what compiling
    # it takes, so that a client can tell beforehand whether it has that much.
    limits = Limits(
        memory_bytes=interpreter["memory_bytes"],
        max_ops=OPS_MAX,
        time_s=TIME_S_MAX,
        output_bytes=0,
        output_files=OUTPUT_FILES_MAX,
    )
    release = Release(
        app=spec["app"],
        version=spec["version"],
        summary=spec["summary"],
        platform=PLATFORM_WASM,
        runtime="runtime",
        profile=RuntimeProfile(**spec["profile"]),
        programs=(Program("python", module, limits, entry=interpreter["start"], files=files),),
        policy=Policy(),
    )
    members = {
        check_sha256(f["sha256"]): f["member"]
        for f in (interpreter["module"], *interpreter.get("files", []))
    }
    return release, Package(
        requirement=package["requirement"],
        sha256=check_sha256(package["sha256"]),
        members=members,
        licences=package["licences"],
    )


def _entry(name: str, file: dict[str, Any]) -> ManifestEntry:
    return ManifestEntry(name, check_sha256(file["sha256"]), file["bytes"])


def make(path: Path) -> None:
    """Make a key, sealed by a passphrase."""
    passphrase = getpass.getpass("Passphrase of the new release key: ")
    if getpass.getpass("Once more: ") != passphrase:
        raise KeyFileError("the two passphrases differ: nothing was made")
    key = new_key()
    save_key(path, key, passphrase)
    print(public_hex(key))


def sign(key: SigningKey, name: str) -> Path:
    """Sign the runtime ``name``; returns the file written."""
    release, package = read_spec(SPECS / f"{name}.toml")
    if public_hex(key) not in RELEASE_KEYS:
        raise KeyFileError(
            f"the key {public_hex(key)} does not stand in runtime/key.py: add it there first"
        )
    pinned = Pinned(sign_document("release", release, key), package)
    CATALOGUE.mkdir(exist_ok=True)
    target = CATALOGUE / f"{name}.json"
    target.write_bytes(msgspec.json.format(msgspec.json.encode(pinned), indent=1) + b"\n")
    return target


def main(words: list[str]) -> int:
    """Exit code 0 if all was done, 1 if not, 2 for wrong use."""
    if len(words) < 2 or words[0] not in ("new", "sign"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        if words[0] == "new":
            make(Path(words[1]))
            return 0
        key = load_key(Path(words[1]), getpass.getpass("Passphrase of the release key: "))
        for name in words[2:] or sorted(path.stem for path in SPECS.glob("*.toml")):
            print(sign(key, name))
    except (KeyFileError, OSError, ValueError, KeyError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
