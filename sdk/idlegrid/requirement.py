"""``requires`` in ``[programs.NAME]``: what a host must have to be given its units."""

from idlegrid_shared.requirement import Requirements

from .section import Section

MIB = 1024 * 1024


def read_requirements(section: Section) -> Requirements | None:
    """The section ``[programs.NAME.requires]``; None if there is none."""
    if not section.has("requires"):
        return None
    inner = Section(section.path, f"{section.name}.requires", section.table["requires"])
    found = Requirements(
        cores=inner.integer("cores", "4", 1),
        disk_bytes=inner.integer("disk_mb", "500", 0) * MIB,
        features=tuple(sorted(set(inner.texts("features", '["avx2"]', [])))),
    )
    inner.close()
    try:
        found.check()
    except ValueError as error:
        raise section.error("requires", str(error)) from error
    return found
