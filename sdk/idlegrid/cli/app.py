"""``idlegrid app``: make, build, test, sign and publish programs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args

import click
from nacl.signing import SigningKey

from idlegrid.app import App
from idlegrid.appfile import read_app
from idlegrid.build import build_app, compiler_is_warm
from idlegrid.built import BuiltProgram
from idlegrid.grid import Grid
from idlegrid.keys import key_path
from idlegrid.newapp import Language, write_new_app
from idlegrid.release import make_releases, release_body_hash, save_release, sign_release
from idlegrid.safepoint import Safepoints, check_safepoints
from idlegrid.submission import ensure_published

from .connection import project_option
from .passphrase import unlock
from .screen import Screen, json_option, pass_screen
from .trial import test_app

APP_FOLDER = click.Path(path_type=Path)


@click.group()
def app() -> None:
    """Make, build, test, sign and publish an app."""


app.add_command(test_app)


@app.command("build")
@click.argument("folder", type=APP_FOLDER, default=".")
@json_option
@pass_screen
def build(screen: Screen, folder: Path) -> None:
    """Compile the programs of the app in FOLDER to WebAssembly."""
    described = read_app(folder)
    built = build_with_spinner(screen, described)
    safepoints = look_for_safepoints(screen, described, built)
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
        "safepoints": safepoints,
    }
    lines = [_line(program) for program in built.values()]
    screen.result(data, "\n".join([*lines, *([safepoints.text] if safepoints else [])]))


def build_with_spinner(screen: Screen, described: App) -> dict[str, BuiltProgram]:
    """Build the app while something turns; the first build of a machine is slow and says so."""
    first = "" if compiler_is_warm() else " (the first build also makes the C library: a minute)"
    with screen.working("checking what is up to date") as say:
        return build_app(described, lambda text: say(text + first))


def look_for_safepoints(
    screen: Screen, described: App, built: Mapping[str, BuiltProgram]
) -> Safepoints | None:
    """Whether ``checkpoint = "auto"`` can work, by the first unit; None for other apps."""
    with screen.working("looking at the first unit (two minutes at most, once)") as say:
        return check_safepoints(described, built, say=say)


def publishing_key(
    screen: Screen, grid: Grid, path: Path, *, yes: bool
) -> Callable[[App], SigningKey]:
    """Opens the publisher's key once a person has agreed: a published version stays for ever."""

    def agree_and_open(described: App) -> SigningKey:
        screen.say(f"{described.name} {described.version} is not on {grid.url} yet")
        with screen.paused():
            if not yes and screen.asks:
                click.confirm("Sign and publish it?", default=True, abort=True, err=True)
            return unlock(path)

    return agree_and_open


def _tell_safepoints(screen: Screen, described: App, built: Mapping[str, BuiltProgram]) -> None:
    safepoints = look_for_safepoints(screen, described, built)
    if safepoints is not None:
        screen.say(safepoints.text)


def _line(program: BuiltProgram) -> str:
    state = "compiled" if program.compiled else "up to date"
    return f"{program.name}: {program.entry.bytes:,} bytes, {state}, {program.path}"


@app.command("new")
@click.argument("folder", type=APP_FOLDER)
@click.option(
    "--language",
    type=click.Choice(get_args(Language)),
    default="c",
    show_default=True,
    help="Of its programs.",
)
@json_option
@pass_screen
def new(screen: Screen, folder: Path, language: Language) -> None:
    """Write a small app that works into FOLDER."""
    name = write_new_app(folder, language)
    screen.result(
        {"app": name, "path": str(folder)},
        f"Wrote the app {name} to {folder}; try it: idlegrid run-local {folder}",
    )


@app.command("sign")
@click.argument("folder", type=APP_FOLDER, default=".")
@click.option("--key", type=APP_FOLDER, help="Another key than that of `idlegrid keys init`.")
@json_option
@pass_screen
def sign(screen: Screen, folder: Path, key: Path | None) -> None:
    """Build the app in FOLDER and sign it as a release with your publisher key."""
    described = read_app(folder)
    built = build_with_spinner(screen, described)
    _tell_safepoints(screen, described, built)
    releases = make_releases(described, built)
    opened = unlock(key or key_path())
    for release in releases:
        signed = sign_release(release, opened)
        path = save_release(described, signed)
        screen.result(
            {"path": str(path), "release": release_body_hash(release), "key": signed.key},
            f"Signed {release.app} {release.version} by key {signed.key[:16]}…: {path}",
        )


@app.command("publish")
@click.argument("folder", type=APP_FOLDER, default=".")
@project_option
@click.option("--key", type=APP_FOLDER, help="Another key than that of `idlegrid keys init`.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_screen
def publish(screen: Screen, folder: Path, grid: Grid, key: Path | None, yes: bool) -> None:
    """Build, sign and publish the app in FOLDER. Doing it again changes nothing."""
    described = read_app(folder)
    _tell_safepoints(screen, described, build_with_spinner(screen, described))
    key_for = publishing_key(screen, grid, key or key_path(), yes=yes)
    with screen.working("asking the project") as say:
        new = ensure_published(grid.api, described, key_for, say)
    text = "is published" if new else "was published already"
    screen.result(
        {"app": described.name, "version": described.version, "published": new},
        f"{described.name} {described.version} {text} on {grid.url}",
    )
