"""Making the archive of a container's image, or taking a finished one."""

import json
import secrets
from pathlib import Path

from idlegrid_shared.box.container.image import (
    ImageError,
    image_id,
    image_platform,
    write_archive,
)
from idlegrid_shared.manifest import ManifestEntry

from .app import App, ProgramSource
from .built import BuiltProgram, Say
from .fault import BuildError
from .place import build_folder
from .transfer import hash_file

IMAGE_BYTES_MAX = 4 * 1024**3


def build_container(app: App, program: ProgramSource, on_step: Say) -> BuiltProgram:
    """The archive, and the id of the image in it; raises :class:`BuildError`."""
    if program.module is None:
        raise BuildError(f"program {program.name} has neither a folder nor an archive")
    platform = program.platforms[0]
    try:
        path, made = _archive(app, program, program.module, platform, on_step)
        found = image_platform(path)
        image = image_id(path)
    except ImageError as error:
        raise BuildError(f"program {program.name}: {error}") from error
    if found != platform:
        raise BuildError(
            f"program {program.name}: its image is for {found}, but app.toml says {platform}"
        )
    size = path.stat().st_size
    if size > IMAGE_BYTES_MAX:
        raise BuildError(f"program {program.name}: its image has more than {IMAGE_BYTES_MAX} bytes")
    start = f"{image} {json.dumps(program.command)}" if program.command else image
    built = BuiltProgram(
        program.name,
        path,
        ManifestEntry(f"{program.name}.tar", hash_file(path).sha256, size),
        made,
        start,
    )
    return BuiltProgram(built.name, path, built.entry, made, start, variants={platform: built})


def _archive(
    app: App, program: ProgramSource, source: Path, platform: str, on_step: Say
) -> tuple[Path, bool]:
    """The archive, and whether it was made just now."""
    if source.is_file():
        return source, False
    if on_step is not None:
        on_step(f"making the image of {program.name}")
    target = build_folder(app.folder) / f"{program.name}.image.tar"
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        write_archive(source, temporary, platform)
        made = not target.is_file() or hash_file(target).sha256 != hash_file(temporary).sha256
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target, made
