"""The command line, `insdl`."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from mantid_insdl import errors
from mantid_insdl._version import __version__
from mantid_insdl.cli.exit_codes import EXIT_BROKEN_PIPE, EXIT_FAULT, EXIT_INTERRUPTED, exit_code
from mantid_insdl.cli.installation import add_commands
from mantid_insdl.cli.measured import ANSWERS_FOR
from mantid_insdl.cli.options import OptionError, refuse_overwriting, spread_materials, written_path
from mantid_insdl.cli.postprocess import postprocess
from mantid_insdl.cli.requests import (
    EiOption,
    FitRequest,
    MaskOption,
    MeasuredFiles,
    OutputFolder,
    PlanRequest,
    Quiet,
    SelectOption,
    SimulateRequest,
    asked_for,
)
from mantid_insdl.errors import printable

if TYPE_CHECKING:
    from mantid_insdl.analysis import Analysis
    from mantid_insdl.maps import Map

# Heavy modules (numpy, h5py, matplotlib, TensorFlow) are imported inside the commands: `insdl --help` must be quick.


class _InsdlGroup(TyperGroup):
    """All commands: turns every exception into one sentence and an exit code, and takes `--debug` anywhere on the line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        before, separator, after = _split(args)
        ctx.obj = {"debug": "--debug" in before}
        return super().parse_args(ctx, [a for a in before if a != "--debug"] + separator + after)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, Exception) as error:
            if isinstance(error, typer.Abort) or hasattr(error, "exit_code"):  # typer's own ways out
                raise
            if ctx.obj["debug"]:
                traceback.print_exc()
            raise typer.Exit(_explain(error)) from error


class FitCommand(TyperCommand):
    """`insdl fit`, whose --material takes several names or material files after it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread_materials(args))


def _split(args: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Arguments before `--`, the `--`, and those after it."""
    if "--" not in args:
        return args, [], []
    where = args.index("--")
    return args[:where], ["--"], args[where + 1 :]


def _explain(error: BaseException) -> int:
    """Say in one sentence on standard error what went wrong; return the exit code."""
    if isinstance(error, KeyboardInterrupt):
        print("insdl: interrupted, no result was written.", file=sys.stderr)
        return EXIT_INTERRUPTED
    if isinstance(error, errors.TensorFlowMissingError):  # INSDL_PYTHON is for Mantid: here the networks run in this process
        error = errors.TensorFlowMissingError(error.summary, error.reason, 'install it there with `pip install "mantid_insdl[cpu]"`')
    if isinstance(error, errors.InsdlError):
        print(f"insdl: error: {_one_line(error)}", file=sys.stderr)
        return exit_code(error)
    if isinstance(error, BrokenPipeError):  # the reader of a pipe, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    if isinstance(error, MemoryError):
        print("insdl: error: The memory is used up; give a smaller map or fewer slices.", file=sys.stderr)
        return EXIT_FAULT
    print(
        f"insdl: error: Unexpected {type(error).__name__}: {_one_line(error)}. This is a fault of insdl {__version__}: "
        "please run again with --debug and send the developers what it prints (README, section Help).",
        file=sys.stderr,
    )
    return EXIT_FAULT


def _one_line(error: BaseException) -> str:
    return printable(" ".join(str(error).split()))


app = typer.Typer(
    name="insdl",
    cls=_InsdlGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 fault of insdl, 2 wrong options, 3 unreadable file, 4 unsuitable map, 5 wrong material or parameters, "
    "6 model bundle or recipe, 7 output not writable, 8 TensorFlow, Mantid, Qt or the configuration, 9 a run not processed, "
    "130 interrupted.",
)
models_app = typer.Typer(rich_markup_mode="rich")
app.add_typer(models_app, name="models")
add_commands(app)
app.command()(postprocess)


