"""Containers: an image made from a folder, or a finished archive of one."""

from idlegrid.app import ProgramSource
from idlegrid.limit import read_limits
from idlegrid.section import Section, app_file, app_folder
from idlegrid_shared.documents import WALLED_PLATFORMS

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
        module = app_folder(section, "folder", section.text("folder", '"image"'))
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
