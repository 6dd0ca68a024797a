"""Maps of Zener polarons: every parameter set in the order that its constants have."""

import numpy as np
import pytest

from mantid_insdl.errors import InstabilityError
from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.materials import load_material, zener
from mantid_insdl.materials.spin_waves import ordered
from mantid_insdl.simulation.planar import OwnOrders
from mantid_insdl.simulation.polarons import PolaronSimulator, simulator_for
from mantid_insdl.simulation.slices import SliceSimulator, simulate
from mantid_insdl.simulation.spectra import dispersion, simulate_cut, simulate_powder
from mantid_insdl.spinwave.shared import SharedSpiral

SLICES = Slices([50.0] * 3, [8.0, 20.0, 30.0], [12.0, 24.0, 34.0])
AXES = Axis("qh", RLU, np.linspace(-1, 1, 11)), Axis("qk", RLU, np.linspace(-1, 1, 13))
SETS = {
    "JFU": np.array([-5.0, -4.0, -6.0, -5.0, -4.0, -6.0]),
    "JFD": np.array([-1.0, -0.2, -1.0, 0.3, -0.2, -0.9]),
    "JA": np.array([0.2, 0.9, 0.95, 0.2, -0.1, 1.0]),
    "Jperp": np.array([0.9, 0.5, 0.8, 0.9, 0.9, 0.8]),
    "D": np.array([0.02, 0.05, 0.03, 0.02, 0.02, 0.03]),
}
WIDTHS = np.array([0.8, 1.3, 1.1, 1.0, 1.0, 0.9])


def one(index):
    return {name: float(values[index]) for name, values in SETS.items()}


def test_sets_of_a_batch_have_their_own_orders():
    assert zener.order_of(SETS).tolist() == [zener.PARALLEL, zener.ANTIPARALLEL, zener.SPIRAL, zener.NONE, zener.NONE, zener.SPIRAL]
    found, stable = PolaronSimulator(SLICES, *AXES).intensity(SETS, energy_width_scale=WIDTHS, dtype=float)
    assert stable.tolist() == [True, True, True, False, False, True]
    assert np.all(np.isnan(found[3:5]))
    for index in (0, 1, 2, 5):  # each alone is solved at other momenta: those that its own modes ask for
        alone = SliceSimulator(zener.in_ground_state(one(index)), SLICES, *AXES)
        ((expected,), _) = alone.intensity(one(index), energy_width_scale=WIDTHS[index], dtype=float)
        expected = np.nan_to_num(expected)
        assert np.sqrt(np.mean((np.nan_to_num(found[index]) - expected) ** 2) / np.mean(expected**2)) < 0.01


@pytest.mark.parametrize("index", [0, 1, 2])
def test_simulations_are_in_the_order_that_the_constants_have(index):
    values = one(index)
    m = simulate("pcsmo-zener", values, slices=SLICES, qh=AXES[0], qk=AXES[1], resolution=False)
    (alone,), _ = SliceSimulator(zener.in_ground_state(values), SLICES, *AXES).intensity(values, energy_width_scale=0, q_sigma_pixels=0)
    difference = np.nan_to_num(m.intensity) - np.nan_to_num(alone)
    assert np.sqrt(np.mean(difference**2)) < 0.01 * np.sqrt(np.nanmean(alone.astype(float) ** 2))  # cells chosen at one set or the other
    path = {"corners": [[0.1, 0, 0], [0.9, 0.2, 0]], "points": 5}
    found, expected = (dispersion(material, values, **path) for material in ("pcsmo-zener", zener.in_ground_state(values)))
    np.testing.assert_allclose(found.energies, expected.energies, rtol=0, atol=1e-9)
    spectrum = {"energy": Axis("energy", "meV", np.linspace(0, 40, 21), is_edges=True), "fwhm": 2.0}
    cut, other = (simulate_cut(material, values, **path, **spectrum) for material in ("pcsmo-zener", zener.in_ground_state(values)))
    np.testing.assert_allclose(cut.intensity, other.intensity, rtol=1e-9)
    spectrum |= {"q": Axis("q", "1/angstrom", np.linspace(0.5, 1, 3), is_edges=True), "directions": 50}
    powder, other = (simulate_powder(material, values, **spectrum) for material in ("pcsmo-zener", zener.in_ground_state(values)))
    np.testing.assert_allclose(powder.intensity, other.intensity, rtol=1e-9)


