"""Exact derivatives of spectra against differences of spectra, with degenerate modes, without folding, in a field."""

import numpy as np
import pytest

from mantid_insdl.errors import InstabilityError
from mantid_insdl.instrument.resolution import bin_fractions, bin_slopes
from mantid_insdl.materials import load_material
from mantid_insdl.spinwave import spectrum_derivatives, spin_waves

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
