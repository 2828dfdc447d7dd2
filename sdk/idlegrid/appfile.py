"""Reading ``app.toml``: what an app is, its limits, how a table becomes units, how they combine."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

import msgspec

from idlegrid_shared.documents import (
    WALLED_BY_SYSTEM,
    Checkpoint,
    Homogeneous,
    Policy,
    Replication,
    Runtime,
)
from idlegrid_shared.manifest import ManifestError, check_name
from idlegrid_shared.plot import PlotError, parse_plot
from idlegrid_shared.runtime.catalogue import known_runtimes
from idlegrid_shared.sandbox.profile import RuntimeProfile, current_profile

from .app import App, Combine, OnFailure, ProgramSource, Split
from .fault import AppFileError
from .program import READERS
from .requirement import read_requirements
from .section import Section, app_file
from .validation import check_validators, read_validator

APP_FILE = "app.toml"
STANDARD_PYTHON = "cpython"
APP_FILE_BYTES_MAX = 1024 * 1024
PROGRAMS_MAX = 16
INPUTS_MAX = 1_000

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,62}")
_SKIP = re.compile(r"skip(?:\s+(\d+)(%?))?")
_SECTIONS = ("app", "programs", "policy", "split", "combine", "plot")


def read_app(folder: Path) -> App:
    """Read and check the app in ``folder``; raises :class:`AppFileError`.

    ``folder`` may also be the path of the ``app.toml`` itself.
    """
    path = folder if folder.name == APP_FILE else folder / APP_FILE
    document = _load(path)
    for name in document:
        if name not in _SECTIONS:
            raise AppFileError(
                f"{path}: [{name}] is not known here; possible are: "
                + ", ".join(f"[{s}]" for s in _SECTIONS)
            )
    for name in ("app", "programs", "split"):
        if name not in document:
            raise AppFileError(f"{path}: the section [{name}] is missing")
    head = Section(path, "app", document["app"])
    runtime = _runtime(head)
    programs = _programs(path, document["programs"], runtime)
    python = _python(head, programs)
    app = App(
        folder=path.parent.absolute(),
        name=_matching(head, "name", '"my-app"', _NAME, "lower-case letters, digits and -"),
        version=_matching(head, "version", '"1.0.0"', _VERSION, "letters, digits, dots and -"),
        summary=head.text("summary", '"What it computes"', ""),
        profile=_profile(head, python),
        runtime=runtime,
        checkpoint=_choice(head, "checkpoint", get_args(Checkpoint), "none"),
        migrate=head.flag("migrate", False),
        homogeneous=_choice(head, "homogeneous", get_args(Homogeneous), ""),
        programs=programs,
        python=python,
        policy=_policy(path, document.get("policy", {})),
        split=_split(path, document["split"], programs),
        combine=_combine(path, document["combine"], programs) if "combine" in document else None,
        plot=_plot(path, document["plot"]) if "plot" in document else None,
    )
    head.close()
    _check_kinds(head, app)
    check_validators(path, programs, app.split.program)
    return app


def _check_kinds(head: Section, app: App) -> None:
    """What holds for native apps and containers alone, or not for them."""
    walled = app.runtime in WALLED_BY_SYSTEM
    if app.homogeneous and not walled:
        raise head.error(
            "homogeneous", f"is not needed: {app.runtime} programs give the same bytes everywhere"
        )
    if walled and app.checkpoint != "none":
        raise head.error(
            "checkpoint", f'"{app.checkpoint}" is not possible for {app.runtime} programs'
        )
    for name, program in app.programs.items():
        if program.platforms and program.platforms != app.platforms:
            raise AppFileError(
                f"{head.path}: [programs.{name}] runs on {', '.join(program.platforms)}, but "
                f"the app on {', '.join(app.platforms)}: all its programs must run on the same"
            )


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(APP_FILE_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise AppFileError(
            f"{path.parent} is not an app: it has no {APP_FILE}; "
            "`idlegrid app new FOLDER` makes an app that works"
        ) from error
    except OSError as error:
        raise AppFileError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > APP_FILE_BYTES_MAX:
        raise AppFileError(f"{path} is longer than {APP_FILE_BYTES_MAX} bytes")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise AppFileError(f"{path} is not UTF-8 text (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise AppFileError(f"{path} is not valid TOML: {error}") from error


def _matching(section: Section, key: str, example: str, rule: re.Pattern[str], words: str) -> str:
    text = section.text(key, example)
    if not rule.fullmatch(text):
        raise section.error(key, f"{text!r} must be 1 to 63 {words}; write for example {example}")
    return text


def _python(head: Section, programs: Mapping[str, ProgramSource]) -> str:
    """The name of the runtime for the app's Python programs; "" if it has none."""
    known = known_runtimes()
    used = any(program.runtime == "python" for program in programs.values())
    if not used:
        if head.has("python"):
            raise head.error("python", "no program of this app is Python")
        return ""
    names = sorted(known, key=lambda name: (name != STANDARD_PYTHON, name))
    return cast(str, _choice(head, "python", tuple(names), STANDARD_PYTHON))


