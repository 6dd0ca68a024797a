"""`insdl material`: what is understood of a material, its relaxed order, or a first material file out of a CIF file."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from mantid_insdl.cli.options import optional_stage, require_picture, require_positive, require_suffix
from mantid_insdl.cli.pictures import save_picture
from mantid_insdl.materials import load_material, parse_parameters
from mantid_insdl.materials.draft import draft
from mantid_insdl.materials.picture import plot_structure
from mantid_insdl.materials.quantum import describe_corrections
from mantid_insdl.materials.relaxing import material_text, relaxed_material
from mantid_insdl.materials.summary import summarise
from mantid_insdl.output import new_file


def print_summary(
    name: str, parameters: list[str], plot: Path | None, *, relax: bool = False, quantum: bool = False, output: Path | None = None
) -> None:
    """Print the summary of a material, and draw its structure where `plot` names a picture.

    With `relax` it is that of its order of lowest energy, which is written to the new file `output` where one is named; with `quantum` the
    corrections to linear spin-wave theory follow.
    """
    require_picture(plot)
    if output is not None:
        require_suffix(output, (".yaml", ".yml"), "--output")
    described = load_material(name)
    values = parse_parameters(", ".join(parameters))
    with optional_stage(plot) as plot_path, nullcontext() if output is None else new_file(output) as written:
        found = None
        if relax:
            found = relaxed_material(described, values)
            described, values = found.material, {}
        print(summarise(described, values))
        if found is not None:
            print(f"\n{found.describe()}")
        if quantum:
            print(f"\n{describe_corrections(described, values)}")
        if plot_path is not None:
            save_picture(lambda: plot_structure(described, values), plot_path)
        if written is not None and output is not None:
            written.write_text(material_text(described, output.absolute().parent), encoding="utf-8")
    for path in (plot, output):
        if path is not None:
            print(path)


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