def _print_version(value: bool) -> None:
    if value:
        print(f"insdl {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and stop.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error. May stand anywhere on the line.")] = False,
) -> None:
    """Which magnet is this? Deep learning on inelastic neutron scattering maps.

    A map of neutron intensity against momentum and energy goes in; out come the denoised map, the magnetic model it shows, the exchange
    constants with their errors, and the pixels that decided.

    [bold]Try it:[/bold]

      insdl demo

    [bold]Your own map:[/bold]

      insdl analyse slices.nxs --material pcsmo --output out

    [bold]What would a magnet look like:[/bold]

      insdl simulate --material rb2mnf4 --ei 25 --output map.nxs --plot map.png
    """


@app.command()
def demo(
    output: OutputFolder = Path("insdl-demo"),
    quiet: Quiet = False,
) -> None:
    """Analyse a shipped example: a [bold]simulated[/bold] measurement of PCSMO with noise and detector gaps.

    [bold]Example:[/bold]

      insdl demo --output demo
    """
    from mantid_insdl import examples

    _run_analysis([examples.path()], output, quiet, load=examples.load, refine="fast", truth=(examples.MATERIAL, examples.PARAMETERS))


@app.command()
def analyse(
    files: MeasuredFiles,
    *,
    material: Annotated[str, typer.Option("--material", "-m", help=f"What was measured: {ANSWERS_FOR}.")],
    output: OutputFolder = Path("insdl-out"),
    ei: EiOption = None,
    select: SelectOption = None,
    mask: MaskOption = None,
    refine: Annotated[
        str, typer.Option(metavar="off|fast|full", help="A fit of the spin waves from the network's constants; off for these alone.")
    ] = "fast",
    quiet: Quiet = False,
) -> None:
    """Denoise a map, say which magnetic model it shows, fit its exchange constants, and show which pixels decided.

    The constants are a network's first, and then those of a fit that starts from them: both are shown.

    Several files become one stack of slices. --ei is needed for files that do not tell their incident energy: once for all of them, or
    once for each.

    [bold]Examples:[/bold]

      insdl analyse slices.nxs --material pcsmo

      insdl analyse ei25.nxs ei50.nxs ei100.nxs --ei 25 --ei 50 --ei 100 -m pcsmo -o out

      insdl analyse measured.npz --mask detector_gaps.npz -m pcsmo -o out

      insdl analyse slices.nxs --select 2-10,12 -m rb2mnf4
    """
    from mantid_insdl.analysis.refinement import EFFORTS
    from mantid_insdl.cli.measured import check_ei_of_files, check_material, read_measured

    check_material(material)
    check_ei_of_files(ei, files)
    if refine not in EFFORTS:
        raise OptionError(f"--refine '{refine}' is not known", f"it is {', '.join(EFFORTS)}", "give one of these")

    def load() -> Map:
        return read_measured(files, ei=ei, material=material, mask=mask, select=select)

    _run_analysis([*files, *([mask] if mask else [])], output, quiet, load=load, refine=refine)


@app.command(cls=FitCommand)
@asked_for(FitRequest)
def fit(request: FitRequest) -> None:
    """Fit the spin waves of any magnet to a map: no network, only a material. With two or more materials, say which one the map shows.

    Slices, a cut or a powder map. A scale and a background of each Ei, the energy width and a power of kf/ki are fitted, too.

    [bold]Examples:[/bold]

      insdl fit map.nxs -m rb2mnf4 -o out

      insdl fit cut.npz -m my-magnet.yaml --start J1=29 --fix D=0

      insdl fit measured.npz --mask detector_gaps.npz -m pcsmo-goodenough pcsmo-dimer
    """
    from rich.console import Console

    from mantid_insdl.cli.fit import run
    from mantid_insdl.cli.fit_text import print_fit_report

    print_fit_report(run(request), Console(highlight=False))
    print(f"\nResults are in {request.output}")


