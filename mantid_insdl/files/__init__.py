"""Reading and writing maps: Mantid's processed NeXus, NXSPE, MDHisto (SaveMD) and npz."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mantid_insdl.errors import FileFormatError, InsdlError, MapError, printable
from mantid_insdl.maps import Map
from mantid_insdl.untrusted.reading import Origin, open_regular

__all__ = ["load", "save"]

_KINDS = "Mantid processed NeXus, NXSPE, SaveMD (MDHisto) or npz"


def load(
    path_or_paths: str | Path | Sequence[str | Path],
    *,
    ei: float | None = None,
    material: str | None = None,
    mask: str | Path | np.ndarray | None = None,
) -> Map:
    """Read a map from a file, or one stack of constant-energy slices from several.

    The kind of file is found from its contents, not from its name: Mantid processed NeXus (a single workspace or a group of
    slices), NXSPE (reduced to \\|Q\\|-E by polygon rebinning), SaveMD of an MDHistoWorkspace, and npz (see
    `mantid_insdl.files.npz`).

    Parameters
    ----------
    path_or_paths
        A file, or several whose slices share their axes.
    ei
        Incident energy in meV, for files that do not say it.
    material
        Name of the material; overrides the file's.
    mask : bool array of the map's shape, or path of an npz file
        Pixels to mask besides the file's own. An npz file has an array ``gap`` or ``mask`` (True = masked) and, for slices of
        several incident energies, ``ei``, by which they are matched.

    Returns
    -------
    Map
        With the file named in its provenance.

    Raises
    ------
    FileFormatError
        A file that is missing, unreadable, truncated or of an unknown kind.
    MapError, UnitError
        Contents that are no map.
    """
    paths = [path_or_paths] if isinstance(path_or_paths, str | Path) else list(path_or_paths)
    if not paths:
        raise FileFormatError("no file is given", fix="give at least one")
    from mantid_insdl.files.workspace_layout import check_group

    m = check_group([_load_one(Path(path), ei, material, find_gaps=mask is None) for path in paths])
    if mask is not None:
        from mantid_insdl.files.npz import with_mask_of

        m = with_mask_of(m, mask)
    if np.all(m.mask):
        raise MapError(f"'{Path(paths[0]).name}' has no usable pixel", "every intensity is NaN or masked", "check the file and the mask")
    if m.slices is not None and (beyond := m.slices.beyond_ei()):
        what, why, fix = beyond
        raise MapError(f"in '{Path(paths[0]).name}' {what}", why, fix)
    return m if material is None else _with_material(m, material)


def save(m: Map, path: str | Path, *, name: str = "") -> Path:
    """Write a map as a processed NeXus file that Mantid loads, or as npz where `path` ends in .npz.

    See `mantid_insdl.files.nexus_processed.write` and `mantid_insdl.files.npz.write`. The file appears only when complete.

    Raises
    ------
    OutputError
        The folder is missing or cannot be written to.
    """
    from mantid_insdl.files import nexus_processed, npz

    if Path(path).suffix.lower() == ".npz":
        return npz.write(m, path)
    return nexus_processed.write(m, path, name=name)


def _with_material(m: Map, material: str) -> Map:
    """The map with the user's material, and a warning where the file names another, neither its family nor of its family."""
    if m.material in (None, "", material):
        return m.replace(material=material)
    from mantid_insdl.materials import load_material

    def names(one: str) -> set[str]:
        try:
            return {one, load_material(one).family}
        except InsdlError:  # the name of a family, or of a material that this package does not know
            return {one}

    warning = f"The file says that it is of {m.material}; it is taken for {material}, as you asked."
    contradicts = m.material not in names(material) and material not in names(m.material)
    return m.replace(material=material, warnings=(*m.warnings, warning) if contradicts else m.warnings)


def _load_one(path: Path, ei: float | None, material: str | None, *, find_gaps: bool) -> Map:
    reader = _reader(path, material, find_gaps)
    try:
        m = reader(path, ei=ei)
    except FileFormatError:
        raise
    except MemoryError as error:
        raise FileFormatError(f"cannot read '{path.name}'", "it needs more memory than there is", "give a smaller map") from error
    except InsdlError as error:  # says what is wrong with the contents, not in which file
        raise type(error)(f"'{path.name}' cannot be used: {error.summary}", error.reason, error.fix) from error
    return m.replace(provenance=(*m.provenance, f"read from '{printable(path.name)}'"))


def _reader(path: Path, material: str | None, find_gaps: bool) -> Callable[..., Map]:
    """The `read` function for the file's kind, found from its first bytes and, for HDF5, its groups."""
    try:
        with open_regular(path, Origin(f"'{path}'", FileFormatError, "give a file that you may read")) as file:
            start = file.read(512)
    except FileNotFoundError:
        raise FileFormatError(f"'{path}' does not exist", "no file has that name", "check the path") from None
    if not start:
        raise FileFormatError(f"'{path.name}' is empty", "it has no contents", "copy or write the file again")
    if start.startswith(b"PK"):
        from mantid_insdl.files import npz

        return functools.partial(npz.read, find_gaps=find_gaps)
    if not start.startswith(b"\x89HDF\r\n\x1a\n"):
        kind = "text" if all(byte in b"\t\n\r\f" or 32 <= byte < 127 for byte in start) else "of an unknown kind"
        raise FileFormatError(f"'{path.name}' is no map", f"it is {kind}", f"give {_KINDS}")
    return _hdf5_reader(path, material)


def _hdf5_reader(path: Path, material: str | None) -> Callable[..., Map]:
    from mantid_insdl.files import mdhisto, nexus_processed, nxspe
    from mantid_insdl.files._hdf5 import groups, open_hdf5

    with open_hdf5(path) as file:
        if nexus_processed.entries(file):
            return nexus_processed.read
        if nxspe.entry(file) is not None:
            return nxspe.read
        top = groups(file)
        if "MDHistoWorkspace" in top:
            return functools.partial(mdhisto.read, material=material)
        if "MDEventWorkspace" in top:
            raise FileFormatError(
                f"'{path.name}' holds MD events and no map", "events have no pixels yet", "bin them in Mantid with BinMD, then SaveMD"
            )
        found = ", ".join(f"'{name}'" for name in list(top)[:3]) or "nothing"
        if any("raw" in name or "entry" in name for name in top):
            fix = "reduce raw data in Mantid first, and save the map"
        else:
            fix = f"give {_KINDS}"
        raise FileFormatError(f"'{path.name}' is HDF5 but no map", f"it holds {found}", fix)
