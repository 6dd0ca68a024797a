"""Folding, shared solves, closed form and instability: each short cut against the general path."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mantid_insdl.errors import MaterialError
from mantid_insdl.materials import load_material
from mantid_insdl.spinwave import Bond, Hamiltonian, Lattice, OnSite, Site, SpinModel, spin_waves
from mantid_insdl.spinwave.form_factors import form_factor
from mantid_insdl.spinwave.modes import SOFT, STABLE, UNSTABLE, complex_energies
from mantid_insdl.spinwave.relaxation import relax_spiral
from mantid_insdl.spinwave.rotating_frame import rotation
from mantid_insdl.spinwave.shared import SharedSolve, SharedSpiral
from mantid_insdl.spinwave.spiral import spiral_waves
from mantid_insdl.spinwave.square_lattice import square_lattice_modes
from mantid_insdl.spinwave.symmetry import dm_matrix


def magnet(name, **changes):
    """Model and values of a shipped material; the Zener polarons with antiparallel chains, their order beyond the shipped spiral."""
    material = load_material(name)
    if name != "pcsmo-zener":
        return material.model, material.resolve(changes)
    up = {"up": 1, "lf": 1, "dn": -1, "rg": -1}
    sites = [dataclasses.replace(s, direction=np.array([0.0, up[s.label] * np.sign(s.position[2]), 0])) for s in material.model.sites]
    return dataclasses.replace(material.model, sites=tuple(sites)), material.resolve({"JA": 0.5})


SHIPPED = ("pcsmo-goodenough", "pcsmo-dimer", "pcsmo-zener", "rb2mnf4", "la2nio4", "example-chain", "example-triangular")
Q = np.random.default_rng(1).uniform(-2, 2, (30, 3))


@pytest.mark.parametrize("name", SHIPPED)
def test_folding_changes_nothing(name):
    model, values = magnet(name, **({"B": 2.0} if name == "example-chain" else {}))
    assert Hamiltonian(model).folds
    values = {n: np.array([v, 0.9 * v]) for n, v in values.items()}
    folded, full = (spin_waves(model, Q, values, fold=fold) for fold in (True, False))
    assert folded.energies == pytest.approx(full.energies, abs=1e-8)
    # degenerate modes may mix: compare what their sum scatters
    assert folded.s_perp.sum(-1) == pytest.approx(full.s_perp.sum(-1), rel=1e-7)
    assert (folded.energies * folded.s_perp).sum(-1) == pytest.approx((full.energies * full.s_perp).sum(-1), rel=1e-7)


def test_antisymmetric_exchange_does_not_fold_and_says_so():
    sites = [Site("t", [0, 0, 0], 1, [0, 0, 1]), Site("t", [0.5, 0, 0], 1, [0, 0, 1])]
    model = SpinModel(Lattice(4, 4, 4), sites, [Bond(0, 1, (0, 0, 0), "J", [[0, 1, 0], [-1, 0, 0], [0, 0, 0]])])
    assert not Hamiltonian(model).folds
    with pytest.raises(ValueError, match="does not fold"):
        spin_waves(model, [[0, 0, 0]], {"J": 1}, fold=True)


def test_full_matrix_has_the_folded_form():
    material = load_material("pcsmo-dimer")
    h = Hamiltonian(material.model).matrix(Q, material.defaults)
    a, b = h[..., :16, :16], h[..., :16, 16:]
    assert np.abs(h[..., 16:, 16:] - a).max() < 1e-12 and np.abs(h[..., 16:, :16] - b).max() < 1e-12
    assert np.abs(h - h.conj().swapaxes(-1, -2)).max() < 1e-12


def together(solver, row):
    """Energies, velocities, usable and Cartesian amplitudes (m, n, 3, group) of the modes of all symmetries, of one parameter set."""
    stable, blocks = solver.solve(row[None])
    assert stable.all()
    amplitudes = []
    for modes in blocks:
        found = np.einsum("agx,ac->xcg", modes.amplitudes(*(x.ravel() for x in np.indices(modes.energies.shape))), modes.components)
        amplitudes.append(found.reshape(*modes.energies.shape[1:], *found.shape[1:]))
    energies, usable = (np.concatenate([getattr(modes, name)[0] for modes in blocks], axis=1) for name in ("energies", "usable"))
    velocities = np.concatenate([np.moveaxis(modes.velocities[:, 0], 0, -1) for modes in blocks], axis=1)
    return energies, velocities, usable, np.concatenate(amplitudes, axis=1)


def group_weights(model, solver):
    """Factor of the amplitude of each group at the momenta Q, (m, group)."""
    length = np.linalg.norm(model.lattice.to_cartesian(Q), axis=1)
    return np.stack(
        [
            form_factor(one.ion, length) * np.exp(-2j * np.pi * Q[:, 2] * one.z) * np.cos(np.pi * Q[:, :2] @ one.pair)
            for one in solver.groups
        ],
        axis=-1,
    )


@pytest.mark.parametrize("name", ["pcsmo-goodenough", "pcsmo-dimer", "pcsmo-zener", "example-triangular", "example-kagome"])
def test_one_solve_serves_all_l(name):
    model, values = magnet(name)
    solver = SharedSolve(model, Q[:, :2])
    energies, *_, amplitudes = together(solver, model.parameter_table(values)[0])
    reference = spin_waves(model, Q, values)
    assert np.sort(energies, axis=1) == pytest.approx(reference.energies[0], abs=1e-8)
    moment = np.einsum("qnag,qg->qna", amplitudes, group_weights(model, solver))
    for axis in range(3):
        ours, theirs = np.abs(moment[..., axis]) ** 2, np.abs(reference.amplitudes[0, ..., axis]) ** 2
        assert ours.sum(-1) == pytest.approx(theirs.sum(-1), rel=1e-6, abs=1e-9)
        assert (ours * energies).sum(-1) == pytest.approx((theirs * reference.energies[0]).sum(-1), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "rows"),
    [("pcsmo-goodenough", [4] * 4), ("pcsmo-dimer", [4] * 4), ("pcsmo-zener", [2] * 4), ("rb2mnf4", [1] * 2), ("example-triangular", [3])],
)
def test_blocks_of_sites_that_move_alike_or_opposite(name, rows):
    """PCSMO: the antiferromagnetic translation of a layer, and the exchange of the two layers of the bilayer; each halves the blocks."""
    solver = SharedSolve(magnet(name)[0], Q[:, :2])
    assert [form.matrices[0].shape[-1] for form in solver._forms] == rows
    sites = np.concatenate([np.eye(rows[0]) if form.sites is None else form.sites for form in solver._forms], axis=1)
    assert sites.conj().T @ sites == pytest.approx(np.eye(sum(rows)), abs=1e-12)


def with_antisymmetric_exchange(staggered):
    """Goodenough with DM vectors along its moments, so that it does not fold: the same on all JF1 bonds, or of their spins' sign."""
    model, values = magnet("pcsmo-goodenough")
    axis = np.array(model.sites[0].direction)
    signs = {bond: np.sign(model.sites[bond.i].direction @ axis) if staggered else 1.0 for bond in model.bonds if bond.parameter == "JF1"}
    added = (Bond(b.i, b.j, b.cell, "DM", dm_matrix(0.3 * sign * axis)) for b, sign in signs.items())
    return dataclasses.replace(model, bonds=(*model.bonds, *added)), values | {"DM": 1.0}


