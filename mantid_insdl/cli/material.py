"""`insdl material`: what is understood of a material, or a first material file out of a CIF file."""

from __future__ import annotations

from pathlib import Path

from mantid_insdl.cli.options import optional_stage, require_picture, require_positive, require_suffix
from mantid_insdl.materials import load_material, parse_parameters
from mantid_insdl.materials.draft import draft
from mantid_insdl.materials.picture import plot_structure
from mantid_insdl.materials.summary import summarise
from mantid_insdl.output import new_file


def print_summary(name: str, parameters: list[str], plot: Path | None) -> None:
    """Print the summary of a material, and draw its structure where `plot` names a picture."""
    require_picture(plot)
    described = load_material(name)
    values = parse_parameters(", ".join(parameters))
    print(summarise(described, values))
    if plot is not None:
        with optional_stage(plot) as plot_path:
            plot_structure(described, values).savefig(plot_path)
        print(plot)


def write_draft(cif: Path, up_to: float | None, output: Path | None) -> None:
    """Write a first material file out of a CIF file, or print it where `output` is None."""
    require_positive("--up-to", up_to)
    if output is None:
        print(draft(cif, reach=up_to), end="")
        return
    require_suffix(output, (".yaml", ".yml"), "--output")
    with new_file(output) as path:
        path.write_text(draft(cif, reach=up_to, folder=output.parent, name=output.stem), encoding="utf-8")
    print(output)
