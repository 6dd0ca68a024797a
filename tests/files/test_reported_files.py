"""Files of situations that users have reported (tests/data/cases, each with a README): what is right for each."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from mantid_insdl import load
from mantid_insdl.errors import MapError
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU

CASES = Path(__file__).parents[1] / "data" / "cases"


def signal(name):
    with h5py.File(CASES / name / "a.nxs") as file:
        return file["MDHistoWorkspace/data/signal"][()]


def test_unit_id_of_the_energy():
    m = load(CASES / "mdhisto-unit-deltae" / "a.nxs")
    np.testing.assert_allclose(m.slices.energy_min, np.arange(5, 35, 3))
    np.testing.assert_array_equal(m.slices.ei, 50)
    np.testing.assert_array_equal(m.intensity, signal("mdhisto-unit-deltae")[:, 0].transpose(0, 2, 1))


def test_unit_ids_of_a_powder():
    m = load(CASES / "mdhisto-unit-deltae-powder" / "a.nxs")
    assert [(a.name, a.unit) for a in m.axes] == [("q", PER_ANGSTROM), ("energy", MEV)]
    np.testing.assert_array_equal(m.intensity, signal("mdhisto-unit-deltae-powder").T)
    assert m.ei == 50


def test_falling_energies():
    m = load(CASES / "mdhisto-descending" / "a.nxs")
    np.testing.assert_allclose(m.slices.energy_min, np.arange(5, 35, 3))
    np.testing.assert_array_equal(m.intensity, signal("mdhisto-descending")[::-1].transpose(0, 2, 1))
    assert any("were turned" in line for line in m.provenance)


def test_cut_along_the_diagonal():
    m = load(CASES / "mdhisto-hh0-cut" / "a.nxs")
    assert (m.kind, m.shape, m.axes[0].unit) == ("cut", (40, 10), RLU)
    centres = np.linspace(-0.975, 0.975, 40)
    np.testing.assert_allclose(m.path, np.stack([centres, centres, 0 * centres], axis=1), atol=1e-12)
    np.testing.assert_array_equal(m.intensity, signal("mdhisto-hh0-cut")[:, 0, 0].T)


def test_a_plane_with_l_says_what_can_be_done():
    words = r"plane of H and K, and \[0,0,L\] and \[H,H,0\] leave it; integrate over one of the two for a cut"
    with pytest.raises(MapError, match=words):
        load(CASES / "mdhisto-hhl-plane" / "a.nxs")


def test_sentinels_are_as_nan(tmp_path):
    path = CASES / "npz-sentinel" / "sentinel.npz"
    arrays = dict(np.load(path))
    gone = arrays["intensity"] < -1e10
    assert gone.mean() == pytest.approx(0.194, abs=0.001)
    np.savez(tmp_path / "nan.npz", **(arrays | {"intensity": np.where(gone, np.nan, arrays["intensity"])}))
    m, right = load(path), load(tmp_path / "nan.npz")
    np.testing.assert_array_equal(m.mask, gone)
    np.testing.assert_array_equal(m.intensity, right.intensity)
    np.testing.assert_array_equal(m.error, right.error)
    assert right.warnings == ()
    assert m.warnings[0].startswith("19.4% of the pixels (9317) were masked")