def test_an_order_other_than_the_file_s_is_said():
    file = load_material("pcsmo-zener")
    said = [zener.remark_on_order(file, one(index)) for index in (0, 1, 2)]
    assert [text.split(": ")[1] for text in said[:2]] == ["chains parallel", "chains antiparallel"]
    (k,) = (zener.in_ground_state(one(2)).spiral.k[1],)
    assert said[2].endswith(f"a spiral with k = {k:.4g} along b")
    assert zener.remark_on_order(file, {"Jperp": 0.9}) is None
    assert zener.in_own_order(file, file.defaults) is file


def test_constants_without_an_order_are_unstable():
    for index in (3, 4):
        assert zener.in_own_order("pcsmo-zener", one(index)) is load_material("pcsmo-zener")
        with pytest.raises(InstabilityError):
            simulate("pcsmo-zener", one(index), slices=SLICES, qh=AXES[0], qk=AXES[1])


def test_blocks_of_a_spiral_change_nothing():
    """Exchange of the layers and translation by half a cell split eight polarons into pairs, in any order that the couplings have."""
    material, hk = zener.Spirals.new(), np.random.default_rng(0).uniform(-1, 1, (40, 2))
    usual = SharedSpiral(*spiral(material, material.defaults), hk[:1])
    assert len(usual.splitting) == 4
    for index in (2, 5):
        how = spiral(material, one(index))
        whole, split = SharedSpiral(*how, hk, reduce=False), SharedSpiral(*how, hk, reduce=False, tried=usual.splitting)
        wrong = SharedSpiral(*how, hk, reduce=False, tried=[np.array([1, 0, 2, 3, 4, 5, 6, 7])])  # exchanges two neighbours only
        assert (len(whole.splitting), len(split.splitting), len(wrong.splitting)) == (0, 4, 0)
        table = how[0].parameter_table(material.couplings(one(index)))
        moments = [moments_of(solver.solve(table)[1]) for solver in (whole, split)]
        for power in range(3):
            assert np.abs(moments[0][power] - moments[1][power]).max() < 1e-6 * np.abs(moments[0][power]).max()


def spiral(material, values):
    model, k = ordered(material, material.couplings(values))
    return model, k, material.spiral.axis


def moments_of(blocks):
    """Sums over all modes of their strength times powers of their energy, (momentum,): what no order of the modes and no phase changes."""
    found = np.zeros((3, blocks[0].energies.shape[1]))
    for modes in blocks:
        amplitudes = modes.amplitudes(*np.indices(modes.energies.shape).reshape(3, -1))
        strength = np.sum(np.abs(amplitudes.sum(axis=1)) ** 2, axis=0).reshape(modes.energies.shape)
        found += [np.sum(strength[0] * modes.energies[0] ** power, axis=1) for power in range(3)]
    return found


def test_sets_that_differ_in_the_width_are_solved_once(monkeypatch):
    solved = []
    monkeypatch.setattr(OwnOrders, "solve", lambda *given, plain=OwnOrders.solve: solved.append(given[1]) or plain(*given))
    sets = {name: values[[2, 5, 2]] for name, values in SETS.items()}
    simulator = PolaronSimulator(SLICES, *AXES)
    found, stable = simulator.intensity(sets, energy_width_scale=WIDTHS[:3], dtype=float)
    together = len(solved)
    for index in range(3):
        own = {name: values[index] for name, values in sets.items()}
        ((alone,), _) = simulator.intensity(own, energy_width_scale=WIDTHS[index], dtype=float)
        np.testing.assert_allclose(found[index], alone, rtol=1e-12)
    assert stable.all() and 3 * together == 2 * (len(solved) - together)
    assert np.abs(found[0] - found[2]).max() > 0.01 * found[0].max()


def test_numbers_and_the_file_s_own_values():
    polarons = PolaronSimulator(SLICES, *AXES)
    ((own,), stable) = polarons.intensity({}, dtype=float)
    ((named,), _) = polarons.intensity(load_material("pcsmo-zener").defaults, dtype=float)
    assert stable.tolist() == [True]
    np.testing.assert_array_equal(own, named)


def test_only_the_magnet_of_the_package_follows_its_constants():
    assert isinstance(simulator_for("pcsmo-zener", SLICES, *AXES), PolaronSimulator)
    assert isinstance(simulator_for(zener.in_ground_state(one(0)), SLICES, *AXES), SliceSimulator)
    assert isinstance(simulator_for("pcsmo-dimer", SLICES, *AXES), SliceSimulator)
