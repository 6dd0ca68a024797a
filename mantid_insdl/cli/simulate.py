"""What `insdl simulate` does: constant-energy slices, a cut or dispersion along a path, or a powder map; to a file and a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mantid_insdl import errors
from mantid_insdl.cli.options import (
    OptionError,
    check_ei,
    edges,
    intrinsic_width,
    momentum,
    optional_stage,
    refuse_overwriting,
    require_picture,
    require_positive,
    require_suffix,
)
from mantid_insdl.cli.pictures import save_picture
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU, Axis, Map, Slices
from mantid_insdl.materials import Material, load_material, parse_parameters, zener
from mantid_insdl.materials.relaxing import lower_order
from mantid_insdl.simulation.paths import MAX_POINTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mantid_insdl.cli.requests import SimulateRequest
    from mantid_insdl.instrument.resolution import ChopperSpectrometer
    from mantid_insdl.progress import Progress


def run(request: SimulateRequest) -> list[Path]:
    """Do it; return the files that were written."""
    from mantid_insdl.cli.console import progress_reporter

    _check(request)
    material = load_material(request.material)
    values = material.resolve(parse_parameters(", ".join(request.parameters or [])))
    in_order = zener.in_own_order(material, values)
    for remark in filter(None, [*material.remarks, zener.remark_on_order(material, values), lower_order(in_order, values)]):
        print(f"insdl: note: {remark}", file=sys.stderr)
    prepare = _path if request.path is not None else _powder if request.powder is not None else _slices
    simulate = prepare(request, in_order, values)
    with (
        optional_stage(request.output) as map_path,
        optional_stage(request.plot) as plot_path,
        progress_reporter(request.quiet) as progress,
    ):
        m, draw = simulate(progress)
        if map_path is not None and request.output is not None:
            from mantid_insdl.files import save

            save(m, map_path, name=request.output.stem)
        if plot_path is not None:
            save_picture(draw, plot_path)
    return request.outputs


# ---- options that do not go together


def _check(request: SimulateRequest) -> None:
    """Refuse options that contradict each other, before any work."""
    if not request.outputs:
        raise OptionError("there is nothing to write", "neither --output nor --plot is given", "give one or both")
    if request.output is not None:
        require_suffix(request.output, (".nxs", ".npz"), "--output")
    require_picture(request.plot)
    check_ei(request.ei)
    require_positive("--fwhm", request.fwhm, or_zero=request.intrinsic_fwhm is not None)
    intrinsic_width(request.intrinsic_fwhm)
    require_positive("--temperature", request.temperature, or_zero=True)
    _refuse_foreign(request)
    _check_component(request)
    if request.fwhm is not None and request.instrument is not None:
        raise OptionError("--fwhm cannot go with --instrument", "both give the energy width", "leave one of them out")
    if request.ellipsoids is not None and (request.instrument is not None or not request.resolution):
        raise OptionError("--ellipsoids cannot go with --instrument or --no-resolution", "each says how to broaden", "give one of them")
    if request.instrument is None and (request.chopper is not None or request.frequency is not None):
        raise OptionError("--chopper and --frequency are those of an instrument", fix="give --instrument as well")


def _refuse_foreign(request: SimulateRequest) -> None:
    """Refuse options of one kind of map with another."""
    kinds = {"--path": request.path, "--powder": request.powder, "--like": request.like}
    given = [name for name, value in kinds.items() if value is not None]
    if len(given) > 1:
        raise OptionError(f"{' and '.join(given)} cannot go together", "each says what to simulate", "give one of them")
    kind = given[0] if given else "--ei"
    own: dict[str, dict[str, Any]] = {
        "--path": {"--labels": request.labels, "--points": request.points, "--across": request.across or None},
        "--powder": {"--directions": request.directions},
        "--path and --powder": {"--fwhm": request.fwhm},
        "constant-energy slices": {
            "--qh": request.qh,
            "--qk": request.qk,
            "--counts": request.counts,
            "--background": request.background or None,
            "--no-resolution": None if request.resolution else True,
            "--ellipsoids": request.ellipsoids,
            "--beam": request.beam,
        },
    }
    mine = {"--path": ("--path", "--path and --powder"), "--powder": ("--powder", "--path and --powder")}.get(
        kind, ("constant-energy slices",)
    )
    for owner, options in own.items():
        for option, value in options.items():
            if value is not None and owner not in mine:
                about = kind if kind in ("--path", "--powder") else "constant-energy slices"
                raise OptionError(f"{option} cannot go with {about}", f"it is for {owner}", "leave one of them out")
    if kind in ("--path", "--powder"):
        if request.ei is not None and len(request.ei) > 1:
            raise OptionError(f"{kind} takes one --ei", f"it is given {len(request.ei)} times", "leave out the others")
    elif (request.like is None) == (request.ei is None):
        raise OptionError(
            "give either --like or --ei, or else --path or --powder",
            "a map needs its axes",
            "take them from a file, or give --ei, --energy, --qh and --qk",
        )
    if request.like is not None and (request.energy or request.qh or request.qk):
        raise OptionError("--like cannot go with --energy, --qh or --qk", "the axes come from the file", "leave one of them out")


def _check_component(request: SimulateRequest) -> None:
    from mantid_insdl.spinwave.polarisation import COMPONENTS

    if request.component not in COMPONENTS:
        raise OptionError(f"there is no --component {request.component}", f"known are {', '.join(COMPONENTS)}", "name one of these")
    if request.vertical is not None and (request.component not in ("yy", "zz") or request.powder is not None):
        raise OptionError("--vertical is for --component yy or zz of a single crystal", "it tells one from the other", "leave it out")
    if request.component in ("yy", "zz") and request.vertical is None and request.path is None and request.powder is None:
        raise OptionError(f"--component {request.component} needs --vertical", "it tells yy from zz", "give it, as --vertical 0,1,0")


def _spectrometer(request: SimulateRequest) -> ChopperSpectrometer | None:
    """The instrument that was asked for, if one was."""
    from mantid_insdl.instrument.resolution import load_instrument

    if request.instrument is None:
        return None
    try:
        found = load_instrument(request.instrument, chopper=request.chopper, frequency=request.frequency)
        for ei in request.ei or []:
            found.check(ei)
    except errors.InsdlError as error:
        raise OptionError(error.summary, error.reason, error.fix) from error
    return found


# ---- the three kinds of map


def _slices(request: SimulateRequest, material: Material, values: dict[str, float]) -> Any:
    place: dict[str, Any]
    if request.like is not None:
        refuse_overwriting([request.like], request.outputs)
        from mantid_insdl.files import load

        place = {"like": load(request.like)}
        for warning in place["like"].warnings:
            print(f"insdl: warning: {warning}", file=sys.stderr)
    else:
        place = {"slices": _windows(request.ei or [], request.energy)}
        place |= {name: _momentum_axis(name, text or "-1,0.05,1") for name, text in (("qh", request.qh), ("qk", request.qk))}
    view: dict[str, Any] = {}
    if (spectrometer := _spectrometer(request)) is not None:
        view["instrument"] = spectrometer
    if request.vertical is not None:
        view["vertical"] = momentum("--vertical", request.vertical)
    if request.beam is not None:
        view["beam"] = momentum("--beam", request.beam)

    def simulate(progress: Progress) -> tuple[Map, Any]:
        from mantid_insdl.plotting import plot_map
        from mantid_insdl.simulation.slices import simulate

        m = simulate(
            material,
            values,
            **place,
            **view,
            twins=request.twins,
            resolution=request.resolution if request.ellipsoids is None else request.ellipsoids,
            background=request.background,
            counts=request.counts,
            seed=request.seed,
            temperature=request.temperature,
            kf_over_ki=request.kf_ki,
            component=request.component,
            intrinsic_fwhm=intrinsic_width(request.intrinsic_fwhm),
            progress=progress,
        )
        return m, lambda: plot_map(m, title=material.title)

    return simulate


def _path(request: SimulateRequest, material: Material, values: dict[str, float]) -> Any:
    corners = [momentum("--path", part) for part in (request.path or "").replace(";", " ").split()]
    if len(corners) < 2:
        raise OptionError(f"--path '{request.path}' is no path", "it has two corners or more", 'write --path "0,0,0 0.5,0.5,0 0.5,0,0"')
    labels = None if request.labels is None else [label.strip() for label in request.labels.split(",")]
    if labels is not None and len(labels) != len(corners):
        raise OptionError(f"--labels has {len(labels)} names", f"the path has {len(corners)} corners", "give one for each, as G,M,X,G")
    points = 200 if request.points is None else request.points
    if not len(corners) <= points <= MAX_POINTS:
        raise OptionError(f"--points {points} does not suit this path", f"from {len(corners)} (its corners) to {MAX_POINTS} are possible")
    along: dict[str, Any] = {"corners": corners, "labels": labels, "points": points, "twins": request.twins, "component": request.component}
    if request.vertical is not None:
        along["vertical"] = momentum("--vertical", request.vertical)
    broadened = _broadening(request) if request.fwhm is not None or request.ei is not None else None
    if broadened is None:
        _refuse_without_width(request)
    across = [momentum("--across", width) for width in request.across or []]

    def simulate(progress: Progress) -> tuple[Map | None, Any]:
        from mantid_insdl.plotting import plot_cut, plot_dispersion
        from mantid_insdl.simulation.spectra import dispersion, simulate_cut

        m = None if broadened is None else simulate_cut(material, values, **along, across=across, **broadened, progress=progress)

        def draw() -> Figure:
            lines = dispersion(material, values, **along, progress=progress)
            return plot_dispersion(lines) if m is None else plot_cut(m, title=material.title, dispersion=lines)

        return m, draw

    return simulate


def _refuse_without_width(request: SimulateRequest) -> None:
    """Without an energy width there are lines, and no intensity against energy."""
    needing = {
        "--output": request.output,
        "--energy": request.energy,
        "--temperature": request.temperature or None,
        "--kf-ki": request.kf_ki or None,
        "--instrument": request.instrument,
        "--across": request.across or None,
        "--intrinsic-fwhm": request.intrinsic_fwhm,
    }
    for option, value in needing.items():
        if value is not None:
            raise OptionError(
                f"{option} needs the energy width of the cut",
                "without one only the lines of the dispersion can be drawn",
                "give --fwhm, or --ei for the width of the instrument",
            )


def _powder(request: SimulateRequest, material: Material, values: dict[str, float]) -> Any:
    lengths = edges("--powder", request.powder or "")
    if lengths[0] < 0:
        raise OptionError(f"--powder '{request.powder}' begins below zero", "it is |Q| in 1/angstrom", "write --powder 0.1,0.05,4")
    if request.fwhm is None and request.ei is None:
        raise OptionError("--powder needs the energy width", fix="give --fwhm, or --ei for the width of the instrument")
    broadened = _broadening(request)
    if request.directions is not None:
        broadened["directions"] = request.directions

    def simulate(progress: Progress) -> tuple[Map, Any]:
        from mantid_insdl.plotting import plot_map
        from mantid_insdl.simulation.spectra import simulate_powder

        q = Axis("q", PER_ANGSTROM, lengths, is_edges=True)
        m = simulate_powder(material, values, q=q, **broadened, component=request.component, progress=progress)
        return m, lambda: plot_map(m, title=material.title)

    return simulate


def _broadening(request: SimulateRequest) -> dict[str, Any]:
    """Energy axis, width, temperature and flux factor of a cut or a powder map."""
    ei = request.ei[0] if request.ei else None
    if request.energy is not None:
        values = edges("--energy", request.energy)
    elif ei is not None:
        values = np.linspace(0.0, 0.9 * ei, 181)
    else:
        raise OptionError("the energy axis is not given", fix="give --energy MIN,STEP,MAX in meV")
    if request.instrument is not None and ei is None:
        raise OptionError("--instrument needs --ei", "the energy width depends on it", "give it")
    if request.kf_ki and ei is None:
        raise OptionError("--kf-ki needs --ei", "kf follows from it", "give it")
    return {
        "energy": Axis("energy", MEV, values, is_edges=True),
        "ei": ei,
        "fwhm": request.fwhm,
        "intrinsic_fwhm": intrinsic_width(request.intrinsic_fwhm),
        "instrument": _spectrometer(request),
        "temperature": request.temperature,
        "kf_over_ki": request.kf_ki,
    }


def _windows(ei: list[float], energy: str | None) -> Slices:
    if energy is None:
        return Slices.from_bins(ei, [np.linspace(0.1, 0.7, 11) * one for one in ei])
    return Slices.from_bins(ei, [edges("--energy", energy)] * len(ei))


def _momentum_axis(name: str, text: str) -> Axis:
    return Axis(name, RLU, edges(f"--{name}", text), is_edges=True, label=name.capitalize())
