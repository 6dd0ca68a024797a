"""Cuts along a path and powder maps."""

import itertools

import numpy as np
import pytest

from mantid_insdl.errors import InstabilityError, MapError, MaterialError
from mantid_insdl.files import load, save
from mantid_insdl.instrument.resolution import FWHM_TO_SIGMA, bin_fractions, load_instrument
from mantid_insdl.instrument.temperature import BOLTZMANN
from mantid_insdl.maps import Axis
from mantid_insdl.materials import Material, load_material
from mantid_insdl.simulation.lines import lines_of
from mantid_insdl.simulation.spectra import dispersion, simulate_cut, simulate_powder
from mantid_insdl.spinwave import spin_waves, spiral_waves

ENERGY = Axis("energy", "meV", np.linspace(-1, 9, 101), is_edges=True)
CORNERS = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0], [0, 0, 0]]

CHAIN = Material.model_validate(
    {
        "name": "chain",
        "title": "Ferromagnetic chain along a",
        "family": "chain",
        "sources": ["none"],
        "parameters": [{"name": "J", "value": -1.0, "low": -2.0, "high": 0.0, "description": "along the chain"}],
        "cell": {"a": 3.0, "b": 8.0, "c": 8.0},
        "sites": [{"label": "a", "positions": [[0, 0, 0]], "spin": 1.0, "direction": [0, 1, 0]}],
        "bonds": [{"parameter": "J", "distance": 3.0}],
        "map": {"cell": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "frame": "the chain's cell"},
    }
)


def brute(name, cut, across, number, fwhm):
    """A cut from point values at many momenta in each step and across it, their lines of the given width and nothing else."""
    material, path = load_material(name), cut.path
    edges = np.concatenate(([1.5 * path[0] - 0.5 * path[1]], 0.5 * (path[1:] + path[:-1]), [1.5 * path[-1] - 0.5 * path[-2]]))
    place = ((np.arange(number) + 0.5) / number)[:, None]
    back, on = edges[:-1, None] + place * (path - edges[:-1])[:, None], path[:, None] + place * (edges[1:] - path)[:, None]
    sides = [[((j + 0.5) / number - 0.5) * np.asarray(w, float) for j in range(number)] for w in across]
    offsets = [np.sum(x, axis=0) for x in itertools.product(*sides)] if across else [np.zeros(3)]
    lattice, halves = material.model.lattice, []
    for half, ends in ((back, path - edges[:-1]), (on, edges[1:] - path)):
        total = np.zeros((len(path), ENERGY.size))
        for offset in offsets:
            lines = lines_of(material, material.defaults, (half + offset).reshape(-1, 3))
            shares = bin_fractions(lines.energies, np.full(lines.energies.shape, FWHM_TO_SIGMA * fwhm), ENERGY.edges)
            density = np.sum(np.nan_to_num(lines.intensities)[..., None] * shares, axis=1) / np.diff(ENERGY.edges)
            total += density.reshape(len(path), number, -1).mean(axis=1) / len(offsets)
        halves.append((total, np.linalg.norm(lattice.to_cartesian(ends @ np.array(material.map.cell).T), axis=1)[:, None]))
    return sum(total * length for total, length in halves) / sum(length for _, length in halves)


def rms(found, expected):
    return np.sqrt(np.sum((found - expected) ** 2) / np.sum(expected**2))


@pytest.mark.parametrize(
    ("name", "across", "points"),
    [
        ("rb2mnf4", [], 24),
        ("rb2mnf4", [(0.05, -0.05, 0)], 12),
        ("example-kagome", [], 24),
        ("rb2mnf4", [(0.03, -0.04, 0), (0, 0, 0.7)], 6),
        ("pcsmo-zener", [], 30),
    ],
)
def test_cut_is_the_average_over_each_step_and_across(name, across, points):
    cut = simulate_cut(name, corners=np.array(CORNERS) + 0.013, energy=ENERGY, points=points, fwhm=0.5, across=across)
    expected = brute(name, cut, across, 64 if not across else 20 if len(across) == 1 else 10, 0.5)
    assert rms(cut.intensity, expected) < 0.03
    assert cut.intensity.sum() == pytest.approx(expected.sum(), rel=0.02 if len(across) == 2 else 0.01)  # fewer samples


