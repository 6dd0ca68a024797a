"""Exact derivatives of spectra against differences of spectra, with degenerate modes, without folding, in a field."""

import numpy as np
import pytest

from mantid_insdl.errors import InstabilityError, MaterialError
from mantid_insdl.instrument.resolution import bin_fractions, bin_slopes
from mantid_insdl.maps import Axis, Slices
from mantid_insdl.materials import load_material, material_names
from mantid_insdl.materials.spin_waves import require_fixed_order
from mantid_insdl.simulation.slices import SliceSimulator
from mantid_insdl.spinwave import relax, spectrum_derivatives, spin_waves
from mantid_insdl.spinwave.lattice import Lattice
from mantid_insdl.spinwave.model import MU_B, Bond, Field, OnSite, Site, SpinModel
from mantid_insdl.spinwave.order import OrderEnergy
from mantid_insdl.spinwave.relaxation import directions_of
from mantid_insdl.spinwave.rotating_frame import turning_model

Q = np.random.default_rng(4).uniform(-1, 1, (6, 3))


def gaussian(top, width):
    edges = np.linspace(0, top, 31)

    def lines(energies):
        sigma, slope = width * (1 - 0.3 * energies / top), np.full(energies.shape, -0.3 * width / top)
        return bin_fractions(energies, sigma, edges), bin_slopes(energies, sigma, slope, edges)

    return lines


def spectrum(model, values, lines):
    modes = spin_waves(model, Q, values)
    return np.einsum("qn,qnk->qk", modes.s_perp[0], lines(modes.energies[0])[0])


CASES = {
    "rb2mnf4": (8.0, 0.3, {}),  # two degenerate modes everywhere
    "pcsmo-dimer": (95.0, 2.0, {}),  # sixteen modes, nearly degenerate in pairs
    "pcsmo-goodenough": (95.0, 2.0, {}),
    "example-chain": (5.0, 0.2, {"B": 2.0}),
    "example-triangular": (6.0, 0.3, {}),
    "example-kagome": (8.0, 0.3, {"Dz": 0.2}),  # does not fold
}


@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_the_limit_of_differences(name):
    top, width, changes = CASES[name]
    material, lines = load_material(name), gaussian(top, width)
    values = material.resolve(changes)
    found, derivatives = spectrum_derivatives(material.model, Q, values, lines)
    assert found == pytest.approx(spectrum(material.model, values, lines), abs=1e-10)
    for parameter, derivative in zip(material.model.parameters, derivatives, strict=True):
        step = 1e-4 * max(abs(values[parameter]), 0.05)
        up, down, up2, down2 = (
            spectrum(material.model, {**values, parameter: values[parameter] + s * step}, lines) for s in (1, -1, 2, -2)
        )
        slope = (8 * (up - down) - (up2 - down2)) / (12 * step)
        assert derivative == pytest.approx(slope, abs=1e-6 * np.abs(slope).max() + 1e-12)


def test_slope_of_a_line_in_its_bins():
    edges, energy = np.linspace(0, 5, 21), np.array([0.4, 2.2, 4.9])

    def at(energy):
        return bin_fractions(energy, 0.3 + 0.1 * energy, edges)

    slopes = bin_slopes(energy, 0.3 + 0.1 * energy, np.full(3, 0.1), edges)
    assert slopes == pytest.approx((at(energy + 1e-5) - at(energy - 1e-5)) / 2e-5, abs=1e-8)


def test_soft_momenta_are_refused():
    material = load_material("pcsmo-dimer")
    with pytest.raises(InstabilityError, match=r"no derivative at .*soft.*leave"):
        spectrum_derivatives(material.model, [[1, 1, 0.3]], material.defaults, gaussian(95.0, 2.0))