@pytest.mark.parametrize(
    ("name", "fold", "rows"),
    [
        ("pcsmo-goodenough", True, [8, 8]),
        ("pcsmo-goodenough", False, [16, 16]),
        ("pcsmo-dimer", True, [8, 8]),
        ("staggered", False, [16, 16]),
        ("uniform", False, [32]),
        ("rb2mnf4", True, [1, 1]),
    ],
)
def test_blocks_change_nothing_at_any_momentum(name, fold, rows, monkeypatch):
    """The translation that turns the moments of PCSMO leaves h as it is; with antisymmetric exchange only where that turns too."""
    model, values = with_antisymmetric_exchange(name == "staggered") if name in ("staggered", "uniform") else magnet(name)
    values = {n: np.array([v, 0.95 * v]) for n, v in values.items()}
    assert Hamiltonian(model).folds == (name not in ("staggered", "uniform"))
    assert [form.matrices[0].shape[-1] for form in Hamiltonian(model).blocks(fold)] == rows
    split = spin_waves(model, Q, values, fold=fold, derivatives=True, velocities=True)
    monkeypatch.setattr(Hamiltonian, "_translations", [])
    whole = spin_waves(dataclasses.replace(model), Q, values, fold=fold, derivatives=True, velocities=True)  # a copy: nothing is kept of it
    assert whole.stable.all()
    assert split.energies == pytest.approx(whole.energies, rel=1e-10)
    assert np.array_equal(split.status, whole.status)
    # degenerate modes may mix: compare what their sum scatters, and how it changes
    for power in range(3):
        scale = whole.energies**power
        for one in ("s_perp", "velocities", "derivatives"):
            a, b = (getattr(modes, one) * scale.reshape(*scale.shape, *[1] * (getattr(modes, one).ndim - 3)) for modes in (split, whole))
            assert a.sum(axis=2) == pytest.approx(b.sum(axis=2), rel=1e-10, abs=1e-10 * np.abs(b).max())