@app.command()
def explain(
    files: MeasuredFiles,
    *,
    material: Annotated[str, typer.Option("--material", "-m", help=f"What was measured: {ANSWERS_FOR}.")],
    view: Annotated[
        list[str] | None,
        typer.Option("--view", metavar="NAME", help="A view, see below; may be repeated. grad-cam by default."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All views, three minutes on two cores.")] = False,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Classifier or exchange model, by its name or path.")] = None,
    target: Annotated[
        str | None, typer.Option(metavar="NAME", help="The class (the most probable by default), or the constant: what fixes JF2?")
    ] = None,
    layer: Annotated[str | None, typer.Option(metavar="NAME", help="Layer to look at; the last convolution by default.")] = None,
    output: OutputFolder = Path("insdl-explain"),
    ei: EiOption = None,
    select: SelectOption = None,
    mask: MaskOption = None,
    quiet: Quiet = False,
) -> None:
    """Show why a network says what it says of a map, and whether each view of it can be believed.

    Views: cam, grad-cam, grad-cam++, integrated-gradients, occlusion-slice and occlusion-patch tell which pixels decided; activations and
    weights what is in the network; neurons and maximisation what drives it; codes and atlas where the map lies among the training maps;
    physicist where the models differ; between what would change its mind.

    Written are pictures, importance maps, explain.json, and report.html with all of it, which any browser opens.

    [bold]Examples:[/bold]

      insdl explain slices.nxs -m pcsmo

      insdl explain measured.npz --mask detector_gaps.npz -m pcsmo --all -o why

      insdl explain slices.nxs -m pcsmo --model pcsmo-goodenough-exchange --target JF2
    """
    from mantid_insdl.cli.explain import Request, run

    run(Request(files, material, view, everything, model, target, layer, output, ei, select, mask, quiet))
    print(f"Results are in {output}")


@app.command()
@asked_for(SimulateRequest)
def simulate(request: SimulateRequest) -> None:
    """Simulate the map of a magnet by linear spin-wave theory: constant-energy slices, a cut along a path, or a powder.

    Slices need --ei or --like. A path or powder needs an energy width, --fwhm or --ei; a path without one is drawn as lines.

    [bold]Examples:[/bold]

      insdl simulate -m rb2mnf4 --set J1=0.65 --set J2=0.012 --ei 10 --energy 1,0.5,7 -o map.nxs --plot map.png

      insdl simulate -m pcsmo-dimer --like measured.nxs --counts 200000 -o dimer.nxs

      insdl simulate -m rb2mnf4 --path "0,0,0 0.5,0.5,0 0.5,0,0 0,0,0" --labels G,M,X,G --plot dispersion.png

      insdl simulate -m rb2mnf4 --powder 0.1,0.05,4 --ei 12 --temperature 5 --plot powder.png
    """
    from mantid_insdl.cli.simulate import run

    for written in run(request):
        print(written)


@app.command()
@asked_for(PlanRequest)
def plan(request: PlanRequest) -> None:
    """What to measure next: candidates ranked by what an hour of each is expected to add to a map of constant-energy slices.

    With two materials or more: how well they are told apart, whichever is true. With one: how much the error bars of its constants shrink.
    The family of a material stands for all its models.

    [bold]Examples:[/bold]

      insdl plan measured.npz --mask detector_gaps.npz -m pcsmo-goodenough -m pcsmo-dimer --plot plan.png

      insdl plan slices.nxs -m rb2mnf4 --constants D --hours 6 -o plan.json

      insdl plan slices.nxs -m my-magnet.yaml --candidates next.yaml --hours 6
    """
    from mantid_insdl.cli.plan import run

    for written in run(request):
        print(written)


@app.command()
def panel(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE...]", show_default=False, help="Files to open, as one map.")] = None,
) -> None:
    """Open the panel: map, denoising, models, exchange constants and simulation by mouse.

    It works on the workspaces of Mantid where Mantid can be imported, else on files. It needs Qt: pip install "mantid_insdl[panel]".

    [bold]Example:[/bold]

      insdl panel slices.nxs
    """
    from mantid_insdl.interfaces import show

    show([str(file) for file in files or []])


