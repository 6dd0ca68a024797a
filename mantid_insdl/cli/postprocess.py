"""`insdl postprocess`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mantid_insdl.cli.options import OptionError, check_ei, require_positive, written_path


def postprocess(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE...]", show_default=False, help="Reduced files, each a run.")] = None,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", parser=written_path, help="Folder for the pages of the runs and their index.")
    ] = Path("insdl-runs"),
    watch: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Process the files of this folder as they come, each once, until stopped.")
    ] = None,
    steps: Annotated[str, typer.Option(metavar="STEP,STEP", help="map (read and draw), analyse (networks), fit (no network).")] = (
        "map,analyse"
    ),
    material: Annotated[
        str | None, typer.Option("--material", "-m", metavar="NAME|FILE", help="What was measured; several, with commas, are compared.")
    ] = None,
    ei: Annotated[float | None, typer.Option("--ei", metavar="MEV", help="Incident energy of files that do not tell it.")] = None,
    mask: Annotated[Path | None, typer.Option(metavar="FILE", help="Mask of detector gaps (.npz): these pixels are not used.")] = None,
    refine: Annotated[str, typer.Option(metavar="off|fast|full", help="As of insdl analyse.")] = "fast",
    time_limit: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds after which a fit is ended with the best so far, and it is said.")
    ] = None,
    title: Annotated[str, typer.Option(metavar="TEXT", help="Of the index, such as the number of the proposal.")] = "",
    together: Annotated[bool, typer.Option("--together", help="All files are one run: their slices make one stack.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The last line is JSON with the status and the files, as runners want it.")] = False,
    pattern: Annotated[
        str, typer.Option(metavar="NAME,NAME", help="Of a watched folder: names of the files, with * and ?.")
    ] = "*.nxspe,*.nxs,*.npz",
    interval: Annotated[float, typer.Option(metavar="S", help="Seconds between looks at a watched folder.")] = 10.0,
    settle: Annotated[float, typer.Option(metavar="S", help="A watched file is taken when it has not changed for as long.")] = 10.0,
    stop_after: Annotated[
        float | None, typer.Option(metavar="S", help="Stop watching after as many seconds with nothing to do; never by default.")
    ] = None,
    script: Annotated[bool, typer.Option("--script", help="Print a script for automated reduction that does this, and stop.")] = False,
) -> None:
    """Process reduced files: a page with pictures and numbers for each run, and an index of all runs.

    What can be done is done, and the rest is said on the page: without TensorFlow, for instance, the map is drawn and fitted. Errors are
    one line, SomethingError: message.

    [bold]Examples:[/bold]

      insdl postprocess MAP12345_Ei50meV.nxs -m pcsmo -o results

      insdl postprocess --watch /data/RB2010001/autoreduced -m rb2mnf4 --steps map,fit -o results --title RB2010001
    """
    from mantid_insdl import postprocessing
    from mantid_insdl.cli.exit_codes import exit_code
    from mantid_insdl.postprocessing.job import reported
    from mantid_insdl.postprocessing.processing import Options
    from mantid_insdl.postprocessing.processing import postprocess as run
    from mantid_insdl.postprocessing.watch import watch as run_watch

    if script:
        print((Path(postprocessing.__file__).parent / "reduce_and_analyse.py").read_text(encoding="utf-8"), end="")
        return

    def work() -> list[str]:
        check_ei(None if ei is None else [ei])
        for option, value in (("--time-limit", time_limit), ("--interval", interval)):
            require_positive(option, value)
        require_positive("--settle", settle, or_zero=True)
        if bool(files) == (watch is not None):
            said = "files do not go with --watch" if files else "no file is given"
            raise OptionError(said, "one of the two says what to process", "name files, or a folder with --watch")
        chosen: dict[str, Any] = {"material": material, "ei": ei, "mask": mask and str(mask)}
        chosen |= {"refine": refine, "time_limit": time_limit, "title": title}
        if watch is None:
            return run(files or [], output, steps=steps, together=together, **chosen)
        if together:
            raise OptionError("--together does not go with --watch", "each file that comes is a run", "leave it out")
        run_watch(
            watch, output, Options.checked(steps=steps, **chosen), pattern=pattern, interval=interval, settle=settle, stop_after=stop_after
        )
        return []

    for name in reported(work, status=exit_code, as_json=json):
        if not json:
            print(output / name)