def test_soft_momenta_of_blocks_are_those_of_the_whole(monkeypatch):
    """Of the zero modes of two unlike blocks one is divergent, at either zone centre."""
    model, values = magnet("pcsmo-goodenough", D=0.0)
    q = [[0, 0, 0], [1, 0, 0], [0.5, 0.5, 0], [0.1, 0.2, 0.3]]
    split = spin_waves(model, q, values)
    monkeypatch.setattr(Hamiltonian, "_translations", [])
    whole = spin_waves(dataclasses.replace(model), q, values)
    assert np.array_equal(split.status, whole.status) and SOFT in split.status
    assert np.array_equal(np.isnan(split.s_perp).sum(-1), np.isnan(whole.s_perp).sum(-1))
    assert split.energies == pytest.approx(whole.energies, rel=1e-8, abs=1e-8)
    assert np.isfinite(split.lowest[0]).tolist() == (split.status[0] != STABLE).tolist()


def test_one_soft_block_makes_a_momentum_soft():
    """A ferromagnetic chain in a cell of two spins: of acoustic and optical mode, which are a block each, one is soft at q = 0."""
    sites = [Site("a", [x, 0, 0], 1, [0, 0, 1]) for x in (0, 0.5)]
    model = SpinModel(Lattice(6, 8, 8), sites, [Bond(0, 1, (0, 0, 0), "J"), Bond(1, 0, (1, 0, 0), "J")])
    assert len(Hamiltonian(model).blocks(True)) == 2
    modes = spin_waves(model, [[0, 0, 0], [0.2, 0, 0]], {"J": -1})
    assert modes.status.tolist() == [[SOFT, STABLE]]
    assert modes.energies[0, 0] == pytest.approx([0, 4], abs=1e-8)
    assert modes.energies[0, 1] == pytest.approx(2 - 2 * np.cos(np.pi * np.array([0.2, 1.2])), rel=1e-12)
    assert modes.lowest[0, 0] == pytest.approx(0, abs=1e-8) and np.isnan(modes.lowest[0, 1])


HALF, TENTHS, QUARTERS = np.linspace(-2, 2, 14), np.arange(-0.9, 1, 0.2), np.arange(-1, 1.01, 0.25)


def test_a_block_is_seen_in_one_direction_in_all_zones():
    """A translation of the couplings by half of the cell tells, by its sign, spins along a from spins along c, whatever the zone."""
    model, values = magnet("pcsmo-dimer")
    hk = np.stack(np.meshgrid(TENTHS, TENTHS, indexing="ij"), -1).reshape(-1, 2)
    _, found = SharedSolve(model, hk).solve(model.parameter_table(values))
    assert sorted(modes.components.tolist() for modes in found) == [[[0, 0, 1]]] * 2 + [[[1, 0, 0]]] * 2


