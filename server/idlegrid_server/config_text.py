"""Settings as text: a commented TOML file for a new project, and the reference in docs/settings.md.

Both are made from the statements in ``config.py``, so that they cannot say anything else.
"""

import json
from collections.abc import Iterator
from textwrap import wrap
from typing import Any, NamedTuple, get_args

import msgspec

from .config import Config, Section

WIDTH = 96


class Setting(NamedTuple):
    """One setting: its section and name, what it means, its bounds in words, its default."""

    section: str
    name: str
    meaning: str
    bounds: str
    default: Any


def settings() -> Iterator[Setting]:
    """Every setting there is, in the order of the file."""
    defaults = Config()
    yield _setting("", msgspec.structs.fields(Config)[0], defaults)
    for section in msgspec.structs.fields(Config):
        value = getattr(defaults, section.name)
        if isinstance(value, Section):
            for field in msgspec.structs.fields(value):
                yield _setting(section.name, field, value)


def toml_text(config: Config) -> str:
    """``config`` as a commented TOML file, which reads back as the same settings."""
    lines = ["# Settings of an Idlegrid project. Restart the server after a change.", ""]
    section = ""
    for setting in settings():
        part: Any = config
        if setting.section:
            part = getattr(config, setting.section)
        if setting.section != section:
            section = setting.section
            lines += [f"[{section}]"]
        lines += [f"# {line}" for line in wrap(_sentence(setting), WIDTH)]
        lines += [f"{setting.name} = {_value(getattr(part, setting.name))}", ""]
    return "\n".join(lines)


def markdown_text() -> str:
    """docs/settings.md: every setting with its meaning, bounds and default."""
    lines = [
        "# Settings",
        "",
        "`DIR/idlegrid.toml` holds the settings of the project in `DIR`. Every setting has a",
        "default; an unknown name is refused. Restart the server after a change.",
        "`idlegrid-server settings` prints this page.",
        "",
    ]
    section = None
    docs = {f.name: f.type.__doc__ for f in msgspec.structs.fields(Config) if f.name != "version"}
    for setting in settings():
        if setting.section != section:
            section = setting.section
            if section:
                lines += [f"## [{section}]", "", str(docs[section]), ""]
            lines += ["| setting | default | meaning |", "|---|---|---|"]
        default = _value(setting.default)
        lines += [f"| `{setting.name}` | `{default}` | {_sentence(setting)} |"]
        if _last_of_section(setting):
            lines += [""]
    return "\n".join(lines)


def _last_of_section(setting: Setting) -> bool:
    return [s.name for s in settings() if s.section == setting.section][-1] == setting.name


def _setting(section: str, field: msgspec.structs.FieldInfo, owner: Section) -> Setting:
    meta = field.type.__metadata__[0]
    kind = get_args(field.type)[0]
    bounds = ""
    if meta.ge is not None and meta.le is not None:
        bounds = f"{meta.ge} to {meta.le}"
    elif kind == tuple[str, ...]:
        bounds = "a list"
    elif get_args(kind) and get_args(get_args(kind)[0]):
        bounds = "any of " + ", ".join(get_args(get_args(kind)[0]))
    return Setting(section, field.name, meta.description, bounds, getattr(owner, field.name))


def _sentence(setting: Setting) -> str:
    return f"{setting.meaning} ({setting.bounds})" if setting.bounds else setting.meaning


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, str):
        return json.dumps(value)  # JSON's escapes are all TOML escapes
    return repr(value)
