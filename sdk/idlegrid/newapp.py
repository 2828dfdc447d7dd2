"""The app that ``idlegrid app new`` writes: small, commented, and it works.

What it writes lies in ``starter/``: a folder for each language, and one for what all have.
"""

from pathlib import Path
from typing import Literal

from .fault import InputError

Language = Literal["c", "cpp", "rust", "python"]

STARTER = Path(__file__).parent / "starter"
#: What the app is called in ``starter/``, and so in Rust's own words.
PLACEHOLDERS = ("my-app", "my_app")


def write_new_app(folder: Path, language: Language = "c") -> str:
    """Write the app into ``folder``, which must be new or empty; return the app's name.

    Raises :class:`InputError` if the folder is not empty or its name cannot be an app's name.
    """
    letters = (c if c.isascii() and c.isalnum() else "-" for c in folder.absolute().name.lower())
    name = "".join(letters).strip("-")[:63]
    if not name or not name[0].isalpha():
        raise InputError(f"{folder.name!r} cannot be an app's name: let it start with a letter")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty; name a new folder")
    for part in ("all", language):
        for source in sorted((STARTER / part).rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                _write(source, folder / source.relative_to(STARTER / part), name)
    return name


def _write(source: Path, target: Path, name: str) -> None:
    text = source.read_text("utf-8")
    for placeholder, own in zip(PLACEHOLDERS, (name, name.replace("-", "_")), strict=True):
        text = text.replace(placeholder, own)
    if target.name == "gitignore":  # under its own name it would hide files of ours
        target = target.with_name(".gitignore")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, "utf-8")