@pytest.mark.parametrize(
    ("name", "grid", "solves"),
    [
        ("pcsmo-dimer", HALF, 98),  # q and -q
        ("pcsmo-dimer", TENTHS, 13),  # and reciprocal-lattice vectors
        ("pcsmo-dimer", QUARTERS, 10),  # with the zone centre
        ("pcsmo-goodenough", HALF, 49),  # the mirrors of mmm
        ("pcsmo-zener", HALF, 49),
        ("rb2mnf4", HALF, 28),  # 4mm
        ("example-triangular", HALF, 21),  # 6mm, of which the grid keeps some, and reciprocal-lattice vectors
    ],
)
def test_reduced_momenta_change_nothing(name, grid, solves):
    model, values = magnet(name)
    hk = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    table = model.parameter_table(values)[0]
    reduced, plain = SharedSolve(model, hk), SharedSolve(model, hk, reduce=False)
    assert reduced.number_of_solves == solves and plain.number_of_solves == len(hk)
    a, b = (together(solver, table) for solver in (reduced, plain))
    assert np.sort(a[0], axis=1) == pytest.approx(b[0], abs=1e-5)  # zero modes are exact to 1e-5 only
    usable = np.all(a[2], axis=1) & np.all(b[2], axis=1)
    assert usable.mean() > 0.8 and all(np.isfinite(amplitudes[usable]).all() for *_, amplitudes in (a, b))
    # of degenerate modes the velocities are those of no mode in particular: compare sums over modes
    for power in (0, 1):
        first, second = (np.sum(energies[usable, :, None] ** power * velocities[usable], axis=1) for energies, velocities, *_ in (a, b))
        assert first == pytest.approx(second, rel=1e-6, abs=1e-5)
    for power in (0, 1):
        moments = [np.einsum("qn,qnag,qnag->qag", energies[usable] ** power, y[usable], y[usable].conj()) for energies, _, _, y in (a, b)]
        assert moments[0] == pytest.approx(moments[1], rel=1e-6, abs=1e-8)
        # the phase between the groups, which l and the form factors act on, has to survive as well
        cross = [np.einsum("qn,qnag,qnbf->qabgf", energies[usable] ** power, y[usable], y[usable].conj()) for energies, _, _, y in (a, b)]
        assert np.abs(cross[0] - cross[1]).max() < 1e-6 * np.abs(cross[1]).max()


@pytest.mark.parametrize("name", ["pcsmo-zener", "turned"])
def test_one_solve_of_a_spiral_serves_all_l(name):
    if name == "turned":  # an oblique axis in the plane, unequal spins, heights, and exchange that does not fold
        turn = rotation(np.array([0.6, 0.8, 0]), 0.3)
        axis = [0.6, 0.8, 0]
        sites = [Site("a", [0, 0, 0.1], 1, [0, 0, 1], "Mn2+"), Site("b", [0.4, 0.3, -0.2], 1.5, [0.8, -0.6, 0], "Ni2+")]
        bonds = [Bond(0, 1, (0, 0, 0), "J", turn), Bond(1, 0, (1, 0, 0), "J", turn), Bond(0, 0, (0, 1, 0), "K", turn)]
        bare = SpinModel(Lattice(4, 5, 9, gamma=100), sites, bonds)
        values = {"J": -1.0, "K": -0.6}
        model, k, _ = relax_spiral(bare, values, axis, starts=5)
    else:
        material = load_material(name)
        model, k, axis, values = material.model, material.spiral.k, material.spiral.axis, material.defaults
    solver = SharedSpiral(model, k, axis, Q[:, :2])
    (energies, *_, amplitudes), reference = (
        together(solver, model.parameter_table(values)[0]),
        spiral_waves(model, k, axis, Q, values),
    )
    assert reference.stable.all()
    moment = np.einsum("qnag,qg->qna", amplitudes, group_weights(model, solver))
    for power in (0, 1, 2):
        ours = np.einsum("qn,qna,qnb->qab", energies**power, moment, moment.conj())
        theirs = np.einsum("qn,qna,qnb->qab", reference.energies[0] ** power, reference.amplitudes[0], reference.amplitudes[0].conj())
        assert np.abs(ours - theirs).max() < 1e-6 * np.abs(theirs).max()