def canted(exchange=1.0, tesla=5.0, anisotropy=False):
    """An antiferromagnetic chain (S = 1, g = 2) in a field across its spins: they cant by cos = g muB B / (4 J S)."""
    along = 2 * MU_B * tesla / (4 * exchange)
    across = np.sqrt(1 - along**2)
    sites = [Site("a", [0, 0, 0], 1.0, [across, 0, along]), Site("b", [0.5, 0, 0], 1.0, [-across, 0, along])]
    bonds = [Bond(0, 1, (0, 0, 0), "J"), Bond(1, 0, (1, 0, 0), "J")]
    onsite = [OnSite(i, "D", np.diag([0.0, 1.0, 0.0])) for i in (0, 1)] if anisotropy else []
    return SpinModel(Lattice(6.0, 8.0, 8.0), sites, bonds, onsite, [Field("B", [0, 0, 1])])


def following(model, k=None, axis=None):
    """Names of the parameters that the order follows."""
    order = directions_of(model) if k is None else directions_of(model, k)
    found = OrderEnergy(model, axis).following(order)
    return [name for name, one in zip(model.parameters, found, strict=True) if one]


def test_parameters_that_turn_no_spin():
    # an anisotropy across both spins and field pushes neither sideways: the order does not follow it
    assert following(canted(anisotropy=True)) == ["J", "B"]
    assert following(canted(tesla=0.0)) == ["B"]  # at a field of zero too: the spins turn at once
    relaxed, _ = relax(canted(anisotropy=True), {"J": 1.0, "B": 5.0, "D": 0.31}, starts=0)
    assert [s.direction for s in relaxed.sites] == [pytest.approx(s.direction, abs=1e-6) for s in canted().sites]


def test_couplings_that_cancel_turn_no_spin():
    # two antiparallel neighbours: their exchange adds up to no field at all, and what is left is rounding
    sites = [Site("a", [0, 0, 0], 1.0, [0.6, 0.8, 0]), Site("b", [0.5, 0, 0], 1.0, [-0.6, -0.8, 0]), Site("c", [0, 0.5, 0], 1.0, [0, 0, 1])]
    bonds = [Bond(0, 1, (0, 0, 0), "J"), Bond(2, 0, (0, 0, 0), "K"), Bond(2, 1, (0, 0, 0), "K", np.diag([1.0, 1.0, 0.0]))]
    model = SpinModel(Lattice(6.0, 8.0, 8.0), sites, bonds)
    assert following(model) == ["K"]  # c stands across a and b: they would lean to it


def test_wave_vector_of_a_spiral_follows_its_exchange():
    material = load_material("pcsmo-zener")
    with pytest.raises(MaterialError, match="follows JFU, JFD"):
        require_fixed_order(material)
    require_fixed_order(material, ["Jperp"])
    axis = Axis("qh", "r.l.u.", [0.1, 0.2])
    simulator = SliceSimulator(material, Slices([50.0], [5.0], [9.0]), axis, Axis("qk", "r.l.u.", [0.1, 0.2]))
    with pytest.raises(MaterialError, match="follows JFU, JFD"):
        simulator.gradient({})


@pytest.mark.parametrize("name", sorted(set(material_names()) - {"pcsmo-zener"}))
def test_order_of_the_other_materials_follows_no_parameter(name):
    require_fixed_order(load_material(name))


def test_wave_vector_follows_where_no_spin_is_pushed_sideways():
    # J1-J2 chain, cos(2 pi k) = -J1 / (4 J2): neighbours on both sides push alike, and only the pitch tells
    site, axis = Site("Cu", [0, 0, 0], 0.5, [1, 0, 0]), [0, 0, 1]
    chain = SpinModel(Lattice(3.0, 8.0, 8.0), [site], [Bond(0, 0, (1, 0, 0), "J1"), Bond(0, 0, (2, 0, 0), "J2")])
    assert following(turning_model(chain, [1 / 6, 0, 0], axis)) == []
    assert following(chain, [1 / 6, 0, 0], axis) == ["J1", "J2"]
    # 120 degrees on the triangular lattice, whatever its one exchange is
    bonds = [Bond(0, 0, cell, "J") for cell in ((1, 0, 0), (0, 1, 0), (1, 1, 0))]
    assert following(SpinModel(Lattice(3.0, 3.0, 8.0, gamma=120.0), [site], bonds), [1 / 3, 1 / 3, 0], axis) == []
