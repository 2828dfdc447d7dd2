"""``idlegrid runtime``: the interpreters of Python programs, on this machine."""

from pathlib import Path

import click

from idlegrid.python_runtime import fetch_runtime, make_bundle, runtime_folder, runtime_places
from idlegrid_shared.runtime.catalogue import KnownRuntime, known_runtimes

from .screen import Screen, json_option, pass_screen

NAME = click.Choice(sorted(known_runtimes()))


@click.group()
def runtime() -> None:
    """The interpreters of Python programs."""


@runtime.command("list")
@json_option
@pass_screen
def list_(screen: Screen) -> None:
    """Show the runtimes that this Idlegrid knows."""
    known = known_runtimes().values()
    data = [
        {
            "name": r.name,
            "version": r.release.version,
            "release": r.sha256,
            "bytes": sum(r.release.needs().values()),
            "here": _is_here(r),
        }
        for r in known
    ]
    lines = [
        f"{r.title}: {r.release.summary}; {sum(r.release.needs().values()):,} bytes, "
        + ("here" if _is_here(r) else f"not here (package {r.package.requirement})")
        for r in known
    ]
    screen.result(data, "\n".join(lines))


def _is_here(known: KnownRuntime) -> bool:
    return all((runtime_folder() / sha256).is_file() for sha256 in known.release.needs())


@runtime.command("get")
@click.argument("name", type=NAME, default="cpython")
@click.option(
    "--bundle", type=click.Path(path_type=Path), help="Take it from this file, not by pip."
)
@json_option
@pass_screen
def get(screen: Screen, name: str, bundle: Path | None) -> None:
    """Fetch the runtime NAME for `run-local`, which would also do it by itself."""
    known = known_runtimes()[name]
    with screen.working(f"fetching {known.title}") as say:
        if bundle is not None:
            fetch_runtime(known, bundle)
        runtime_places(name, say)
    screen.result({"name": name, "folder": str(runtime_folder())}, f"{known.title} is here")


@runtime.command("bundle")
@click.argument("name", type=NAME, default="cpython")
@click.option(
    "--out", type=click.Path(path_type=Path), help="The file to write  [default: NAME.runtime]"
)
@json_option
@pass_screen
def bundle(screen: Screen, name: str, out: Path | None) -> None:
    """Make one file of the runtime NAME, for `idlegrid-server runtime add`."""
    target = out or Path(f"{name}.runtime")
    with screen.working(f"fetching {known_runtimes()[name].title}"):
        make_bundle(known_runtimes()[name], target)
    screen.result(
        {"name": name, "path": str(target), "bytes": target.stat().st_size},
        f"Wrote {target}; add it to a project: idlegrid-server runtime add DIR {target}",
    )