def test_cut_holds_the_modes_of_its_momenta():
    # steps too short to matter: the modes of the points
    cut = simulate_cut("rb2mnf4", corners=[[0.1, 0.2, 0], [0.101, 0.2, 0]], energy=ENERGY, points=3, fwhm=0.4)
    material = load_material("rb2mnf4")
    modes = spin_waves(material.model, cut.path @ np.array(material.map.cell).T, material.defaults)
    width = np.diff(ENERGY.edges)
    assert (cut.intensity * width).sum(1) == pytest.approx(np.nansum(modes.s_perp[0], axis=1), rel=1e-4)
    assert (cut.intensity * width * ENERGY.centres).sum(1) == pytest.approx(np.nansum((modes.s_perp * modes.energies)[0], axis=1), rel=1e-3)
    assert cut.kind == "cut" and cut.material == "rb2mnf4" and "chemical cell" in cut.frame


def test_incident_energy_gives_the_instruments_width():
    wide, narrow = (simulate_cut("rb2mnf4", corners=CORNERS, energy=ENERGY, points=5, ei=ei).intensity for ei in (60.0, 12.0))
    assert np.nanmax(narrow) > 2 * np.nanmax(wide)


def test_powder_average_of_a_ferromagnet():
    # sum over modes of S_perp = (1 - Qx^2 + 1 - Qz^2) S / 2, whose mean over directions is 2 S / 3
    q = Axis("q", "1/angstrom", [0.4, 1.1, 2.0])
    seen = []
    powder = simulate_powder(CHAIN, q=q, energy=ENERGY, fwhm=0.1, directions=2000, progress=lambda f, t: seen.append(f))
    assert (powder.intensity * 0.1).sum(1) == pytest.approx([2 / 3] * 3, rel=0.01)
    assert seen[-1] == 1.0 and powder.kind == "powder" and not powder.mask.any()
    # no mode is above 4 meV
    assert powder.intensity[:, ENERGY.centres > 4.5].sum() < 1e-3 * powder.intensity.sum()


def test_powder_is_the_average_over_its_shells():
    # a chain has one direction that counts: its momenta are uniform in cos of the angle, and in |Q| over a bin
    q, fwhm = Axis("q", "1/angstrom", [0.4, 1.1, 2.0, 2.4], is_edges=True), 0.2
    cosine, place = ((np.arange(n) + 0.5) / n for n in (2000, 40))
    rows = []
    for low, high in itertools.pairwise(q.edges):
        along = (low + (high - low) * place)[:, None] * cosine
        energy = 2 * (1 - np.cos(3.0 * along))
        # spins along b; the grains turn about the chain, <Qb^2> = <Qc^2> = (1 - cos^2) / 2: S_perp = (1 + <Qb^2>) S / 2
        weight = np.broadcast_to(0.5 * (1 + 0.5 * (1 - cosine**2)), energy.shape)
        share = bin_fractions(energy, np.full(energy.shape, FWHM_TO_SIGMA * fwhm), ENERGY.edges)
        rows.append((weight[..., None] * share).mean(axis=(0, 1)) / np.diff(ENERGY.edges))
    for directions, tolerance in (({"directions": 300}, 0.2), ({}, 0.03)):
        powder = simulate_powder(CHAIN, q=q, energy=ENERGY, fwhm=fwhm, **directions)
        for found, expected in zip(powder.intensity, rows, strict=True):
            assert rms(found, expected) < tolerance and found.sum() == pytest.approx(expected.sum(), rel=0.001)


def test_powder_is_masked_where_no_neutron_goes():
    q = Axis("q", "1/angstrom", np.linspace(0.2, 8, 20))
    powder = simulate_powder(CHAIN, q=q, energy=ENERGY, ei=10.0, directions=10)
    ki = np.sqrt(10 / 2.0721)
    assert powder.mask[q.centres > 2 * ki + 0.2].all() and not powder.mask[:5, :15].all()
    assert powder.mask[0, -1]