def _profile(head: Section, python: str) -> RuntimeProfile:
    profile = current_profile()
    if python:
        if head.has("nan_canonical"):
            raise head.error("nan_canonical", "it is always on in an app with Python programs")
        return known_runtimes()[python].release.profile
    return msgspec.structs.replace(profile, nan_canonical=head.flag("nan_canonical", False))


def _choice(section: Section, key: str, known: tuple[str, ...], default: str) -> Any:
    text = section.text(key, f'"{known[-1]}"', default)
    if text not in known:
        listed = ", ".join(f'"{word}"' for word in known if word)
        raise section.error(key, f"{text!r} is not known here; possible are {listed}")
    return text


def _runtime(head: Section) -> Runtime:
    return cast(Runtime, _choice(head, "runtime", tuple(READERS), "wasm"))


def _programs(path: Path, table: object, runtime: Runtime) -> dict[str, ProgramSource]:
    if not isinstance(table, dict) or not table:
        raise AppFileError(f"{path}: [programs] needs at least one section [programs.NAME]")
    if len(table) > PROGRAMS_MAX:
        raise AppFileError(f"{path}: {len(table)} programs are more than {PROGRAMS_MAX}")
    return {name: _program(path, name, entry, runtime) for name, entry in table.items()}


def _program(path: Path, name: str, table: object, runtime: Runtime) -> ProgramSource:
    section = Section(path, f"programs.{name}", table)
    if not _NAME.fullmatch(name):
        raise AppFileError(
            f"{path}: [programs.{name}]: a program's name is 1 to 63 lower-case letters, digits, -"
        )
    own = cast(Runtime, _choice(section, "runtime", tuple(READERS), runtime))
    if own in WALLED_BY_SYSTEM and own != runtime:
        raise section.error("runtime", f'"{own}" must be the runtime of the app, in [app], too')
    program = READERS[own](section, name)
    rule = read_validator(section)
    requires = read_requirements(section)
    section.close()
    return msgspec.structs.replace(program, validator=rule, requires=requires)


def _policy(path: Path, table: object) -> Policy:
    section = Section(path, "policy", table)
    default = Policy()
    values: dict[str, Any] = {}
    for field in Policy.__struct_fields__:
        usual = getattr(default, field)
        if field == "replication":
            values[field] = _choice(section, field, get_args(Replication), usual)
        elif isinstance(usual, float):
            values[field] = section.number(field, str(usual), usual)
        else:
            values[field] = section.integer(field, str(usual), usual)
    section.close()
    if "quorum" in section.table and "replicas" not in section.table:
        values["replicas"] = max(values["replicas"], values["quorum"])
    policy = Policy(**values)
    try:
        policy.check()
    except ValueError as error:
        raise AppFileError(f"{path}: [policy] {str(error).removeprefix('policy: ')}") from error
    return policy


