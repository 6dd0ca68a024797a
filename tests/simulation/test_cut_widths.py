"""Lines of cuts: the velocities of all domains, and the widths that these make."""

import numpy as np
import pytest

from mantid_insdl.instrument.resolution import bin_fractions
from mantid_insdl.maps import Axis
from mantid_insdl.materials import Material, load_material
from mantid_insdl.simulation.lines import Lines, lines_of
from mantid_insdl.simulation.spectra import _Spectrum

ENERGY = Axis("energy", "meV", np.linspace(-1, 9, 101), is_edges=True)


def chain(**changes):
    data = load_material("example-chain").model_dump()
    return Material.model_validate(data | {"map": data["map"] | changes})


@pytest.mark.parametrize("fwhm", [0.0, 0.3])
def test_a_line_is_as_wide_as_its_energy_spreads_over_a_step(fwhm):
    """A uniform spread from -w / 2 to w / 2 has the variance w^2 / 12, and those of a step and of a width across it add."""
    spectrum = _Spectrum(chain(), {}, ENERGY, None, fwhm, None, 0.0, False, False, "perp")
    lines = Lines(np.array([[5.02]]), np.array([[2.0]]), np.array([True]), np.array([[[3.0, -2.0, 7.0]]]))
    cells = np.array([[[0.4, 0.0, 0.0], [0.1, 0.4, 0.0]]])  # 1.2 meV along the step and -0.5 meV across it
    sigma = np.sqrt((1.2**2 + 0.5**2) / 12 + (fwhm / np.sqrt(8 * np.log(2))) ** 2)
    found = spectrum._broadened(lines, cells, 1)[0] * 0.1
    assert found == pytest.approx(2.0 * bin_fractions(np.array(5.02), np.array(sigma), ENERGY.edges), abs=1e-6)
    assert found.sum() == pytest.approx(2.0)


def test_velocities_of_domains_are_the_slopes_of_their_energies():
    material = chain(twins=[{"weight": 0.25}, {"weight": 0.75, "axis": [0, 0, 1], "angle": 70}])
    frame = np.array(material.map.cell).T @ material.model.lattice.reciprocal
    at, step = np.array([[0.21, 0.13, 0.3], [0.4, -0.26, 0.1]]), 1e-4
    here = lines_of(material, material.defaults, at)
    assert np.abs(here.velocities[..., :2]).max() > 1
    for axis in range(3):
        move = step * np.eye(3)[axis] @ np.linalg.inv(frame)
        before, after = (lines_of(material, material.defaults, at + side * move).energies for side in (-1, 1))
        assert here.velocities[..., axis] == pytest.approx((after - before) / (2 * step), abs=1e-4)
