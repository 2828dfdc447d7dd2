"""Containers: an image made from a folder, or a finished archive of one."""

from pathlib import Path

from idlegrid.app import ProgramSource
from idlegrid.limit import read_limits
from idlegrid.section import Section, app_file
from idlegrid_shared.documents import WALLED_PLATFORMS
from idlegrid_shared.manifest import ManifestError, check_name

EXAMPLE = '["/bin/fit"]'


def read_container(section: Section, name: str) -> ProgramSource:
    """The program in ``section``; raises ``AppFileError``."""
    if section.has("folder") == section.has("archive"):
        raise section.error("folder", 'give either folder = "image" or archive = "image.tar"')
    platform = section.text("platform", '"linux-x86_64"', "linux-x86_64")
    if platform not in WALLED_PLATFORMS:
        known = ", ".join(WALLED_PLATFORMS)
        raise section.error("platform", f"containers run on {known} only, not on {platform!r}")
    if section.has("folder"):
        module = _image_folder(section)
        command = section.texts("command", EXAMPLE)
    else:
        module = app_file(section, "archive", section.text("archive", '"image.tar"'))
        command = section.texts("command", EXAMPLE, [])
    if section.has("folder") and not (command and command[0].startswith("/")):
        raise section.error("command", f"must begin with a path in the image, such as {EXAMPLE}")
    return ProgramSource(
        name=name,
        runtime="container",
        module=module,
        command=command,
        platforms=(platform,),
        limits=read_limits(section),
    )


def _image_folder(section: Section) -> Path:
    text = section.text("folder", '"image"')
    try:
        folder = section.path.parent / check_name(text)
    except ManifestError as error:
        raise section.error("folder", f"{error}; name a folder inside the app's") from error
    if not folder.is_dir():
        raise section.error("folder", f"there is no folder {text!r} in {section.path.parent}")
    return folder.absolute()
