"""Does an app with ``checkpoint = "auto"`` come to a host call often enough to be saved at it?

Only a run can tell, so the first unit of the app's own table is run when the app is built: to its
end if it is short, else for a bounded while. What was found is kept beside the module.
"""

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from idlegrid_shared.sandbox.job import GapTrial, Outcome
from idlegrid_shared.seeds import SEED_TEXT, batch_seed

from .app import App
from .built import BuiltProgram, Say
from .fault import BuildError, TableError
from .instrument import INSTEAD
from .local_unit import Step, step_order, unit_step
from .place import build_folder, cache_folder
from .table import PlannedUnit, UnitTable
from .way import CRANELIFT, run_way

#: A program that goes longer without a host call cannot be saved in time when its machine stops.
GAP_S_MAX = 60.0
#: Of a long unit only so much is run, in processor seconds, and what a gap at its end may take.
TRIAL_S = 60.0


class Safepoints(msgspec.Struct, frozen=True):
    """What the first unit showed; ``text`` says it to people.

    ``checked``: it was run and did not fail. ``gap_s``: its longest way without a host call.
    ``cpu_s``: so much of it was run, to its end if ``whole``. All in processor seconds.
    """

    checked: bool
    text: str
    gap_s: float = 0.0
    cpu_s: float = 0.0
    whole: bool = False


class _Kept(msgspec.Struct, frozen=True):
    """Beside the module: what was found, and for what."""

    fingerprint: str
    found: Safepoints


def check_safepoints(
    app: App, built: Mapping[str, BuiltProgram], *, table: Path | None = None, say: Say = None
) -> Safepoints | None:
    """Run the first unit of ``table`` (else of the app's own); None if the app needs no safepoints.

    Raises :class:`BuildError` when the unit goes longer than :data:`GAP_S_MAX` without one, and
    ``IdlegridError`` when this machine is at fault. Where no unit can be run the text says so.
    """
    if app.checkpoint != "auto":
        return None
    name = app.split.program
    try:
        listed = UnitTable(app, table)
        unit = next(listed.units())
    except TableError as error:
        return _unchecked(f"there is no unit to run ({error})")
    kept = build_folder(app.folder) / f"{name}.safepoints.json"
    fingerprint = _fingerprint(app, built[name], unit)
    known = _read(kept, fingerprint)
    if known is not None:
        return known
    if say is not None:
        say(f"looking in the first unit for long ways of {name} without a host call")
    with tempfile.TemporaryDirectory(prefix="idlegrid-safepoints-") as out:
        seed = batch_seed(app.name, app.version, SEED_TEXT)
        step = unit_step(app, listed.files.by_hash, 0, unit, seed, Path(out))
        found = _judge(name, _run(app, built, step))
    if found.checked:
        kept.write_bytes(msgspec.json.encode(_Kept(fingerprint, found)))
    return found


def _run(app: App, built: Mapping[str, BuiltProgram], step: Step) -> Outcome:
    order = step_order(app, built, step, cache_folder() / "modules")
    return run_way(order, CRANELIFT, gap_trial=GapTrial(gap_s_max=GAP_S_MAX, time_s=TRIAL_S))


def _judge(name: str, outcome: Outcome) -> Safepoints:
    gap_s, cpu_s = outcome.gap_s, outcome.cpu_s
    if gap_s > GAP_S_MAX:
        raise BuildError(
            f'checkpoint = "auto" cannot work here: the first unit of {name} went {gap_s:.3g} s '
            f"without a host call, and it can only be saved at one; at most {GAP_S_MAX:g} s are "
            f"allowed. Call idlegrid_safepoint() in its long loops, or {INSTEAD}"
        )
    whole = outcome.reason == "ok"
    if not whole and outcome.reason != "killed":
        return _unchecked(f"the first unit failed: {outcome.message}")
    run = f"the whole of it, {cpu_s:.3g} s" if whole else f"of which {cpu_s:.3g} s were run"
    text = (
        f'checkpoint = "auto": the longest way of the first unit without a host call took '
        f"{gap_s:.2g} s of {GAP_S_MAX:g} ({run})"
    )
    return Safepoints(True, text, gap_s, cpu_s, whole)


def _unchecked(why: str) -> Safepoints:
    return Safepoints(
        checked=False,
        text=f'checkpoint = "auto" was not checked: {why}; a program that goes longer than '
        f"{GAP_S_MAX:g} s without a host call cannot be saved. `idlegrid app test` with a table "
        "of units (--table) tells",
    )


def _fingerprint(app: App, program: BuiltProgram, unit: PlannedUnit) -> str:
    """Changes with the module, the unit and the limits; of shared inputs, with name and date."""
    shared = [
        (name, str(path), path.stat().st_size, path.stat().st_mtime_ns)
        for name, path in sorted(app.split.inputs.items())
    ]
    limits = app.programs[app.split.program].limits
    facts = (program.entry.sha256, limits, unit, shared, GAP_S_MAX, TRIAL_S)
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()


def _read(path: Path, fingerprint: str) -> Safepoints | None:
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
    except (OSError, msgspec.DecodeError):
        return None
    return kept.found if kept.fingerprint == fingerprint else None