def test_shared_solve_refuses_magnets_whose_energies_depend_on_l():
    model = SpinModel(Lattice(3, 3, 3), [Site("a", [0, 0, 0], 1, [0, 0, 1])], [Bond(0, 0, (0, 0, 1), "J")])
    with pytest.raises(MaterialError, match="depend on l"):
        SharedSolve(model, [[0, 0]])


def test_closed_form_agrees_with_the_matrices():
    material = load_material("rb2mnf4")
    rng = np.random.default_rng(2)
    j1, j2, d = rng.uniform(0.3, 1.2, 5), rng.uniform(-0.05, 0.1, 5), rng.uniform(-0.05, -0.001, 5)
    h, k = rng.uniform(-1, 1, (2, 40))
    energy, s_xx, lowest = square_lattice_modes(h, k, 2.5, j1, j2, d)
    q = np.column_stack((h, k, 0 * h)) @ np.array(material.map.cell).T
    modes = spin_waves(material.model, q, {"J1": j1, "J2": j2, "D": d})
    assert modes.energies == pytest.approx(np.repeat(energy[..., None], 2, -1), abs=1e-10)
    squared = form_factor("Mn2+", np.linalg.norm(material.model.lattice.to_cartesian(q), axis=1)) ** 2
    # with l = 0 one of the two transverse directions lies along Q
    assert modes.s_perp.sum(-1) == pytest.approx(s_xx * squared, rel=1e-9)
    assert np.all(lowest > 0)


def test_closed_form_at_goldstone_momenta_and_beyond_the_border_of_stability():
    energy, s_xx, lowest = square_lattice_modes([0, 0.5, 0.25], [0, 0.5, 0.0], 2.5, [1.0, 0.1], [0.0, 0.09], [0.0, 0.0])
    assert energy[0, :2] == pytest.approx([0, 0], abs=1e-6)
    assert s_xx[0, 0] == 0 and np.isnan(s_xx[0, 1])
    assert np.isnan(energy[1]).any() and lowest[1].min() < 0


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("name", ["pcsmo-dimer", "example-chain", "example-triangular"])
def test_derivatives_of_energies(name, fold):
    material = load_material(name)
    values = material.resolve({"B": 2.0} if name == "example-chain" else None)
    modes = spin_waves(material.model, Q[:5], values, fold=fold, derivatives=True)
    assert modes.derivatives.shape == (1, 5, len(material.model.sites), len(material.model.parameters))
    for index, parameter in enumerate(material.model.parameters):
        step = 1e-5
        up, down = (spin_waves(material.model, Q[:5], {**values, parameter: values[parameter] + s}).energies for s in (step, -step))
        slope = (up - down) / (2 * step)
        # of degenerate modes the sum: moments of the whole spectrum
        assert modes.derivatives[..., index].sum(-1) == pytest.approx(slope.sum(-1), rel=1e-5, abs=1e-6)
        weighted = (modes.derivatives[..., index] * modes.energies).sum(-1)
        assert weighted == pytest.approx((slope * modes.energies).sum(-1), rel=1e-5, abs=1e-5)


def test_derivatives_with_antisymmetric_exchange():
    material = load_material("example-kagome")
    modes = spin_waves(material.model, Q[:5], {"J": -1.0, "Dz": 0.2}, derivatives=True)
    up, down = (spin_waves(material.model, Q[:5], {"J": -1.0, "Dz": 0.2 + s}).energies for s in (1e-5, -1e-5))
    assert modes.derivatives[..., list(material.model.parameters).index("Dz")] == pytest.approx((up - down) / 2e-5, abs=1e-6)


def test_energies_scale_with_all_parameters():
    # Euler: sum over parameters of J dw/dJ = w
    material = load_material("pcsmo-goodenough")
    modes = spin_waves(material.model, Q, material.defaults, derivatives=True)
    couplings = np.array([material.defaults[n] for n in material.model.parameters])
    assert modes.derivatives @ couplings == pytest.approx(modes.energies, rel=1e-8)


