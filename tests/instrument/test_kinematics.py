"""Wavenumbers, momentum along the beam, reach and the flux factor."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mantid_insdl.instrument.kinematics import along_beam, kf_over_ki, reachable, split_by_beam, wavenumber


def test_neutron_wavenumber():
    # 25.3 meV: the thermal neutron of 1.798 angstrom
    assert wavenumber(25.3) == pytest.approx(2 * np.pi / 1.798, rel=1e-3)


def test_momentum_along_the_beam():
    assert along_beam(50.0, np.array(0.0), np.array(0.0)) == pytest.approx(0.0)
    ki, kf = wavenumber(50.0), wavenumber(30.0)
    assert along_beam(50.0, np.array(20.0), np.array(0.0)) == pytest.approx(ki - kf)
    # the triangle of ki, kf and Q closes
    across = np.array([0.5, 2.0, 5.0])
    along = along_beam(50.0, np.array(20.0), across)
    assert (ki - along) ** 2 + across == pytest.approx(kf**2)


def test_reach_ends_where_the_neutron_leaves_at_right_angles():
    limit = wavenumber(30.0) ** 2
    assert reachable(50.0, 20.0, np.array([0.999, 1.001]) * limit).tolist() == [True, False]


components = st.tuples(*[st.floats(-1.5, 1.5)] * 3)


@given(components, components.filter(lambda v: np.linalg.norm(v) > 0.1), st.floats(0.0, 30.0))
def test_triangle_closes_for_any_direction_of_the_beam(q, beam, energy):
    ei = 50.0
    across, squared = split_by_beam(np.array(q), np.array(beam))
    unit = np.array(beam) / np.linalg.norm(beam)
    assert across @ unit == pytest.approx(0, abs=1e-12)
    assert squared <= np.dot(q, q) + 1e-12
    if reachable(ei, energy, squared):
        momentum = across + along_beam(ei, energy, squared) * unit
        final = wavenumber(ei) * unit - momentum
        assert np.linalg.norm(final) == pytest.approx(wavenumber(ei - energy))
        assert final @ unit >= -1e-12


def test_beam_along_c_leaves_the_plane():
    across, squared = split_by_beam(np.array([[1.0, 2.0, 3.0], [0.0, 0.5, -7.0]]), np.array([0.0, 0.0, 2.0]))
    assert across.tolist() == [[1, 2, 0], [0, 0.5, 0]]
    assert squared.tolist() == [5, 0.25]


def test_flux_factor():
    assert kf_over_ki(50.0, np.array([-50.0, 0.0, 25.0, 50.0, 60.0])) == pytest.approx([2**0.5, 1, 0.5**0.5, 0, 0])
    assert kf_over_ki(50.0, 20.0) == pytest.approx(wavenumber(30.0) / wavenumber(50.0))
