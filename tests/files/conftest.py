"""Shared test data and small builders of files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU, Axis, Map, Slices

SHARED = Path(__file__).parents[2] / "../shared/data"


@pytest.fixture
def shared():
    """Finds a file of the shared measured data, or skips."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.is_file():
            pytest.skip(f"the shared data file {name} is not here")
        return path

    return find


@pytest.fixture
def mantid_files() -> Path:
    """The folder of the files that Mantid itself has written; its README says what they hold."""
    return Path(__file__).parents[1] / "data/mantid_files"


@pytest.fixture
def slices_map() -> Map:
    rng = np.random.default_rng(3)
    intensity = rng.gamma(2.0, 3.0, (3, 5, 7))
    intensity[1, 2, 3] = np.nan
    return Map(
        intensity,
        (Axis("qh", RLU, np.linspace(-1, 1, 6), is_edges=True), Axis("qk", RLU, np.linspace(0, 1.2, 7))),
        error=np.sqrt(rng.gamma(2.0, 3.0, intensity.shape)),
        slices=Slices([35.0, 50.0, np.nan], [5.0, 8.0, 11.0], [8.0, 11.0, 14.0]),
        intensity_unit="mb/sr/meV",
        material="pcsmo",
        frame="pseudo-tetragonal cell",
        title="A title, Å",
        provenance=("first; with = signs", "second\nline"),
        logs={"run_number": ("12345", ""), "temperature": (4.5, "K"), "count": (7, ""), "field": (np.array([0.0, 1.5]), "T")},
    )


@pytest.fixture
def powder_map() -> Map:
    intensity = np.random.default_rng(4).normal(3.0, 1.0, (6, 8))
    intensity[0, -1] = np.nan
    axes = (Axis("q", PER_ANGSTROM, np.linspace(0.5, 3.5, 7), is_edges=True), Axis("energy", MEV, np.linspace(-4, 12, 9), is_edges=True))
    return Map(intensity, axes, error=np.full((6, 8), 0.3), ei=20.0)


@pytest.fixture
def cut_map() -> Map:
    axes = (Axis("path", RLU, np.linspace(0, 0.5, 6), label="[H,H,0]"), Axis("energy", MEV, np.linspace(0, 10, 6), is_edges=True))
    h = np.linspace(0, 0.5, 6)
    return Map(np.random.default_rng(5).random((6, 5)), axes, ei=15.0, path=np.stack([h, h, 0 * h], axis=1))


@pytest.fixture
def processed(tmp_path):
    """Writes a minimal processed NeXus file: arrays, axes (values, unit, caption, label), logs, further datasets."""

    def write(values, x, vertical, *, errors=None, logs=None, name="test.nxs", extra=None, unit_label="Intensity") -> Path:
        path = tmp_path / name
        with h5py.File(path, "a") as file:
            entry = file.create_group(f"mantid_workspace_{len(file) + 1}")
            entry.attrs["NX_class"] = np.bytes_("NXentry")
            node = entry.create_group("workspace")
            node["values"] = np.asarray(values, float)
            node["values"].attrs["unit_label"] = np.bytes_(unit_label)
            if errors is not None:
                node["errors"] = np.asarray(errors, float)
            for key, (axis_values, unit, *caption) in (("axis1", x), ("axis2", vertical)):
                node[key] = axis_values
                node[key].attrs["units"] = np.bytes_(unit) if unit else np.array(b"", "S1")
                for attribute, text in zip(("caption", "label"), caption, strict=False):
                    node[key].attrs[attribute] = np.bytes_(text) if text else np.array(b"", "S1")
            for key, value in (extra or {}).items():
                node[key] = value
            for key, (value, unit) in (logs or {}).items():
                log = entry.create_group(f"logs/{key}")
                log.attrs["NX_class"] = np.bytes_("NXlog")
                log["value"] = np.atleast_1d(np.bytes_(value) if isinstance(value, str) else value)
                if unit:
                    log["value"].attrs["units"] = np.bytes_(unit)
        return path

    return write