@app.command("material")
def material_summary(
    name: Annotated[
        str | None, typer.Argument(metavar="MATERIAL", show_default=False, help="Name of a material, or a material file (.yaml).")
    ] = None,
    *,
    parameters: Annotated[
        list[str] | None, typer.Option("--set", "-s", metavar="NAME=VALUE", help="A parameter; others keep the material's value.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", parser=written_path, help="Draw the magnetic structure (.png, .pdf or .svg).")
    ] = None,
    relax: Annotated[
        bool, typer.Option("--relax", help="With the order of lowest classical energy that is found, in place of the stated one.")
    ] = False,
    quantum: Annotated[
        bool, typer.Option("--quantum", help="Also zero-point energy and moments, and renormalised energies, to first order in 1/S.")
    ] = False,
    cif: Annotated[
        Path | None, typer.Option("--from", metavar="FILE.cif", help="Write a first material file out of a CIF file, magnetic or not.")
    ] = None,
    up_to: Annotated[
        float | None, typer.Option("--up-to", metavar="A", help="With --from: length of the longest bonds in angstrom, 6 by default.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="NAME.yaml",
            parser=written_path,
            help="With --from: the new file; else it is printed. With --relax: that of the relaxed material, with the values of --set.",
        ),
    ] = None,
) -> None:
    """Print what is understood of a material: spins, bonds, energy, stability. Or write a first material file out of a CIF file.

    [bold]Examples:[/bold]

      insdl material pcsmo-goodenough --plot structure.png

      insdl material my-magnet.yaml --set J1=0.7

      insdl material my-magnet.yaml --set B=12 --relax --output flopped.yaml

      insdl material --from magnet.mcif --output my-magnet.yaml
    """
    from mantid_insdl.cli.material import print_summary, write_draft

    if (name is None) == (cif is None):
        raise OptionError("insdl material needs a MATERIAL or --from FILE.cif", "it has neither or both", "give one of them")
    if cif is not None:
        if parameters or plot or relax or quantum:
            raise OptionError(
                "--set, --plot, --relax and --quantum go with a MATERIAL", "--from makes one", "run insdl material again with the new file"
            )
        write_draft(cif, up_to, output)
        return
    if up_to is not None:
        raise OptionError("--up-to goes with --from", "a summary is printed", "leave it out")
    if output is not None and not relax:
        raise OptionError(
            "--output writes a new material file: a relaxed one with --relax, a first one with --from FILE.cif",
            "neither is given",
            "give one of them, or leave --output out",
        )
    print_summary(name or "", parameters or [], plot, relax=relax, quantum=quantum, output=output)


@models_app.callback(invoke_without_command=True)
def _models(ctx: typer.Context) -> None:
    """The trained models: list them, read their cards, verify them.

    [bold]Examples:[/bold]

      insdl models

      insdl models card pcsmo-classifier

      insdl models verify
    """
    if ctx.invoked_subcommand is None:
        _list_models()


@models_app.command("list")
def models_list() -> None:
    """List the trained models with what they answer."""
    _list_models()


@models_app.command("card")
def models_card(
    name: Annotated[str, typer.Argument(help="Name of a model, or the folder of a bundle.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as it is stored.")] = False,
) -> None:
    """Show the card of a model: what it answers, how it was trained and tested, and its limitations."""
    from rich.console import Console

    from mantid_insdl.cli.report_text import print_card
    from mantid_insdl.networks.bundles import load_bundle

    card = load_bundle(name).card
    if as_json:
        print(card.model_dump_json(indent=2))
    else:
        print_card(card, Console(highlight=False))


@models_app.command("verify")
def models_verify(name: Annotated[str | None, typer.Argument(help="Name of a model; all of them by default.")] = None) -> None:
    """Check that the files of the models are complete and unaltered."""
    from mantid_insdl.networks.bundles import bundle_names, verify_bundle

    wrong = 0
    for one in [name] if name else bundle_names():
        problems = verify_bundle(one)
        print(f"{one}: {'; '.join(problems) if problems else 'complete and unaltered'}", file=sys.stderr if problems else sys.stdout)
        wrong += bool(problems)
    if wrong:
        raise errors.BundleError(f"{wrong} of the model bundles cannot be used", "see above", "install mantid_insdl again")