def test_temperature_multiplies_by_the_bose_factor():
    cold, warm = (
        simulate_cut(CHAIN, corners=[[0.5, 0, 0], [0.5, 1, 0]], energy=ENERGY, points=2, fwhm=0.1, temperature=t) for t in (0, 50)
    )
    # both points have energy 4 meV; the axis ends at -1
    assert warm.intensity.sum() / cold.intensity.sum() == pytest.approx(1 / (1 - np.exp(-4 / (BOLTZMANN * 50))), rel=1e-6)


def test_energy_gain_is_in_detailed_balance():
    both = Axis("energy", "meV", np.linspace(-6, 6, 241), is_edges=True)
    cut = simulate_cut(CHAIN, corners=[[0.5, 0, 0], [0.5, 1, 0]], energy=both, points=2, fwhm=0.1, temperature=50)
    loss, gain = (cut.intensity[:, part].sum(axis=1) for part in (both.centres > 0, both.centres < 0))
    assert gain / loss == pytest.approx(np.exp(-4 / (BOLTZMANN * 50)), rel=1e-6)
    cold = simulate_cut(CHAIN, corners=[[0.5, 0, 0], [0.5, 1, 0]], energy=both, points=2, fwhm=0.1)
    assert cold.intensity[:, both.centres < -1].max() == 0


def test_energy_gain_takes_the_spin_wave_of_the_opposite_momentum():
    # a ferromagnetic chain along its spins with antisymmetric exchange: 2 S (|J| (1 - cos) + Dz sin) is not even in q
    spiral = {"parameter": "Dz", "dm": [0, 1, 0], "segments": [[[0, 0, 0], [1, 0, 0]]]}
    data = CHAIN.model_dump() | {"bonds": [*CHAIN.model_dump()["bonds"], spiral], "anisotropy": [{"parameter": "D", "axis": [0, 1, 0]}]}
    data["parameters"] = [
        *data["parameters"],
        {"name": "Dz", "value": 0.4, "low": 0.0, "high": 1.0, "description": "antisymmetric"},
        {"name": "D", "value": -0.5, "low": -1.0, "high": 0.0, "description": "easy axis"},
    ]
    material = Material.model_validate(data)
    both = Axis("energy", "meV", np.linspace(-8, 8, 1601), is_edges=True)
    cut = simulate_cut(material, corners=[[0.25, 0, 0], [0.25, 1, 0]], energy=both, points=2, fwhm=0.05, temperature=40)
    there, back = (spin_waves(material.model, [[h, 0, 0]], material.defaults).energies[0, 0, 0] for h in (0.25, -0.25))
    assert there - back == pytest.approx(4 * 0.4, rel=1e-6)
    assert both.centres[cut.intensity[0].argmax()] == pytest.approx(there, abs=0.01)
    assert both.centres[np.where(both.centres < 0, cut.intensity[0], 0).argmax()] == pytest.approx(-back, abs=0.01)


def test_flux_factor_and_reach_of_an_incident_energy():
    line = {"corners": [[0.5, 0, 0], [0.5, 1, 0]], "energy": ENERGY, "points": 2, "fwhm": 0.1, "ei": 40.0}
    plain, counted = (simulate_cut(CHAIN, **line, kf_over_ki=one) for one in (False, True))
    assert np.nansum(counted.intensity) / np.nansum(plain.intensity) == pytest.approx(np.sqrt(1 - 4 / 40), rel=1e-6)
    low = simulate_cut(CHAIN, corners=[[0.02, 0, 0], [1.5, 0, 0]], energy=ENERGY, points=9, ei=10.0, fwhm=0.1)
    q, ki, kf = low.path[:, :1] * 2 * np.pi / 3, np.sqrt(10 / 2.0721), np.sqrt((10 - ENERGY.centres) / 2.0721)
    assert np.array_equal(low.mask, (q < abs(ki - kf)) | (q > ki + kf))
    assert low.mask[0].any() and low.mask[-1].any() and not low.mask[4].any() and low.ei == 10.0