def _split(path: Path, table: object, programs: Mapping[str, ProgramSource]) -> Split:
    section = Section(path, "split", table)
    split = Split(
        program=_program_name(section, programs),
        table=(
            app_file(section, "table", section.text("table", '"units.csv"'))
            if section.has("table")
            else None
        ),
        args=section.texts("args", '["{column}"]', []),
        inputs=_inputs(section),
        files=section.mapping("files", '{ "data.csv" = "{path}" }'),
        on_failure=_on_failure(section),
        known=section.text("known", '"{column}"', ""),
    )
    for name in split.files:
        _guest_name(section, "files", name)
        if name in split.inputs:
            raise section.error("files", f"{name!r} also stands in inputs; choose another name")
    section.close()
    return split


def _combine(path: Path, table: object, programs: Mapping[str, ProgramSource]) -> Combine:
    section = Section(path, "combine", table)
    placement = section.text("placement", '"server"', "server")
    if placement != "server":
        raise section.error(
            "placement", f'{placement!r} must be "server": combine steps run there, in the sandbox'
        )
    combine = Combine(
        program=_program_name(section, programs),
        args=section.texts("args", "[]", []),
        inputs=_inputs(section),
        placement="server",
    )
    section.close()
    return combine


def _program_name(section: Section, programs: Mapping[str, ProgramSource]) -> str:
    name = section.text("program", f'"{next(iter(programs))}"')
    if name not in programs:
        raise section.error(
            "program", f"there is no [programs.{name}]; there are: " + ", ".join(programs)
        )
    return name


def _inputs(section: Section) -> dict[str, Path]:
    """``inputs`` as a list of files, seen under their last name, or as {name = file}."""
    if not section.has("inputs"):
        return {}
    example = '["data/points.csv"] or { "points.csv" = "data/points.csv" }'
    if isinstance(section.table["inputs"], list):
        files = section.texts("inputs", example)
        pairs = [(Path(file).name, file) for file in files]
    else:
        pairs = list(section.mapping("inputs", example).items())
    if len(pairs) > INPUTS_MAX:
        raise section.error("inputs", f"{len(pairs)} files are more than {INPUTS_MAX}")
    found: dict[str, Path] = {}
    for name, file in pairs:
        _guest_name(section, "inputs", name)
        if name in found:
            raise section.error("inputs", f"two files would be seen as /in/{name}; rename one")
        found[name] = app_file(section, "inputs", file)
    return found


def _guest_name(section: Section, key: str, name: str) -> None:
    try:
        check_name(name)
    except ManifestError as error:
        raise section.error(key, str(error)) from error


def parse_on_failure(text: str) -> OnFailure | None:
    """``stop``, ``skip``, ``skip 10`` (units) or ``skip 5%`` (of all units); None if neither."""
    if text == "stop":
        return OnFailure("stop")
    match = _SKIP.fullmatch(text)
    if match is None:
        return None
    number, percent = match[1], match[2]
    if number is None:
        return OnFailure("skip")
    if not percent:
        return OnFailure("skip", max_units=int(number))
    return OnFailure("skip", max_share=int(number) / 100) if int(number) <= 100 else None


def _on_failure(section: Section) -> OnFailure:
    text = section.text("on_failure", '"stop"', "stop")
    policy = parse_on_failure(text)
    if policy is None:
        raise section.error(
            "on_failure", f'{text!r} must be "stop", "skip", "skip 10" (units) or "skip 5%"'
        )
    return policy


def _plot(path: Path, table: object) -> Mapping[str, Any]:
    section = Section(path, "plot", table)
    try:
        parse_plot(section.table)
    except PlotError as error:
        # "… - at `$.lines[0].y`" is how the reader of structures names a key
        raise AppFileError(f"{path}: [plot] {str(error).replace('`$.', '`')}") from error
    return section.table
