"""What the commands with many options ask for: each option once, with its type, default and help. Cheap to import."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from mantid_insdl.cli.options import written_path

Request = TypeVar("Request")

MeasuredFiles = Annotated[
    list[Path], typer.Argument(metavar="FILE...", show_default=False, help="NeXus (.nxs), NXSPE, MDHisto or .npz files.")
]
OutputFolder = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", parser=written_path, help="Folder for the results; made where it does not exist.")
]
EiOption = Annotated[list[float] | None, typer.Option("--ei", metavar="MEV", help="Incident energy in meV; may be repeated.")]
SelectOption = Annotated[
    str | None, typer.Option(metavar="N,N-M", help="Use only these slices, numbered from 1 in the order of the files.")
]
MaskOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Mask of detector gaps (.npz): these pixels are not used.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def asked_for(request: type[Request]) -> Callable[[Callable[[Request], None]], Callable[..., None]]:
    """Makes a command of a function of one request: its arguments and options are the fields of that dataclass."""
    hints = get_type_hints(request, include_extras=True)
    asked = [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if one.default is MISSING else one.default,
            annotation=hints[one.name],
        )
        for one in fields(request)  # type: ignore[arg-type]
    ]

    def decorated(run: Callable[[Request], None]) -> Callable[..., None]:
        def command(**given: Any) -> None:
            run(request(**given))

        command.__name__, command.__doc__ = run.__name__, run.__doc__
        command.__signature__ = inspect.Signature(asked)  # type: ignore[attr-defined]
        return command

    return decorated


@dataclass(frozen=True, kw_only=True)
class FitRequest:
    """What `insdl fit` is asked; None where an option was not given."""

    files: MeasuredFiles
    materials: Annotated[
        list[str],
        typer.Option("--material", "-m", metavar="NAME|FILE", help="A material by name or file (.yaml). Several are compared: -m A B."),
    ]
    output: OutputFolder = Path("insdl-fit")
    start: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Start a parameter there.")] = None
    fix: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Do not fit this parameter, or width, blur, flux or twin of the measurement."),
    ] = None
    effort: Annotated[str, typer.Option(metavar="fast|full", help="full: more starts; blur and twin fraction are fitted, too.")] = "fast"
    time_limit: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds after which the best so far is the answer, and it is said.")
    ] = None
    constant_background: Annotated[
        bool, typer.Option("--constant-background", help="No terms in |Q|^2 and energy in the background of each Ei.")
    ] = False
    ei: EiOption = None
    select: SelectOption = None
    mask: MaskOption = None
    fwhm: Annotated[float | None, typer.Option(metavar="MEV", help="Energy width of a cut or powder map, to begin with.")] = None
    intrinsic_fwhm: Annotated[
        str | None,
        typer.Option(metavar="A[,B,...]", help="Lorentzian full width of the modes in meV, A + B E + ...: as given, it is not fitted."),
    ] = None
    instrument: Annotated[str | None, typer.Option(metavar="NAME", help="Whose energy width it is; MAPS by default.")] = None
    temperature: Annotated[float, typer.Option(metavar="K", min=0, help="Times the Bose factor n(E) + 1.")] = 0.0
    beam: Annotated[str | None, typer.Option(metavar="H,K,L", help="Momentum along the incident beam, for slices.")] = None
    quiet: Quiet = False


@dataclass(frozen=True, kw_only=True)
class SimulateRequest:
    """What `insdl simulate` is asked; None where an option was not given."""

    material: Annotated[str, typer.Option("--material", "-m", help="rb2mnf4, pcsmo-goodenough, pcsmo-dimer, or a material file.")]
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", parser=written_path, help="The map as a file: .nxs (Mantid) or .npz.")
    ] = None
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", parser=written_path, help="The map as a picture (.png, .pdf or .svg).")
    ] = None
    parameters: Annotated[
        list[str] | None, typer.Option("--set", "-s", metavar="NAME=VALUE", help="A parameter; others keep the material's value.")
    ] = None
    ei: EiOption = None
    energy: Annotated[
        str | None,
        typer.Option(
            metavar="MIN,STEP,MAX",
            help="Energy bins in meV. By default, of slices: for every Ei ten from 0.1 Ei to 0.7 Ei; of a path or powder: up to 0.9 Ei.",
        ),
    ] = None
    qh: Annotated[str | None, typer.Option(metavar="MIN,STEP,MAX", help="Qh bins, r.l.u.; -1,0.05,1 by default.")] = None
    qk: Annotated[str | None, typer.Option(metavar="MIN,STEP,MAX", help="Qk bins, r.l.u.; -1,0.05,1 by default.")] = None
    like: Annotated[Path | None, typer.Option(metavar="FILE", help="Take axes, slices, Ei and mask from this map.")] = None
    path: Annotated[
        str | None, typer.Option(metavar='"H,K,L H,K,L ..."', help="A cut along a path: its corners in r.l.u.; fractions may be 1/3.")
    ] = None
    labels: Annotated[str | None, typer.Option(metavar="A,B,...", help="Names of the corners; G or Gamma becomes the Greek letter.")] = None
    points: Annotated[int | None, typer.Option(metavar="N", min=2, help="Momenta along the path, 200 by default.")] = None
    across: Annotated[
        list[str] | None,
        typer.Option(metavar="H,K,L", help="Full width across the path that a cut is averaged over; up to two, each with --across."),
    ] = None
    powder: Annotated[str | None, typer.Option(metavar="MIN,STEP,MAX", help="The map of a powder: |Q| bins in 1/angstrom.")] = None
    directions: Annotated[int | None, typer.Option(metavar="N", min=1, help="Momenta in each |Q| bin, 12000 by default.")] = None
    fwhm: Annotated[float | None, typer.Option(metavar="MEV", help="Energy width of a path or powder, in place of the instrument's.")] = (
        None
    )
    intrinsic_fwhm: Annotated[
        str | None,
        typer.Option(metavar="A[,B,...]", help="Lorentzian full width of the modes themselves in meV, A + B E + ... of their energy E."),
    ] = None
    instrument: Annotated[str | None, typer.Option(metavar="NAME", help="Whose energy width it is; MAPS by default.")] = None
    chopper: Annotated[str | None, typer.Option(metavar="NAME", help="Chopper of the instrument, in place of its usual one.")] = None
    frequency: Annotated[float | None, typer.Option(metavar="HZ", help="Frequency of that chopper.")] = None
    temperature: Annotated[float, typer.Option(metavar="K", min=0, help="Times the Bose factor n(E) + 1.")] = 0.0
    kf_ki: Annotated[bool, typer.Option("--kf-ki/--no-kf-ki", help="Times kf / ki, as a detector counts.")] = False
    component: Annotated[str, typer.Option(metavar="NAME", help="perp, or for polarised neutrons xx, yy, zz or chiral.")] = "perp"
    vertical: Annotated[
        str | None, typer.Option(metavar="H,K,L", help="Vertical of the spectrometer, which tells yy from zz. Of a path 0,0,1 by default.")
    ] = None
    beam: Annotated[str | None, typer.Option(metavar="H,K,L", help="Momentum along the incident beam, for slices.")] = None
    counts: Annotated[
        float | None, typer.Option(metavar="N", min=1, help="Number of detected neutrons in the slices: adds counting noise and errors.")
    ] = None
    background: Annotated[float, typer.Option(min=0, help="Flat background of the slices, in the unit of the map.")] = 0.0
    seed: Annotated[int, typer.Option(min=0, help="Seed of the counting noise.")] = 0
    twins: Annotated[bool, typer.Option(help="Average over the twins of the crystal.")] = True
    resolution: Annotated[bool, typer.Option(help="Broaden slices with the resolution of the spectrometer.")] = True
    ellipsoids: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Table of resolution ellipsoids (.npz), in place of the spectrometer's width.")
    ] = None
    quiet: Quiet = False

    @property
    def outputs(self) -> list[Path]:
        return [path for path in (self.output, self.plot) if path is not None]


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """What `insdl plan` is asked; None where an option was not given."""

    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", show_default=False, help="Measured slices: .nxs, NXSPE, MDHisto or .npz.")
    ]
    materials: Annotated[
        list[str],
        typer.Option("--material", "-m", metavar="NAME|FILE", help="What it may be; several times for models that are to be told apart."),
    ]
    candidates: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What could be measured (.yaml); by default a grid of incident energies.")
    ] = None
    constants: Annotated[
        str | None, typer.Option(metavar="J,D,...", help="Of one material: those whose error bars are to shrink; all by default.")
    ] = None
    hours: Annotated[
        list[float] | None, typer.Option(metavar="H", help="How long the map took at each incident energy, rising; once for all of them.")
    ] = None
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE.json", parser=written_path, help="The plan as JSON.")] = (
        None
    )
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", parser=written_path, help="The plan as a picture (.png, .pdf or .svg).")
    ] = None
    ei: EiOption = None
    select: SelectOption = None
    mask: MaskOption = None
    instrument: Annotated[str | None, typer.Option(metavar="NAME", help="With which the map was measured; MAPS by default.")] = None
    chopper: Annotated[str | None, typer.Option(metavar="NAME", help="Chopper of the instrument, in place of its usual one.")] = None
    frequency: Annotated[float | None, typer.Option(metavar="HZ", help="Frequency of that chopper.")] = None
    temperature: Annotated[float, typer.Option(metavar="K", min=0, help="Of the sample: intensity times n(E) + 1.")] = 0.0
    beam: Annotated[str | None, typer.Option(metavar="H,K,L", help="Momentum along the incident beam.")] = None
    quiet: Quiet = False

    @property
    def outputs(self) -> list[Path]:
        return [path for path in (self.output, self.plot) if path is not None]