def test_width_may_be_a_function_of_energy_or_an_instruments():
    line = {"corners": [[0.5, 0, 0], [0.5, 1, 0]], "energy": ENERGY, "points": 2}
    constant, function = (simulate_cut(CHAIN, **line, fwhm=one).intensity for one in (0.5, lambda energy: 0.125 * np.abs(energy)))
    assert function == pytest.approx(constant, abs=1e-12)  # all lines are at 4 meV
    maps = load_instrument("MAPS")
    default, named, given = (simulate_cut(CHAIN, **line, ei=20.0, instrument=one).intensity for one in (None, "MAPS", maps))
    np.testing.assert_array_equal(default, named)
    np.testing.assert_array_equal(default, given)


def test_dispersion_of_rb2mnf4_at_its_labelled_corners():
    # w = sqrt(A^2 - B^2): the gap at G, twice degenerate; 4 J1 S less what J2 takes, plus the anisotropy, at X and M'
    found = dispersion("rb2mnf4", {"J1": 0.65, "J2": 0.01, "D": -0.02}, corners=CORNERS, labels="GMXG", points=60)
    assert [label for _, label in found.corners] == ["G", "M", "X", "G"]
    s = 2.5
    gap = np.sqrt((4 * 0.65 * s + 0.04 * s) ** 2 - (4 * 0.65 * s) ** 2)  # also at M, a magnetic zone centre
    zone_boundary = 4 * 0.65 * s - 8 * 0.01 * s + 0.04 * s  # X = (1/2, 0)
    for (index, _), corner, energy in zip(found.corners, CORNERS, (gap, gap, zone_boundary, gap), strict=True):
        assert found.hkl[index] == pytest.approx(corner, abs=1e-12)
        assert found.energies[index] == pytest.approx([energy] * 2, rel=1e-7)
    assert found.energies.shape == found.s_perp.shape == (60, 2)
    assert found.axis.unit == "1/angstrom" and found.axis.size == 60 and "chemical cell" in found.frame
    # strong at the magnetic, weak at the nuclear zone centre
    assert found.s_perp[found.corners[1][0]].sum() > 10 * found.s_perp[found.corners[0][0]].sum()


def test_cut_has_the_corners_and_lines_of_the_dispersion():
    lines = dispersion("rb2mnf4", corners=CORNERS, labels="GMXG", points=30)
    cut = simulate_cut("rb2mnf4", corners=CORNERS, labels="GMXG", energy=ENERGY, points=30, fwhm=0.3)
    assert cut.corners == lines.corners and np.array_equal(cut.path, lines.hkl)
    assert cut.intensity[15] @ np.diff(ENERGY.edges) == pytest.approx(lines.s_perp[15].sum(), rel=0.02)  # far from the zone centres


def test_labels_survive_files(tmp_path):
    cut = simulate_cut("rb2mnf4", corners=CORNERS, labels=["Γ", "M", "", "G 2"], energy=ENERGY, points=30, fwhm=0.3)
    for name in ("cut.nxs", "cut.npz"):
        back = load(save(cut, tmp_path / name))
        assert back.corners == cut.corners
        assert back.path == pytest.approx(cut.path) and back.intensity == pytest.approx(cut.intensity)
        assert back.axes[0].unit == "1/angstrom"


def test_twins_by_exchange_average_h_k_and_k_h():
    energy = Axis("energy", "meV", np.linspace(2, 90, 45), is_edges=True)
    corners = [[0.1, 0, 0], [0.4, 0.3, 0]]
    both = simulate_cut("pcsmo-goodenough", corners=corners, energy=energy, points=7, fwhm=3.0)
    first = simulate_cut("pcsmo-goodenough", corners=corners, energy=energy, points=7, fwhm=3.0, twins=False)
    swapped = [[k, h, l] for h, k, l in corners]
    second = simulate_cut("pcsmo-goodenough", corners=swapped, energy=energy, points=7, fwhm=3.0, twins=False)
    assert both.intensity == pytest.approx(0.5 * (first.intensity + second.intensity), rel=1e-9)
    assert not np.allclose(first.intensity, second.intensity, rtol=0.1)
    lines = dispersion("pcsmo-goodenough", corners=corners, points=7)
    assert lines.energies.shape == (7, 32)


