"""Maps in the (HHL) plane: `axes` turn a map as a `cell` does whose columns they are."""

import numpy as np
import pytest
import yaml

from mantid_insdl.errors import MaterialError
from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.materials import load_material
from mantid_insdl.simulation.slices import SliceSimulator
from mantid_insdl.simulation.spectra import dispersion

TURNED = ((1, 1, 0), (0, 0, 1), (1, -1, 0))


def material(tmp_path, name, **of_map):
    content = {
        "name": name,
        "title": "square lattice",
        "family": name,
        "sources": ["made up"],
        "parameters": [{"name": "J", "value": 1.0, "low": 0.1, "high": 2.0, "description": "nearest neighbours"}],
        "cell": {"a": 4.0, "b": 4.0, "c": 7.0},
        "supercell": [[1, 1, 0], [-1, 1, 0], [0, 0, 1]],
        "sites": [{"label": "M", "positions": [[0, 0, 0]], "spin": 1.0, "direction": [0, 0, 1], "ion": "Ni2+"}],
        "order": {"k": [0.5, 0.5, 0], "axis": [1, 0, 0]},
        "bonds": [{"parameter": "J", "distance": 4.0}],
        "map": of_map,
    }
    (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    return load_material(tmp_path / f"{name}.yaml")


def test_lengths_and_angles(tmp_path):
    found = material(tmp_path, "turned", axes=[list(row) for row in TURNED])
    a_star, c_star = 2 * np.pi / 4, 2 * np.pi / 7
    np.testing.assert_allclose(found.in_plane_reciprocal, [np.sqrt(2) * a_star, c_star])
    np.testing.assert_allclose(found.map_frame @ found.map_frame.T, np.diag([2 * a_star**2, c_star**2, 2 * a_star**2]), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(found.data_frame, axis=1), [a_star, a_star, c_star])


def test_spin_waves_along_a_path(tmp_path):
    """At (q, p, r) of the turned map is the momentum q (1, 1, 0) + p (0, 0, 1) + r (1, -1, 0), which the plain path reaches."""
    turned, plain = material(tmp_path, "turned", axes=[list(row) for row in TURNED]), material(tmp_path, "plain")
    corners = np.array([[0.1, 0.2, 0.0], [0.45, 0.9, 0.1]])
    one, other = (
        dispersion(material, corners=path, points=9) for material, path in ((turned, corners), (plain, corners @ np.array(TURNED)))
    )
    np.testing.assert_allclose(one.energies, other.energies, atol=1e-6)
    np.testing.assert_allclose(one.s_perp.sum(axis=1), other.s_perp.sum(axis=1), rtol=1e-4)  # of two modes of one energy
    assert np.ptp(one.energies) > 0.1


def test_slices(tmp_path):
    """Where Ei is not known a pixel (q, p) is the momentum (q, q, p): its mean energy is that of the spin waves there."""
    turned, plain = material(tmp_path, "turned", axes=[list(row) for row in TURNED]), material(tmp_path, "plain")
    q, p = np.array([0.10, 0.14, 0.18]), np.array([0.28, 0.32, 0.36])
    axes = (Axis("qh", RLU, q), Axis("qk", RLU, p))
    energies = dispersion(plain, corners=[[0.14, 0.14, 0.32], [0.15, 0.15, 0.32]], points=2).energies[0]
    edges = np.linspace(0, 5, 101)
    simulated = SliceSimulator(turned, Slices.from_bins([np.nan], [edges]), *axes).intensity(turned.defaults)[0][0, :, 1, 1]
    mean = np.sum(simulated * 0.5 * (edges[1:] + edges[:-1])) / simulated.sum()
    assert mean == pytest.approx(energies.mean(), rel=0.02)
    assert energies.mean() > 1


def test_axes_in_one_plane(tmp_path):
    with pytest.raises(MaterialError, match="no inverse"):
        material(tmp_path, "flat", axes=[[1, 0, 0], [0, 1, 0], [1, 1, 0]])
