"""Velocities of modes against finite differences of their energies, and against the closed form of the square lattice."""

import numpy as np
import pytest

from mantid_insdl.materials import load_material
from mantid_insdl.materials.spin_waves import modes_of
from mantid_insdl.spinwave import spin_waves
from mantid_insdl.spinwave.square_lattice import square_lattice_modes, square_lattice_slopes

Q = np.random.default_rng(3).uniform(-1, 1, (12, 3))
STEP = 1e-5


MAGNETS = ("rb2mnf4", "la2nio4", "pcsmo-goodenough", "pcsmo-dimer", "pcsmo-zener", "example-triangular", "example-kagome")


@pytest.mark.parametrize("name", MAGNETS)
def test_velocities_are_the_slopes_of_the_energies(name):
    material = load_material(name)
    values = {key: np.array([value, 0.98 * value]) for key, value in material.couplings(material.defaults).items()}
    modes = modes_of(material, Q, values, velocities=True)
    assert modes.velocities.shape == (*modes.energies.shape, 3) and np.isfinite(modes.velocities).all()
    for axis, step in enumerate(STEP * np.eye(3)):
        up, down = (modes_of(material, Q + side * step, values) for side in (1, -1))
        # bands of equal energy are in no order: compare power sums, d/dq sum E^n = n sum E^(n-1) v
        for power in (1, 2, 3):
            slope = ((up.energies**power).sum(-1) - (down.energies**power).sum(-1)) / (2 * STEP)
            found = (power * modes.energies ** (power - 1) * modes.velocities[..., axis]).sum(-1)
            rounding = 1e-12 * float((modes.energies**power).sum(-1).max()) / STEP
            assert found == pytest.approx(slope, rel=1e-5, abs=rounding)


def test_velocity_of_each_mode_where_none_are_equal():
    material = load_material("pcsmo-dimer")
    modes = spin_waves(material.model, Q, material.defaults, velocities=True)
    up, down = (spin_waves(material.model, Q + side * np.array([STEP, 0, 0]), material.defaults).energies[0] for side in (1, -1))
    energies = modes.energies[0]
    alone = np.min(np.abs(energies[:, :, None] - energies[:, None]) + 1e3 * np.eye(energies.shape[1]), axis=-1) > 1e-2
    assert alone.mean() > 0.3
    assert modes.velocities[0, ..., 0][alone] == pytest.approx(((up - down) / (2 * STEP))[alone], abs=1e-4)


def test_square_lattice_slopes_are_those_of_its_closed_form():
    h, k = Q[:, 0], Q[:, 1]
    couplings = (np.array([0.65, 0.5]), np.array([0.01, -0.02]), np.array([0.008, 0.02]))
    for axis, found in enumerate(square_lattice_slopes(h, k, 2.5, *couplings)):
        step = STEP * np.eye(2)[axis]
        up, down = (square_lattice_modes(h + side * step[0], k + side * step[1], 2.5, *couplings)[0] for side in (1, -1))
        assert found == pytest.approx((up - down) / (2 * STEP), abs=1e-6)