def test_white_agrees_where_stable_and_is_complex_where_not():
    material = load_material("example-kagome")
    q = [[0.1, 0.25, 0], [0.3, 0.4, 0]]
    assert complex_energies(material.model, q, material.defaults) == pytest.approx(
        spin_waves(material.model, q, material.defaults).energies
    )
    # an easy axis where the spin lies in the plane: w^2 = (2 |J| (1 - cos)) (... + 2 D S) is negative near the zone centre
    model = SpinModel(
        Lattice(3, 8, 8), [Site("a", [0, 0, 0], 1, [1, 0, 0])], [Bond(0, 0, (1, 0, 0), "J")], [OnSite(0, "D", np.diag([0, 0, 1.0]))]
    )
    h = np.array([0.02, 0.3])
    e = 2 * (1 - np.cos(2 * np.pi * h))
    expected = np.sqrt((e * (e + 2 * -0.4)).astype(complex))
    found = complex_energies(model, np.column_stack((h, 0 * h, 0 * h)), {"J": -1.0, "D": -0.4})
    assert expected[0].real == 0 and expected[1].imag == 0
    assert found[0, :, 0] == pytest.approx(expected)


def test_instability_is_reported_with_the_eigenvalue():
    sites = [Site("a", [0, 0, 0], 1, [0, 1, 0])]
    model = SpinModel(Lattice(3, 8, 8), sites, [Bond(0, 0, (1, 0, 0), "J")])
    modes = spin_waves(model, [[0.25, 0, 0], [0, 0, 0], [0.5, 0, 0]], {"J": [-1.0, 0.5]})
    assert modes.status[0].tolist() == [STABLE, SOFT, STABLE]
    assert modes.status[1].tolist() == [UNSTABLE, SOFT, UNSTABLE]
    assert modes.stable.tolist() == [True, False]
    assert np.isnan(modes.energies[1, 0]).all() and np.isnan(modes.s_perp[1, 0]).all()
    assert modes.lowest[1, [0, 2]] == pytest.approx([-1.0, -2.0])
    assert np.isnan(modes.lowest[0, 0])


def test_divergent_goldstone_mode_is_nan_and_its_partner_is_not():
    material = load_material("pcsmo-goodenough")
    modes = spin_waves(material.model, [[1, 1, 0.3]], material.defaults)
    assert modes.status[0, 0] == SOFT
    assert modes.energies[0, 0, 0] == 0.0 and np.isnan(modes.s_perp[0, 0, 0])
    near = spin_waves(material.model, [[1 + 1e-6, 1, 0.3]], material.defaults)
    assert modes.energies[0, 0, 2:] == pytest.approx(near.energies[0, 0, 2:], abs=1e-4)
    assert modes.s_perp[0, 0, 2:].sum() == pytest.approx(near.s_perp[0, 0, 2:].sum(), rel=1e-4)


def test_thousand_spins_say_first_what_they_cost():
    sites = [Site("a", [i / 1000, 0, 0], 1, [0, 0, 1]) for i in range(1000)]
    model = SpinModel(Lattice(3000, 8, 8), sites, [Bond(i, (i + 1) % 1000, (int(i == 999), 0, 0), "J") for i in range(1000)])
    with pytest.raises(MaterialError, match=r"1000 spins .* hours .* longest"):
        spin_waves(model, np.zeros((1000, 3)), {"J": -1})
    with pytest.raises(MaterialError, match=r"1000 spins .* hours"):
        SharedSolve(model, np.random.default_rng(0).uniform(-1, 1, (1600, 2)))


def test_long_work_says_first_how_long_it_takes_and_can_be_stopped():
    sites = [Site("a", [i / 80, 0, 0], 1, [0, 0, 1]) for i in range(80)]
    model = SpinModel(Lattice(240, 8, 8), sites, [Bond(i, (i + 1) % 80, (int(i == 79), 0, 0), "J") for i in range(80)])
    seen = []

    def report(fraction, text):
        seen.append((fraction, text))
        if len(seen) > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spin_waves(model, np.zeros((400, 3)), {"J": -1}, progress=report)
    assert seen[0] == (0.0, "Spin waves of 80 spins at 400 momenta, about 2 seconds on one core")  # 400 x 1e-8 x 80^3 = 2.05 s
    assert 0 < seen[1][0] < seen[2][0] < 0.1
    quick = []
    spin_waves(model, np.zeros((1, 3)), {"J": -1}, progress=lambda *one: quick.append(one))
    assert not quick


