r"""What the bins of powder maps and cuts hold, where the answer is known."""

import numpy as np
import pytest

from mantid_insdl.errors import InstabilityError
from mantid_insdl.maps import Axis
from mantid_insdl.materials import Material
from mantid_insdl.simulation.spectra import simulate_cut, simulate_powder

CUBE = Material.model_validate(
    {
        "name": "cube",
        "title": "Simple cubic ferromagnet",
        "family": "cube",
        "sources": ["none"],
        "parameters": [{"name": "J", "value": -10.0, "low": -20.0, "high": 0.0, "description": "nearest neighbours"}],
        "cell": {"a": 1.0, "b": 1.0, "c": 1.0},
        "sites": [{"label": "a", "positions": [[0, 0, 0]], "spin": 1.0, "direction": [0, 0, 1]}],
        "bonds": [{"parameter": "J", "distance": 1.0}],
        "map": {"cell": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "frame": "the cube"},
    }
)


def place(energy):
    r"""\|Q\| of the mode at an energy: E = 2 S \|J\| (3 - sum cos) = 10 Q^2 (1 - Q^2 / 20) or so at small Q."""
    return np.sqrt(energy / 10 * (1 + energy / 200))


@pytest.mark.parametrize("axis", [([0.1, 0.5], False), ([0.0, 0.3, 0.7], True)])
def test_the_lowest_bin_begins_at_zero(axis):
    """Points 0.1 and 0.5 have the edges -0.1, 0.3 and 0.7: there is no \\|Q\\| below 0. Intensity is even over a bin of \\|Q\\|."""
    energy = Axis("energy", "meV", [0.001, 0.225, 0.5, 0.9, 2.5, 4.85], is_edges=True)
    powder = simulate_powder(CUBE, q=Axis("q", "1/angstrom", *axis), energy=energy, fwhm=0.0, directions=4000)
    seen = powder.intensity * np.diff(energy.edges)
    for row, (low, high) in zip(seen, ((0.0, 0.3), (0.3, 0.7)), strict=True):
        reach = np.clip(place(energy.edges), low, high)
        assert row == pytest.approx(2 / 3 * np.diff(reach) / (high - low), abs=0.006)


@pytest.mark.parametrize("fwhm", [0.8, lambda energy: 0.02 * energy])
def test_width_of_a_line(fwhm):
    energy = Axis("energy", "meV", np.linspace(30, 50, 401), is_edges=True)
    cut = simulate_cut(CUBE, corners=[[0.5, 0, 0], [0.5, 0, 0.001]], points=2, energy=energy, fwhm=fwhm)  # 2 S |J| 2 = 40 meV
    weight = cut.intensity / cut.intensity.sum(axis=1, keepdims=True)
    mean = weight @ energy.centres
    assert mean == pytest.approx(40.0, abs=0.01)
    assert weight @ energy.centres**2 - mean**2 == pytest.approx((0.8 / np.sqrt(8 * np.log(2))) ** 2, rel=0.01)


def test_worst_momentum_of_an_unstable_magnet_is_named():
    energy = Axis("energy", "meV", [1.0, 2.0], is_edges=True)
    with pytest.raises(InstabilityError, match=r"\(h, k, l\) = \[0\.5, 0\.5, 0\.5\]"):
        simulate_cut(CUBE, {"J": 2.0}, corners=[[0.1, 0, 0], [0.5, 0.5, 0.5], [0.6, 0.2, 0]], points=9, energy=energy, fwhm=0.5)


def test_mask_is_where_no_neutron_goes():
    q, energy = Axis("q", "1/angstrom", np.linspace(0.05, 4.65, 24)), Axis("energy", "meV", np.linspace(-2, 9, 23), is_edges=True)
    powder = simulate_powder(CUBE, q=q, energy=energy, ei=10.0, directions=10)
    ki, kf = np.sqrt(10 / 2.0721), np.sqrt((10 - energy.centres) / 2.0721)
    expected = (q.centres[:, None] < np.abs(ki - kf)) | (q.centres[:, None] > ki + kf)
    np.testing.assert_array_equal(powder.mask, expected)
    assert expected[0].any() and expected[-1].any() and not expected[0].all()