@app.command()
def train(
    recipe: Annotated[str | None, typer.Argument(help="Name of a shipped recipe, or a recipe file; without it they are listed.")] = None,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", parser=written_path, help="Folder of the new bundle; by default the name of the recipe."
        ),
    ] = None,
    data: Annotated[
        Path,
        typer.Option(
            metavar="DIR", parser=written_path, help="Folder for the simulated training maps, which recipes share; they are kept."
        ),
    ] = Path("training-data"),
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers simulate (tcp://host:8786); by default this machine."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A tiny training that only shows that everything runs.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train a model from a recipe and write its bundle: weights, and a card with test figures.

    [bold]Examples:[/bold]

      insdl train

      insdl train pcsmo-classifier --output my-classifier
    """
    from mantid_insdl.cli.console import progress_reporter
    from mantid_insdl.output import check_new_folder
    from mantid_insdl.training.recipes import load_recipe, recipe_names

    if recipe is None:
        for name in recipe_names():
            described = load_recipe(name)
            print(f"{name}: {described.answers} Takes {described.duration}.")
        return
    described = load_recipe(recipe)
    output = output or Path(described.name)
    check_new_folder(output)
    with progress_reporter(quiet) as progress:
        from mantid_insdl.training.train import train as run

        print(run(described, output, quick=quick, data_folder=data, scheduler=scheduler, progress=progress))


def _run_analysis(
    inputs: list[Path], output: Path, quiet: bool, *, load: Any, refine: str, truth: tuple[str, dict[str, float]] | None = None
) -> None:
    """Load, analyse, write everything to `output`, and print the report: the body of `analyse` and `demo`."""
    from rich.console import Console

    from mantid_insdl import report
    from mantid_insdl.cli.console import progress_reporter
    from mantid_insdl.cli.report_text import print_report
    from mantid_insdl.output import staged_folder
    from mantid_insdl.progress import share_of

    started = time.monotonic()
    refuse_overwriting(inputs, [output / name for name in report.RESULT_FILES])
    with staged_folder(output, report.RESULT_FILES, last=report.REPORT_FILE) as folder:
        with progress_reporter(quiet) as progress:
            progress(0.0, "reading the map")
            m: Map = load()
            progress(0.02, "loading the networks")
            from mantid_insdl.analysis import analyse as run

            result: Analysis = run(m, refine=refine, progress=share_of(progress, 0.02, 0.8))
            names = report.write_maps_and_pictures(folder, result, progress=share_of(progress, 0.8, 1.0))
        finished = report.build_report(
            result, inputs=inputs, seconds=time.monotonic() - started, truth=truth, files=[*names, report.PAGE_FILE]
        )
        report.write_page(folder, finished)
        (folder / report.REPORT_FILE).write_text(finished.model_dump_json(indent=2) + "\n", encoding="utf-8")
    print_report(finished, Console(highlight=False))
    print(f"\nResults are in {output}")


def _list_models() -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    from mantid_insdl.networks.bundles import bundle_names, load_bundle

    console = Console(highlight=False)
    for name in bundle_names():
        card = load_bundle(name).card
        console.print(Text.assemble((card.name, "bold"), f" {card.version} ({card.task}, {card.family})"))
        console.print(Padding(Text(card.answers), (0, 0, 0, 2), expand=False))


def _terminated(*_: Any) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def main() -> None:
    """Run the command line; a termination signal cleans up as Ctrl-C does."""
    from mantid_insdl.cli.console import print_anywhere

    print_anywhere()
    signal.signal(signal.SIGTERM, _terminated)
    app(prog_name="insdl")


if __name__ == "__main__":
    main()
