"""Counts, backgrounds, twins and derivatives of simulated slices, where the answer is known."""

import numpy as np
import pytest

from mantid_insdl.errors import MapError
from mantid_insdl.maps import Axis, Slices
from mantid_insdl.simulation.slices import SliceSimulator, simulate

QH, QK = (Axis(name, "r.l.u.", np.linspace(-1, 1, 21), is_edges=True) for name in ("qh", "qk"))
SLICES = Slices([20.0, 20.0, 20.0], [2.0, 3.0, 8.0], [3.0, 6.0, 9.0])  # no mode of Rb2MnF4 is above 7 meV


@pytest.mark.parametrize("seed", range(3))
def test_counted_pixels_are_whole_neutrons_in_proportion_to_the_window(seed):
    counts = 5000.0
    expected = simulate("rb2mnf4", slices=SLICES, qh=QH, qk=QK, resolution=False, background=0.02)
    m = simulate("rb2mnf4", slices=SLICES, qh=QH, qk=QK, resolution=False, background=0.02, counts=counts, seed=seed)
    width = np.array([1.0, 3.0, 1.0])[:, None, None]
    one = np.nansum(expected.intensity * width) / counts / width * np.ones(m.shape)  # what one neutron stands for
    known = ~m.mask
    neutrons = m.intensity / one
    assert neutrons[known] == pytest.approx(np.rint(neutrons[known]), abs=1e-6)
    assert neutrons[known].sum() == pytest.approx(counts, abs=4 * np.sqrt(counts))
    empty = known & (neutrons < 0.5)
    assert empty.sum() > 200
    np.testing.assert_allclose(m.error[empty], one[empty])
    np.testing.assert_allclose(m.error[known & ~empty], (one * np.sqrt(neutrons))[known & ~empty])
    pull = ((m.intensity - expected.intensity) / np.sqrt(expected.intensity * one))[known]
    assert (pull**2).mean() == pytest.approx(1.0, abs=0.2)


def test_background_is_added_everywhere():
    plain, with_background = (simulate("rb2mnf4", slices=SLICES, qh=QH, qk=QK, resolution=False, background=b) for b in (0.0, 0.25))
    np.testing.assert_allclose(with_background.intensity, plain.intensity + 0.25)
    assert np.nanmax(plain.intensity[2]) < 1e-6 < np.nanmax(plain.intensity[1])


@pytest.mark.parametrize("top", [19.9, 20.0, 20.1, 30.0])
def test_windows_end_below_the_incident_energy(top):
    given = {"slices": Slices([20.0], [18.0], [top]), "qh": QH, "qk": QK}
    if top <= 20.0:
        assert simulate("rb2mnf4", **given).shape == (1, 20, 20)
        return
    with pytest.raises(MapError, match="ends above its incident energy"):
        simulate("rb2mnf4", **given)


def test_twins_are_half_of_the_map():
    """By exchange of a and b: the map of the twins is the mean of one crystal's and of its mirror image."""
    given = {"slices": Slices([50.0], [10.0], [15.0]), "qh": QH, "qk": QK, "resolution": False}
    both, one = (simulate("pcsmo-goodenough", **given, twins=twins).intensity[0] for twins in (True, False))
    rough = 0.5 * (one + one.T)  # a and b differ by 1 %
    assert np.nanmean(np.abs(both - rough)) < 0.03 * np.nanmean(rough)
    assert np.nanmean(np.abs(both - one)) > 0.3 * np.nanmean(one)


def test_gradient_is_the_slope_of_the_map():
    simulator = SliceSimulator("rb2mnf4", SLICES, QH, QK)
    values = {"J1": 0.65, "J2": 0.01, "D": -0.02}
    slope = simulator.gradient(values, names=["J1"])[0]
    maps, _ = simulator.intensity({n: np.array([v - 0.002 * (n == "J1"), v + 0.002 * (n == "J1")]) for n, v in values.items()}, dtype=float)
    measured = (maps[1] - maps[0]) / 0.004
    assert slope[simulator.reach] == pytest.approx(measured[simulator.reach], abs=0.03 * np.nanmax(np.abs(measured)))
    assert np.nanmax(np.abs(slope)) > 1
