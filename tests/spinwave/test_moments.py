"""Neutrons see moments g S: against spins by hand, SpinW's tests, supercells and differences."""

import dataclasses

import numpy as np
import pytest

from mantid_insdl.instrument.resolution import bin_fractions, bin_slopes
from mantid_insdl.materials.material import Material
from mantid_insdl.spinwave import Bond, Lattice, Site, SpinModel, relax, spectrum_derivatives, spin_waves, spiral_waves
from mantid_insdl.spinwave.form_factors import FormFactor

RNG = np.random.default_rng(1)
Q = RNG.uniform(-1, 1, (12, 3))
INVISIBLE = FormFactor((0.0,))


def pair(*g, ions=("", ""), scattering="moments"):
    """Two unlike spins in a triclinic cell with Dzyaloshinskii-Moriya exchange along their common axis."""
    sites = [
        Site(f"s{i}", place, spin, [0, 0, 1], ion, g=one)
        for i, (place, spin, ion, one) in enumerate(zip([[0, 0, 0], [0.3, 0.4, 0.2]], [1.0, 1.5], ions, g, strict=True))
    ]
    turn = np.array([[1.0, 0.4, 0], [-0.4, 1, 0], [0, 0, 1]])
    bonds = [Bond(0, 1, (0, 0, 0), "J", turn), Bond(0, 1, (-1, 0, 0), "J"), Bond(1, 1, (0, 1, 0), "J"), Bond(0, 0, (0, 0, 1), "J")]
    return SpinModel(Lattice(4, 5, 6, 80, 95, 100), sites, bonds, scattering=scattering)


def spectra(modes, turn=1.0):
    """S^ab of each mode, both indices turned by a matrix."""
    moments = modes.amplitudes[0] @ (np.eye(3) * turn if np.ndim(turn) == 0 else turn).T
    return moments[..., :, None] * moments[..., None, :].conj()


def test_one_g_tensor_multiplies_both_indices():
    g = np.array([[0.8, 3.2, 5.1], [-0.3, 0.6, -0.1], [1.0, 0.0, 0.0]])
    with_g, spins = (spin_waves(pair(g, g, scattering=what), Q, {"J": -1}) for what in ("moments", "spins"))
    plain = spin_waves(pair(2.0, 2.0), Q, {"J": -1})
    assert spectra(with_g) == pytest.approx(spectra(plain, 0.5 * g), abs=1e-12)
    assert np.array_equal(spins.amplitudes, plain.amplitudes)
    assert np.array_equal(with_g.energies, plain.energies)


def test_g_tensors_of_spinw():
    # SpinW's tests of one spin: diag(1, 2, 3) as g-tensor multiplies S^ab by [1 2 3; 2 4 6; 3 6 9]; ours are g / 2, and transposed
    site = Site("s", [0, 0, 0], 1.0, [0, 1, 0], g=[1, 2, 3])
    chain = SpinModel(Lattice(3, 8, 8), [site], [Bond(0, 0, (1, 0, 0), "J")])
    found = spectra(spin_waves(chain, [[0.25, 0.3, 0.1]], {"J": -1}))[0, 0]
    assert 4 * found == pytest.approx(np.array([[0.5, 0, -1.5j], [0, 0, 0], [1.5j, 0, 4.5]]), abs=1e-12)


def test_unlike_g_tensors_add_the_moments_of_their_sites():
    g = RNG.normal(size=(2, 3, 3))
    together = spin_waves(pair(*g), Q, {"J": -1}).amplitudes
    parts = [spin_waves(pair(2.0, 2.0, ions=ions), Q, {"J": -1}).amplitudes for ions in (("", INVISIBLE), (INVISIBLE, ""))]
    assert together == pytest.approx(sum(0.5 * part @ one.T for part, one in zip(parts, g, strict=True)), abs=1e-12)