def test_pieces_of_memory_change_nothing():
    material = load_material("rb2mnf4")
    whole, pieces = (spin_waves(material.model, Q, material.defaults, memory=m) for m in (1e9, 1e3))
    assert whole.energies == pytest.approx(pieces.energies, abs=1e-12)


def test_field_of_q_zero_uses_the_trace():
    model = SpinModel(
        Lattice(3, 8, 8), [Site("a", [0, 0, 0], 1, [0, 1, 0])], [Bond(0, 0, (1, 0, 0), "J")], [OnSite(0, "D", np.diag([0, 1, 0]))]
    )
    modes = spin_waves(model, [[0, 0, 0]], {"J": -1, "D": -0.5})
    assert modes.energies[0, 0, 0] == pytest.approx(1.0)
    assert modes.s_perp[0, 0, 0] == pytest.approx(1.0)


@settings(max_examples=25, deadline=None)
@given(
    shift=st.tuples(*[st.floats(-1, 1)] * 3),
    q=st.tuples(*[st.floats(-1, 1)] * 3),
    g=st.tuples(*[st.integers(-2, 2)] * 3),
)
def test_choice_of_origin_and_zone_changes_nothing(shift, q, g):
    def ferrimagnet(origin):
        # unequal spins, an oblique cell, and exchange with a part that is antisymmetric about the spins' axis
        sites = [Site("a", origin, 1.0, [1, 0, 0]), Site("b", np.add(origin, [0.5, 0.5, 0.2]), 1.5, [-1, 0, 0])]
        exchange = np.array([[1.0, 0, 0], [0, 1, 0.3], [0, -0.3, 1]])
        bonds = [Bond(0, 1, (m, n, 0), "J", exchange) for m in (0, -1) for n in (0, -1)]
        return SpinModel(Lattice(4, 5, 6, 90, 100, 90), sites, bonds, [OnSite(i, "D", np.diag([1.0, 0, 0])) for i in (0, 1)])

    values = {"J": 1.0, "D": -1.0}
    a, b, c = (
        spin_waves(ferrimagnet(origin), [np.add(q, g if moved else 0)], values)
        for origin, moved in (((0, 0, 0), 0), (shift, 0), ((0, 0, 0), 1))
    )
    assert a.energies == pytest.approx(b.energies, abs=1e-9)
    assert a.s_perp == pytest.approx(b.s_perp, rel=1e-6, abs=1e-9)
    assert a.energies == pytest.approx(c.energies, abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(h=st.floats(-0.9, 0.9), k=st.floats(-0.9, 0.9))
def test_choice_of_cell_changes_nothing(h, k):
    # one layer of rb2mnf4 in the two-spin cell, and in the four-spin cell 2a x 2b of the chemical one
    material = load_material("rb2mnf4")
    a = 5.9538 / np.sqrt(2)
    sites = [Site("x", [x / 2, y / 2, 0], 2.5, [0, 0, (-1) ** (x + y)], "Mn2+") for x in (0, 1) for y in (0, 1)]
    bare = SpinModel(Lattice(2 * a, 2 * a, 13.77), sites)
    bonds = [Bond(*pair, name) for name, distance in (("J1", a), ("J2", 5.9538)) for pair in bare.neighbours(distance)]
    large = SpinModel(bare.lattice, sites, bonds, [OnSite(i, "D", np.diag([0, 0, 1.0])) for i in range(4)])
    small = spin_waves(material.model, [[h + k, k - h, 0.1]], material.defaults)
    big = spin_waves(large, [[2 * h, 2 * k, 0.1]], material.defaults)
    assert big.s_perp.sum() == pytest.approx(small.s_perp.sum(), rel=1e-6)
    for energy in small.energies[0, 0]:
        assert np.abs(big.energies[0, 0] - energy).min() < 1e-8


def test_moment_shared_by_two_ions_interferes():
    one, two = (
        SpinModel(Lattice(3, 8, 8), [Site("p", [0, 0, 0], 1, [0, 0, 1], pair=pair)], [Bond(0, 0, (1, 0, 0), "J")])
        for pair in ([0, 0, 0], [0.3, 0.1, 0.2])
    )
    a, b = (spin_waves(model, Q, {"J": -1}).s_perp[0, :, 0] for model in (one, two))
    assert b == pytest.approx(a * np.cos(np.pi * Q @ [0.3, 0.1, 0.2]) ** 2, abs=1e-12)
    assert SharedSolve.allowed(one) and not SharedSolve.allowed(two)


@settings(max_examples=15, deadline=None)
@given(h=st.floats(0.05, 0.45), k=st.floats(0.05, 0.45), l=st.floats(-3, 3), name=st.sampled_from(["rb2mnf4", "pcsmo-goodenough"]))
def test_structure_factor_has_the_symmetry_of_the_crystal(h, k, l, name):
    # rb2mnf4: the point group 4/mmm; Goodenough: mmm, of which the mirror across a takes each zig-zag chain to itself
    material = load_material(name)
    images = [(h, k, l), (-h, k, l), (h, -k, l), (h, k, -l)] + ([(k, h, l)] if name == "rb2mnf4" else [])
    q = np.array(images) @ np.array(material.map.cell).T
    modes = spin_waves(material.model, q, material.defaults)
    for energy in modes.energies[0]:
        assert energy == pytest.approx(modes.energies[0, 0], abs=1e-8)
    for moment in (modes.s_perp, modes.s_perp * modes.energies):
        assert moment[0].sum(-1) == pytest.approx(np.full(len(q), moment[0, 0].sum()), rel=1e-6)


def test_sum_rule_of_a_ferromagnet():
    # without zero-point fluctuations: S^xx + S^yy = S at every momentum, for any number of sites in the cell
    sites = [Site("a", [0, 0, 0], 1, [0, 0, 1]), Site("b", [0.3, 0.1, 0], 1, [0, 0, 1])]
    bonds = [Bond(0, 1, (0, 0, 0), "J"), Bond(1, 0, (1, 0, 0), "K"), Bond(0, 0, (0, 1, 0), "K")]
    modes = spin_waves(SpinModel(Lattice(4, 4, 4), sites, bonds), Q, {"J": -1, "K": -0.4})
    assert (np.abs(modes.amplitudes[..., :2]) ** 2).sum((-1, -2)) == pytest.approx(np.ones((1, len(Q))), rel=1e-9)


def honeycomb():
    sites = [Site("h", [1 / 3, 2 / 3, 0], 1, [0, 0, 1]), Site("h", [2 / 3, 1 / 3, 0], 1, [0, 0, 1])]
    return SpinModel(Lattice(6, 6, 12, gamma=120), sites, [Bond(0, 1, cell, "J") for cell in ((-1, 0, 0), (0, 0, 0), (0, 1, 0))])


def chain_of(spins):
    sites = [Site("c", [i / spins, 0, 0], 1, [0, 0, 1]) for i in range(spins)]
    return SpinModel(Lattice(3 * spins, 8, 8), sites, [Bond(i, (i + 1) % spins, (int(i + 1 == spins), 0, 0), "J") for i in range(spins)])


@pytest.mark.parametrize("model", [honeycomb(), chain_of(1), chain_of(2), chain_of(4), chain_of(10)], ids=lambda m: len(m.sites))
def test_goldstone_mode_of_a_ferromagnet_is_found_by_all_forms(model):
    folded, full = (spin_waves(model, [[0, 0, 0], [0, 1, 0], [1e-3, 0, 0]], {"J": -1}, fold=fold) for fold in (True, False))
    for modes in (folded, full):
        assert modes.status[0].tolist() == [SOFT, SOFT, STABLE]
        assert modes.energies[0, :2, 0].tolist() == [0, 0]
        # the sum over modes of S_perp of a saturated ferromagnet is S (1 + Qz^2 / Q^2) / 2 for spins along z; at Q = 0 the trace
        assert modes.s_perp[0].sum(-1) == pytest.approx([1, 0.5, 0.5], abs=1e-5)
    assert folded.energies == pytest.approx(full.energies, abs=1e-8)
