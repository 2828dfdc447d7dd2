"""``idlegrid app``: make, build, sign and publish programs."""

from pathlib import Path

import click

from idlegrid.app import App
from idlegrid.appfile import read_app
from idlegrid.build import BuiltProgram, build_app, compiler_is_warm

from .screen import Screen, json_option, pass_screen

APP_FOLDER = click.Path(path_type=Path)


@click.group()
def app() -> None:
    """Make, build, sign and publish an app."""


@app.command("build")
@click.argument("folder", type=APP_FOLDER, default=".")
@json_option
@pass_screen
def build(screen: Screen, folder: Path) -> None:
    """Compile the programs of the app in FOLDER to WebAssembly."""
    described = read_app(folder)
    built = build_with_spinner(screen, described)
    data = {
        "app": described.name,
        "version": described.version,
        "programs": [
            {
                "name": program.name,
                "path": str(program.path),
                "sha256": program.entry.sha256,
                "bytes": program.entry.bytes,
                "compiled": program.compiled,
            }
            for program in built.values()
        ],
    }
    screen.result(data, "\n".join(_line(program) for program in built.values()))


def build_with_spinner(screen: Screen, described: App) -> dict[str, BuiltProgram]:
    """Build the app while something turns; the first build of a machine is slow and says so."""
    if screen.json:
        return build_app(described)
    first = "" if compiler_is_warm() else " (the first build also makes the C library: a minute)"
    with screen.err.status("checking what is up to date") as status:
        return build_app(described, lambda text: status.update(text + first))


def _line(program: BuiltProgram) -> str:
    state = "compiled" if program.compiled else "up to date"
    return f"{program.name}: {program.entry.bytes:,} bytes, {state}, {program.path}"