def twinned(*domains):
    """The chain with these domains."""
    data = CHAIN.model_dump()
    return Material.model_validate(data | {"map": data["map"] | {"twins": list(domains)}})


def test_domains_turn_the_crystal():
    material = twinned({"weight": 0.25}, {"weight": 0.75, "axis": [0, 0, 1], "angle": 90})  # a onto b
    corners = [[0.2, 0.0, 0], [0.5, 0.3, 0]]
    lines = dispersion(material, corners=corners, points=4)
    assert dispersion(material, corners=corners, points=4, twins=False).energies.shape == (4, 1)
    # the chain runs along b in the second domain: (h, k) of a = 3, b = 8 angstrom is seen as h' = k 3 / 8
    expected = [2 * (1 - np.cos(2 * np.pi * x)) for x in (lines.hkl[:, 0], lines.hkl[:, 1] * 3 / 8)]
    assert lines.energies == pytest.approx(np.transpose(expected), abs=1e-9)
    q = lines.hkl * 2 * np.pi / [3, 8, 8]
    unit = q / np.linalg.norm(q, axis=1, keepdims=True)
    # spins along b, and along -a in the second domain: (1 + (Q.spin)^2) S / 2
    assert lines.s_perp == pytest.approx(np.transpose([0.25 * (1 + unit[:, 1] ** 2) / 2, 0.75 * (1 + unit[:, 0] ** 2) / 2]), rel=1e-9)


def test_polarised_components_of_a_cut():
    line = {"corners": [[0.1, 0.2, 0], [0.5, 1, 0]], "energy": ENERGY, "points": 5, "fwhm": 0.3}
    seen = {name: simulate_cut(CHAIN, **line, component=name) for name in ("perp", "yy", "zz", "chiral")}
    assert seen["yy"].intensity + seen["zz"].intensity == pytest.approx(seen["perp"].intensity)
    q = seen["perp"].path * 2 * np.pi / [3, 8, 8]
    along = q[:, 1] / np.linalg.norm(q, axis=1)
    total = {name: (m.intensity * np.diff(ENERGY.edges)).sum(axis=1) for name, m in seen.items()}
    # closed form of a ferromagnet with spins along b, in the plane
    assert total["zz"] == pytest.approx([0.5] * 5, rel=1e-3)
    assert total["chiral"] == pytest.approx(-along, rel=1e-3)
    assert seen["yy"].logs["component"] == ("yy", "") and "component" not in seen["perp"].logs
    tilted = simulate_cut(CHAIN, **line, component="zz", vertical=(1, 0, 0))
    assert not np.allclose(tilted.intensity, seen["zz"].intensity)


def test_undefined_components_are_masked():
    cut = simulate_cut(CHAIN, corners=[[0, 0, 0.5], [0.5, 0, 0.5]], energy=ENERGY, points=5, fwhm=0.3, component="zz")
    assert cut.mask.all(axis=1).tolist() == [True, False, False, False, False]
    assert not simulate_cut(CHAIN, corners=[[0, 0, 0.5], [0.5, 0, 0.5]], energy=ENERGY, points=5, fwhm=0.3).mask.any()


def test_mirror_twins_have_the_opposite_chirality():
    line = {"corners": [[0.1, 0.2, 0], [0.5, 1, 0]], "energy": ENERGY, "points": 5, "fwhm": 0.3, "component": "chiral"}
    one = simulate_cut(CHAIN, **line)
    # the mirror across b leaves an axial vector along b as it is, the one across c turns it round
    for domain, sign in (({"mirror": [0, 1, 0]}, 1), ({"mirror": [0, 0, 1]}, -1), ({"axis": [0, 0, 1], "angle": 180}, -1)):
        turned = simulate_cut(twinned({"weight": 1.0, **domain}), **line)
        assert turned.intensity == pytest.approx(sign * one.intensity, abs=1e-12)