@pytest.mark.parametrize("scattering", ["moments", "spins"])
def test_spiral_shows_the_moments_of_its_supercell(scattering):
    g = RNG.normal(size=(2, 3, 3))
    sites = [Site("a", [0.1, 0, 0], 1.0, [1, 0, 0], g=g[0]), Site("b", [0.4, 0.3, 0.2], 1.0, [1, 0, 0], g=g[1])]
    bonds = [Bond(i, i, (n, 0, 0), f"J{n}") for i in (0, 1) for n in (1, 2)] + [Bond(0, 1, (0, 0, 0), "F")]
    model = SpinModel(Lattice(4, 7, 9), sites, bonds, scattering=scattering)
    k, axis, values = [1 / 3, 0, 0], [0, 0, 1], {"J1": 1.0, "J2": 0.5, "F": -1.0}
    spiral = spiral_waves(model, k, axis, Q, values)
    turned = [[np.cos(x), np.sin(x), 0] for x in 2 * np.pi / 3 * np.arange(3)]
    cells = [
        dataclasses.replace(s, position=(s.position + np.array([n, 0, 0])) / [3, 1, 1], direction=turned[n])
        for n in range(3)
        for s in model.sites
    ]
    joined = [
        dataclasses.replace(b, i=b.i + 2 * n, j=b.j + 2 * ((n + b.cell[0]) % 3), cell=((n + b.cell[0]) // 3, 0, 0))
        for n in range(3)
        for b in bonds
    ]
    big = spin_waves(SpinModel(Lattice(12, 7, 9), cells, joined, scattering=scattering), Q * [3, 1, 1], values)
    assert spiral.energies == pytest.approx(big.energies, abs=1e-8)
    for power in (0, 1, 2):
        found, expected = ((spectra(one) * one.energies[0, ..., None, None] ** power).sum(axis=1) for one in (spiral, big))
        assert found == pytest.approx(expected, abs=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["cell", "spiral"])
def test_derivatives_of_a_spectrum_of_moments(kind):
    g = RNG.normal(size=(2, 3, 3))
    if kind == "cell":
        model, options, values = pair(*g), {}, {"J": -1.0}
    else:
        site = Site("t", [0.1, 0.2, 0], 1.5, [1, 0, 0], g=g[0])
        model = SpinModel(Lattice(6, 6, 12, gamma=120), [site], [Bond(0, 0, c, "J") for c in ((1, 0, 0), (0, 1, 0), (1, 1, 0))])
        options, values = {"k": [1 / 3, 1 / 3, 0], "axis": [0, 0, 1]}, {"J": 1.0}
    edges = np.linspace(0, 12, 25)

    def lines(energies):
        sigma = np.full(energies.shape, 0.8)
        return bin_fractions(energies, sigma, edges), bin_slopes(energies, sigma, 0 * sigma, edges)

    def at(j):
        modes = spin_waves(model, Q, {"J": j}) if kind == "cell" else spiral_waves(model, *options.values(), Q, {"J": j})
        return np.einsum("qn,qnk->qk", modes.s_perp[0], lines(modes.energies[0])[0])

    j = values["J"]
    spectrum, derivatives = spectrum_derivatives(model, Q, values, lines, **options)
    assert spectrum == pytest.approx(at(j), abs=1e-9 * spectrum.max())
    step = 1e-5
    assert derivatives[0] == pytest.approx((at(j + step) - at(j - step)) / (2 * step), abs=1e-6 * np.abs(derivatives).max())


# Yb2Ti2O7 in a field along [1 -1 0], from the reference data of SpinW's system test, with its option gtensor: field in T, (h, k, l), and
# (energy, S_perp of a cell with its 16 spins) of the modes that are seen
YB2TI2O7 = [
    (2, [8 / 49] * 3, [(0.353155, 34.705812), (0.865203, 0.633452), (0.977124, 13.375387), (0.981690, 5.013391)]),
    (5, [1.397959184, 1.397959184, 0], [(1.258780, 7.001961), (1.300448, 0.764006), (1.448321, 2.889511), (1.579875, 53.303049)]),
]


@pytest.mark.parametrize(("field", "hkl", "expected"), YB2TI2O7)
def test_pyrochlore_of_spinw(field, hkl, expected):
    material = Material.model_validate(
        {
            "name": "yb2ti2o7",
            "title": "Yb2Ti2O7",
            "family": "example",
            "sources": ["K. A. Ross et al., Phys. Rev. X 1, 021002 (2011)"],
            "parameters": [
                {"name": "J", "value": 1, "low": 0, "high": 2, "description": "factor"},
                {"name": "B", "value": field, "low": 0, "high": 10, "unit": "T", "description": "field"},
            ],
            "cell": {"a": 10.0307, "b": 10.0307, "c": 10.0307},
            "space_group": "F d -3 m:2",
            "sites": [
                {
                    "label": "Yb",
                    "positions": [[0.5, 0.5, 0.5]],
                    "spin": 0.5,
                    "direction": [1, -1, 0],
                    "g": (4.32 * np.eye(3) - 0.84).tolist(),
                }
            ],
            "bonds": [
                {
                    "parameter": "J",
                    "segment": [[0.5, 0.5, 0.5], [0.5, 0.25, 0.25]],
                    "symmetric": True,
                    "matrix": [[-0.22, 0.01, 0.01], [-0.01, -0.09, -0.29], [-0.01, -0.29, -0.09]],
                }
            ],
            "fields": [{"parameter": "B", "direction": [1, -1, 0]}],
        }
    )
    values = {"J": 1.0, "B": float(field)}
    modes = spin_waves(relax(material.model, values, starts=3)[0], [hkl], values)
    cell = 16 * 4 * modes.s_perp[0, 0]  # SpinW's are of the cell, and g S where ours are g S / 2
    for energy, intensity in expected:
        assert cell[np.abs(modes.energies[0, 0] - energy) < 1e-6].sum() == pytest.approx(intensity, abs=1e-6)
    assert cell.sum() == pytest.approx(sum(intensity for _, intensity in expected), abs=1e-5)
