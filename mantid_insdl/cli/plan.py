"""What `insdl plan` does: candidates ranked on the screen, as JSON and as a picture."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mantid_insdl import errors
from mantid_insdl.cli.measured import check_ei_of_files, read_measured
from mantid_insdl.cli.options import (
    OptionError,
    momentum,
    optional_stage,
    refuse_overwriting,
    require_picture,
    require_positive,
    require_suffix,
)
from mantid_insdl.cli.pictures import save_picture
from mantid_insdl.fitting.calculation import Measurement
from mantid_insdl.instrument.resolution import load_instrument
from mantid_insdl.materials import Material, load_material, material_names, name_for_reading

if TYPE_CHECKING:
    from rich.console import Console

    from mantid_insdl.cli.requests import PlanRequest
    from mantid_insdl.fitting.plan import Plan, Ranked
    from mantid_insdl.maps import Map

SHOWN = 20
"""Candidates on the screen; the JSON file has all."""


def run(request: PlanRequest) -> list[Path]:
    """Do it; return the files that were written."""
    from rich.console import Console

    from mantid_insdl.cli.console import progress_reporter
    from mantid_insdl.fitting.plan import plan

    measurement = _check(request)
    materials = _materials(request.materials)
    for remark in dict.fromkeys(remark for one in materials or [] for remark in one.remarks):
        print(f"insdl: note: {remark}", file=sys.stderr)
    with (
        optional_stage(request.output) as plan_path,
        optional_stage(request.plot) as plot_path,
        progress_reporter(request.quiet) as progress,
    ):
        progress(0.0, "reading the map")
        m = _read(request)
        try:
            made = plan(
                m,
                materials,
                candidates=request.candidates,
                constants=None if request.constants is None else [name.strip() for name in request.constants.split(",")],
                hours=request.hours[0] if request.hours is not None and len(request.hours) == 1 else request.hours,
                measurement=measurement,
                progress=progress,
            )
        except errors.InsdlError as error:
            if type(error) is not errors.InsdlError:
                raise
            raise OptionError(error.summary, error.reason, error.fix) from error  # candidates, hours or instruments that were asked for
        if plan_path is not None:
            plan_path.write_text(json.dumps(made.to_dict(), indent=2) + "\n", encoding="utf-8")
        if plot_path is not None:
            from mantid_insdl.plotting import plot_plan

            save_picture(lambda: plot_plan(made), plot_path)
    print_plan(made, Console(highlight=False))
    return request.outputs


def _check(request: PlanRequest) -> Measurement:
    """Refuse options that make no sense, before any work."""
    if request.output is not None:
        require_suffix(request.output, (".json",), "--output")
    require_picture(request.plot)
    check_ei_of_files(request.ei, request.files)
    for hours in request.hours or []:
        require_positive("--hours", hours)
    require_positive("--temperature", request.temperature, or_zero=True)
    inputs = [*request.files, *(path for path in (request.mask, request.candidates) if path is not None)]
    refuse_overwriting(inputs, request.outputs)
    if request.instrument is None and (request.chopper is not None or request.frequency is not None):
        raise OptionError("--chopper and --frequency are those of an instrument", fix="give --instrument as well")
    try:
        instrument = request.instrument and load_instrument(request.instrument, chopper=request.chopper, frequency=request.frequency)
    except errors.InsdlError as error:
        raise OptionError(error.summary, error.reason, error.fix) from error
    beam = None if request.beam is None else momentum("--beam", request.beam)
    return Measurement(instrument, None, request.temperature, beam)


def _materials(names: list[str]) -> list[Material] | None:
    """Those named; None for a family by its name, whose models are all meant."""
    families = {load_material(one).family for one in material_names()}
    if len(names) == 1 and names[0] in families - set(material_names()):
        return None
    return [load_material(one) for one in names]


def _read(request: PlanRequest) -> Map:
    named = name_for_reading(request.materials[0])
    return read_measured(request.files, ei=request.ei, material=named, mask=request.mask, select=request.select)


# ---- on the screen


def print_plan(made: Plan, console: Console) -> None:
    """The ranking as a table, and what to keep in mind."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    shown, best, unit = made.ranked[:SHOWN], made.best, {"hours": "hour", "map times": "map time"}[made.time_unit]
    separate = made.goal == "separate"
    what = "To tell apart " + " and ".join(made.materials) if separate else f"For {', '.join(made.constants)} of {made.materials[0]}"
    console.print(Text(f"{what}, measure next at Ei = {best.candidate.ei:g} meV: {best.setting}", style="bold"))
    several_settings, several_times = (len({getattr(one, name) for one in made.ranked}) > 1 for name in ("setting", "hours"))
    cases = [chr(ord("A") + number) for number in range(len(best.gains))] if separate else list(made.constants)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("", "Ei (meV)", "windows (meV)", *cases, "time pays", f"per {unit}"):
        table.add_column(column, justify="right", no_wrap=True)
    if several_times:
        table.add_column(f"{unit}s", justify="right")
    if several_settings:
        table.add_column("setting")
    for number, one in enumerate(shown, 1):
        row = [str(number), f"{one.candidate.ei:g}{'*' if one.measured else ' '}", _windows(one), *_cells(made, one)]
        row += [f"{min(gain.pays for gain in one.gains.values()):.0%}", f"{one.worth:.3g}"]
        row += [f"{one.hours:g}"] * several_times + [one.setting] * several_settings
        table.add_row(*row, style="bold" if number == 1 else "")
    console.print(table)
    notes = [f"and {len(made.ranked) - SHOWN} more"] if len(made.ranked) > SHOWN else []
    notes += ["* counts on what has been measured there"] if any(one.measured for one in shown) else []
    if separate:
        notes += [f"{case}: if {name}" for case, name in zip(cases, best.gains, strict=True)]
        notes.append("each: gain of log-likelihood of the true model on the other, refitted, and in brackets in standard errors")
    else:
        notes.append("constants: error bar afterwards over error bar now")
    notes.append("time pays: part of the variance that longer counting lowers")
    notes.append(f"per {unit}: {'the least gain' if separate else 'mean logarithm by which error bars shrink'}, by which they are ranked")
    for note in notes:
        console.print(Text(note, style="dim"))
    for remark in made.remarks:
        console.print(Padding(Text(f"- {remark}"), (0, 0, 0, 2), expand=False))


def _cells(made: Plan, one: Ranked) -> list[str]:
    """Of each case or constant."""
    if made.goal == "separate":
        return [f"{gain.amount:.3g} ({gain.deviations:.1f})" for gain in one.gains.values()]
    (gain,) = one.gains.values()
    return [f"{(gain.factors or {})[name]:.2f}" for name in made.constants]


def _windows(one: Ranked) -> str:
    low, high = one.slices.energy_min, one.slices.energy_max
    return f"{low.min():.3g} to {high.max():.3g}, {low.size}"