def test_components_of_a_powder():
    q = Axis("q", "1/angstrom", [0.4, 1.1])
    total = {
        name: simulate_powder(CHAIN, q=q, energy=ENERGY, fwhm=0.1, directions=500, component=name).intensity
        for name in ("perp", "yy", "zz", "chiral", "xx")
    }
    assert total["yy"] == pytest.approx(0.5 * total["perp"]) and total["zz"] == pytest.approx(total["yy"])
    assert (total["perp"] * 0.1).sum(axis=1) == pytest.approx([2 / 3] * 2, rel=0.015)  # what is nearly elastic is missing
    assert (total["xx"] * 0.1).sum(axis=1) == pytest.approx([1 / 3] * 2, rel=0.015)
    assert (total["chiral"] * 0.1).sum(axis=1) == pytest.approx([0, 0], abs=0.01)  # spins along +Q and -Q cancel


def test_spiral_material_is_calculated_in_the_rotating_frame():
    # J1-J2 chain in its chemical cell
    data = CHAIN.model_dump() | {"bonds": [{"parameter": "J", "distance": 3.0}, {"parameter": "J2", "distance": 6.0}]}
    data["parameters"] = [
        {"name": "J", "value": 1.0, "low": 0.0, "high": 2.0, "description": "near"},
        {"name": "J2", "value": 0.7, "low": 0.0, "high": 2.0, "description": "far"},
    ]
    k = [np.arccos(-1 / (4 * 0.7)) / (2 * np.pi), 0, 0]
    material = Material.model_validate(data | {"spiral": {"k": k, "axis": [0, 0, 1]}})
    lines = dispersion(material, corners=[[0.1, 0.3, 0.2], [0.4, 0, 1]], points=3)
    expected = spiral_waves(material.model, k, [0, 0, 1], lines.hkl, material.defaults)
    assert lines.energies == pytest.approx(expected.energies[0]) and lines.energies.shape == (3, 3)
    assert lines.s_perp == pytest.approx(expected.s_perp[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"corners": [[0, 0, 0]]}, "two corners"),
        ({"corners": [[0, 0], [1, 1]]}, "two corners"),
        ({"corners": [[0, 0, 0], [0, 0, 0]]}, "equal"),
        ({"points": 3}, "one for each corner"),
        ({"labels": ["G", "M"]}, "2 labels for 4 corners"),
        ({"labels": ["G", "M", "X", "a\nb"]}, "one line"),
        ({"fwhm": None}, "width is not given"),
        ({"instrument": "MAPS"}, "given twice"),
        ({"kf_over_ki": True}, "needs the incident energy"),
        ({"component": "xy"}, "chiral"),
        ({"vertical": (0, 0, 0)}, "no direction"),
        ({"fwhm": lambda energy: energy - 100}, "at all energies"),
        ({"fwhm": -1.0}, "positive"),
        ({"temperature": float("nan")}, "positive"),
        ({"fwhm": None, "ei": 5.0}, "above the incident energy"),
        ({"energy": Axis("q", "1/angstrom", [1, 2])}, "in meV"),
    ],
)
def test_bad_cuts(changes, message):
    arguments = {"corners": CORNERS, "energy": ENERGY, "points": 5, "fwhm": 0.3, **changes}
    with pytest.raises(MapError, match=message):
        simulate_cut("rb2mnf4", **arguments)


def test_bad_powders_and_parameters():
    with pytest.raises(MapError, match="above zero"):
        simulate_powder("rb2mnf4", q=Axis("q", "1/angstrom", [0.0, 1.0]), energy=ENERGY, fwhm=0.1)
    with pytest.raises(MapError, match="directions"):
        simulate_powder("rb2mnf4", q=Axis("q", "1/angstrom", [1.0]), energy=ENERGY, fwhm=0.1, directions=10**8)
    with pytest.raises(MaterialError, match="J1, J2, D"):
        simulate_cut("rb2mnf4", {"K": 1.0}, corners=CORNERS, energy=ENERGY, fwhm=0.1)
    with pytest.raises(InstabilityError, match=r"costs .* below zero"):
        simulate_cut("rb2mnf4", {"J1": -0.6}, corners=CORNERS, energy=ENERGY, fwhm=0.1)
