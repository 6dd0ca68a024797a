"""Magnets from space groups, CIF files, supercells and spirals: the same as written out by hand, and what is refused."""

from collections import Counter

import numpy as np
import pytest
import yaml

from mantid_insdl.errors import MaterialError
from mantid_insdl.materials import Material, load_material
from mantid_insdl.materials.shells import shells
from mantid_insdl.materials.summary import summarise
from mantid_insdl.spinwave import SpinModel, spin_waves, spiral_waves

HKL = np.random.default_rng(0).uniform(-1, 1, (6, 3))


def parameter(name, value, **more):
    return {"name": name, "value": value, "low": min(value, -9), "high": max(value, 9), "description": "x", **more}


def contents(**parts):
    """A material of one ferromagnetic bond, with parts of it replaced."""
    basic = {
        "name": "test",
        "title": "A test",
        "family": "test",
        "sources": ["the test"],
        "parameters": [parameter("J", -1.0)],
        "cell": {"a": 4.0, "b": 4.0, "c": 7.0},
        "sites": [{"label": "s", "positions": [[0, 0, 0]], "spin": 1.0, "direction": [0, 0, 1]}],
        "bonds": [{"parameter": "J", "distance": 4.0}],
    }
    return {key: value for key, value in {**basic, **parts}.items() if value is not None}


def material(**parts):
    return Material.model_validate(contents(**parts))


@pytest.fixture
def load(tmp_path):
    """Load a material from a file, beside which there may be others."""

    def one(files=None, **parts):
        for name, text in (files or {}).items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        path = tmp_path / "test.yaml"
        path.write_text(yaml.safe_dump(contents(**parts), sort_keys=False), encoding="utf-8")
        return load_material(path)

    return one


def energies(magnet, values=None, hkl=HKL):
    """At momenta in r.l.u. of the maps."""
    return spin_waves(magnet.model, hkl @ np.array(magnet.map.cell).T, values or magnet.defaults).energies[0]


def waves(magnet, values=None):
    return spin_waves(magnet.model, HKL @ np.array(magnet.map.cell).T, values or magnet.defaults)


# the shipped files, written again with symmetry


@pytest.mark.parametrize("direct", [False, True])
def test_square_lattice_from_its_chemical_cell_is_the_shipped_file(direct):
    shipped = load_material("rb2mnf4")
    a = 5.9538 / np.sqrt(2)
    segments = {"segment": [[0, 0, 0], [0, 1, 0]], "symmetric": True}, {"segment": [[0, 0, 0], [1, -1, 0]], "symmetric": True}
    shells = {"shell": 1}, {"shell": 2}
    bonds = [{"parameter": name, **one} for name, one in zip(("J1", "J2"), shells if direct else segments, strict=True)]
    mine = material(
        parameters=[p.model_dump() for p in shipped.parameters],
        cell={"a": a, "b": a, "c": 13.77},
        space_group="P 4/m m m",
        sites=[{"label": "Mn", "positions": [[0, 0, 0]], "spin": 2.5, "direction": [0, 0, 1], "ion": "Mn2+"}],
        supercell=[[1, 1, 0], [-1, 1, 0], [0, 0, 1]],
        order={"k": [0.5, 0.5, 0], "axis": [1, 0, 0]},
        bonds=bonds,
        anisotropy=[{"parameter": "D", "axis": [0, 0, 1]}],
    )
    assert mine.map.cell == shipped.map.cell
    assert Counter(b.parameter for b in mine.model.bonds) == {"J1": 4, "J2": 4}
    one, other = waves(mine), waves(shipped)
    assert one.energies == pytest.approx(other.energies, rel=1e-9)
    assert one.s_perp.sum(-1) == pytest.approx(other.s_perp.sum(-1), rel=1e-9)


def test_kagome_from_one_named_bond_is_the_shipped_file():
    shipped = load_material("example-kagome")
    mine = material(
        parameters=[p.model_dump() for p in shipped.parameters],
        cell={"a": 6, "b": 6, "c": 12, "gamma": 120},
        space_group=191,
        sites=[{"label": "k", "positions": [[0.5, 0, 0]], "spin": 1, "direction": [0, 0, 1]}],
        bonds=[
            {"parameter": "J", "shell": 1},
            {"parameter": "Dz", "segment": [[0.5, 0, 0], [1, 0.5, 0]], "symmetric": True, "dm": [0, 0, 1]},
        ],
    )
    one, other = waves(mine), waves(shipped)
    assert one.energies == pytest.approx(other.energies, rel=1e-9, abs=1e-9)
    assert one.s_perp == pytest.approx(other.s_perp, rel=1e-6, abs=1e-9)
    assert energies(mine, hkl=np.zeros((1, 3)))[0] == pytest.approx([0, 5.653590, 6.346410], abs=1e-6)


def triangle(**parts):
    return material(
        parameters=[parameter("J", 1.0)],
        cell={"a": 6, "b": 6, "c": 12, "gamma": 120},
        sites=[{"label": "t", "positions": [[0, 0, 0]], "spin": 1.5, "direction": [1, 0, 0]}],
        bonds=[{"parameter": "J", "shell": 1}],
        **parts,
    )


TURN = {"k": [1 / 3, 1 / 3, 0], "axis": [0, 0, 1]}


def test_triangular_lattice_in_three_ways_is_the_shipped_file():
    # w = 3 J S sqrt((1 - g)(1 + 2 g)) at q and q +- K
    shipped = energies(load_material("example-triangular"))
    rows = triangle(supercell=[[2, 1, 0], [-1, 1, 0], [0, 0, 1]], order=TURN)
    assert energies(rows) == pytest.approx(shipped, rel=1e-9)
    large = triangle(supercell=[3, 3, 1], order=TURN)
    assert len(large.model.sites) == 9
    for few, many in zip(shipped, energies(large), strict=True):
        assert np.abs(few[:, None] - many).min(axis=1) == pytest.approx(0, abs=1e-8)
    spiral = triangle(spiral=TURN)
    assert len(spiral.model.sites) == 1
    turning = spiral_waves(spiral.model, spiral.spiral.k, spiral.spiral.axis, HKL, spiral.defaults)
    assert turning.energies[0] == pytest.approx(shipped, rel=1e-8)


def test_cell_that_is_turned_keeps_the_frame_of_the_file():
    # x of the file is along a of the chemical cell; the supercell's own x is along its a', 45 degrees from it
    magnet = material(
        space_group="P 4/m m m",
        parameters=[parameter("J", -1.0), parameter("B", 1.0, unit="T")],
        supercell=[[1, 1, 0], [-1, 1, 0], [0, 0, 1]],
        sites=[{"label": "s", "positions": [[0, 0, 0]], "spin": 1, "direction": [1, 0, 0], "g": [2, 2, 3]}],
        bonds=[{"parameter": "J", "segment": [[0, 0, 0], [1, 0, 0]], "symmetric": True, "matrix": [[2, 0, 0], [0, 1, 0], [0, 0, 1]]}],
        fields=[{"parameter": "B", "direction": [1, 0, 0]}],
        map={"twins": [{"weight": 1, "mirror": [1, 0, 0]}]},
    )
    half = np.sqrt(0.5)
    assert [s.direction for s in magnet.model.sites] == [pytest.approx([half, -half, 0])] * 2
    assert magnet.model.fields[0].direction == pytest.approx([half, -half, 0])
    assert magnet.domains[0][1] == pytest.approx(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]]))
    plain = material(
        parameters=[parameter("J", -1.0), parameter("B", 1.0, unit="T")],
        space_group="P 4/m m m",
        sites=[{"label": "s", "positions": [[0, 0, 0]], "spin": 1, "direction": [1, 0, 0], "g": [2, 2, 3]}],
        bonds=[{"parameter": "J", "segment": [[0, 0, 0], [1, 0, 0]], "symmetric": True, "matrix": [[2, 0, 0], [0, 1, 0], [0, 0, 1]]}],
        fields=[{"parameter": "B", "direction": [1, 0, 0]}],
    )
    folded = np.sort(np.hstack([energies(plain), energies(plain, hkl=HKL + np.array([0.5, 0.5, 0]))]))
    assert np.sort(energies(magnet)) == pytest.approx(folded, rel=1e-9)


def test_directions_position_by_position():
    places = {(0, 0, 0): [0, 0, 1], (1, 0, 0): [0, 0, -1], (0, 1, 0): [0, 0, -1], (1, 1, 0): [0, 0, 1]}
    moments = [{"position": list(place), "direction": way} for place, way in places.items()]
    bare = {"label": "s", "positions": [[0, 0, 0]], "spin": 1.0}
    parts = {"supercell": [2, 2, 1], "parameters": [parameter("J", 1.0)]}
    listed = material(sites=[{**bare, "moments": moments}], **parts)
    ordered = material(sites=[{**bare, "direction": [0, 0, 1]}], order={"k": [0.5, 0.5, 0], "axis": [0, 1, 0]}, **parts)
    for one, other in zip(listed.model.sites, ordered.model.sites, strict=True):
        assert one.position == pytest.approx(other.position) and one.direction == pytest.approx(other.direction)
    with pytest.raises(ValueError, match=r"no direction at \[1.0, 1.0, 0.0\]"):
        material(sites=[{**bare, "moments": moments[:3]}], **parts)
    # some by themselves and the rest by the common direction; a position is known modulo the magnetic cell
    partly = [{"position": [-1, 0, 0], "direction": [0, 0, -1]}, {"position": [0, 3, 5], "direction": [0, 0, -1]}]
    assert [s.direction[2] for s in material(sites=[{**bare, "direction": [0, 0, 1], "moments": partly}], **parts).model.sites] == [
        s.direction[2] for s in listed.model.sites
    ]


def test_shells_are_numbered_by_length():
    bare = SpinModel(load_material("pcsmo-goodenough").model.lattice, load_material("pcsmo-goodenough").model.sites)
    # of the reference: shell 1 in the plane, 2 between layers, 3 along a, 8 the diagonals
    for shell, length in {1: 3.842, 2: 3.853, 3: 5.408, 8: 7.685}.items():
        assert shells(bare, shell)[-1][0] == pytest.approx(length, abs=1e-3)
    assert shells(material().model, 2)[-1][0] == pytest.approx(4 * np.sqrt(2))


def test_symmetry_turns_anisotropy_g_and_pair():
    # pyrochlore: four local <111> axes
    magnet = material(
        cell={"a": 10, "b": 10, "c": 10},
        space_group="F d -3 m:2",
        parameters=[parameter("J", -1.0), parameter("D", -1.0)],
        sites=[{"label": "Dy", "positions": [[0.5, 0.5, 0.5]], "spin": 1, "direction": [0, 0, 1], "g": (2 * np.eye(3) + 1).tolist()}],
        bonds=[{"parameter": "J", "shell": 1}],
        anisotropy=[{"parameter": "D", "axis": [1, 1, 1]}],
    )
    axes = {tuple(np.round(3 * term.tensor[np.triu_indices(3, 1)]).astype(int).tolist()) for term in magnet.model.onsite}
    assert len(magnet.model.onsite) == 16
    assert axes == {(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)}
    for site, term in zip(magnet.model.sites, magnet.model.onsite, strict=True):
        assert site.g == pytest.approx(2 * np.eye(3) + 3 * term.tensor)
    fourfold = material(
        cell={"a": 4, "b": 4, "c": 7},
        space_group="P 4",
        sites=[{"label": "p", "positions": [[0.25, 0.1, 0]], "spin": 1, "direction": [0, 0, 1], "pair": [0.1, 0, 0]}],
        bonds=[{"parameter": "J", "shell": 1}],
    )
    pairs = sorted(tuple((np.round(site.pair, 6) + 0.0).tolist()) for site in fourfold.model.sites)
    assert pairs == [(-0.1, 0.0, 0.0), (0.0, -0.1, 0.0), (0.0, 0.1, 0.0), (0.1, 0.0, 0.0)]


def test_found_space_group_forbids_what_the_named_one_does():
    parts = {
        "sites": [{"label": "s", "positions": [[0, 0, 0.1], [0, 0, -0.1]], "spin": 1.0, "direction": [0, 0, 1]}],
        "parameters": [parameter("J", -1.0), parameter("D", -0.1)],
    }
    assert len(material(space_group="find", anisotropy=[{"parameter": "D", "axis": [0, 0, 1]}], **parts).model.onsite) == 2
    with pytest.raises(ValueError, match=r"4/mmm.*allows the symmetric matrices \[\[A, 0, 0\], \[0, A, 0\], \[0, 0, B\]\]"):
        material(space_group="find", anisotropy=[{"parameter": "D", "axis": [1, 0, 0]}], **parts)


def test_biquadratic_bond_reaches_the_model():
    magnet = material(
        parameters=[parameter("J", -1.0), parameter("K", -0.1)],
        bonds=[{"parameter": "J", "shell": 1}, {"parameter": "K", "shell": 1, "biquadratic": True}],
    )
    assert [bond.biquadratic for bond in magnet.model.bonds] == [False, False, True, True]
    # E = K (S.S)^2 is to second order 2 K S^2 (S.S) about a ferromagnet of S = 1
    assert energies(magnet) == pytest.approx(energies(material(), {"J": -1.2}), rel=1e-9)


def test_domains():
    twins = [
        {"weight": 0.5},
        {"weight": 0.2, "axis": [0, 0, 2], "angle": 90},
        {"weight": 0.2, "mirror": [1, -1, 0]},
        {"weight": 0.1, "matrix": [[-1, 0, 0], [0, -1, 0], [0, 0, 1]]},
    ]
    weights, matrices = zip(*material(map={"twins": twins}).domains, strict=True)
    assert weights == (0.5, 0.2, 0.2, 0.1)
    expected = [np.eye(3), [[0, -1, 0], [1, 0, 0], [0, 0, 1]], [[0, 1, 0], [1, 0, 0], [0, 0, 1]], np.diag([-1, -1, 1])]
    for one, other in zip(matrices, expected, strict=True):
        assert one == pytest.approx(np.array(other), abs=1e-12)
    for name in ("none", "swap"):
        ((weight, matrix),) = material(map={"twins": name}).domains
        assert weight == 1 and np.array_equal(matrix, np.eye(3))
    text = summarise(material(map={"twins": twins, "beam": [1, 1, 0]}), grid=2)
    assert "0.2 turned by 90 degrees about (0, 0, 2); 0.2 reflected at" in text and "beam is along (1, 1, 0)" in text


def test_material_survives_being_written_and_read():
    magnet = triangle(supercell=[3, 3, 1], order=TURN)
    again = Material.model_validate(yaml.safe_load(magnet.model_dump_json()))
    assert again == magnet and len(again.model.bonds) == len(magnet.model.bonds)


# CIF files

CIF = """data_test
_cell_length_a {a}
_cell_length_b {b}
_cell_length_c {c}
_cell_angle_alpha 90
_cell_angle_beta 90.00(2)
_cell_angle_gamma {gamma}
{symmetry}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
{atoms}
"""
PBNM = """loop_
_space_group_symop_operation_xyz
'x, y, z'
'-x, -y, z+1/2'
'-x+1/2, y+1/2, -z+1/2'
'x+1/2, -y+1/2, -z'
'-x, -y, -z'
'x, y, -z+1/2'
'x+1/2, -y+1/2, z+1/2'
'-x+1/2, y+1/2, z'"""
PEROVSKITE = "La1 La3+ 0.983 0.058 0.25\nFe1 Fe3+ 0 0.5 0\nO1 O2- 0.110 0.461 0.25"
ORTHO = {"a": "5.28(1)", "b": 5.59, "c": 7.60, "gamma": 90}


@pytest.mark.parametrize("symmetry", [PBNM, "_symmetry_space_group_name_H-M 'P b n m'"])
def test_cif_in_a_setting_that_is_not_the_standard_one(load, symmetry):
    # orthoferrite: four Fe at (0, 1/2, 0) (0, 1/2, 1/2) (1/2, 0, 0) (1/2, 0, 1/2) of Pbnm, each with six neighbours
    magnet = load(
        {"perovskite.cif": CIF.format(**ORTHO, symmetry=symmetry, atoms=PEROVSKITE)},
        cell=None,
        cif="perovskite.cif",
        parameters=[parameter("Jc", -1.0), parameter("Jab", -1.0)],
        sites=[{"atom": "Fe1", "spin": 2.5, "direction": [1, 0, 0], "ion": "Fe3+"}],
        bonds=[
            {"parameter": "Jc", "segment": [[0, 0.5, 0], [0, 0.5, 0.5]], "symmetric": True},
            {"parameter": "Jab", "segment": [[0, 0.5, 0], [0.5, 0, 0]], "symmetric": True},
        ],
    )
    assert {tuple(np.mod(np.round(s.position, 6), 1).tolist()) for s in magnet.model.sites} == {
        (0, 0.5, 0), (0, 0.5, 0.5), (0.5, 0, 0), (0.5, 0, 0.5)
    }  # fmt: skip
    assert Counter(b.parameter for b in magnet.model.bonds) == {"Jc": 4, "Jab": 8}
    assert magnet.model.lattice.a == 5.28 and magnet.model.sites[0].label == "Fe1"
    # the bond along c lies in the mirror plane z = 1/4 only with its midpoint: D is in that plane
    couplings = [c for c in magnet.exchange if c.spec == 0]
    assert "[[A, B, C], [B, D, E], [-C, -E, F]]" in summarise(magnet, grid=2)
    assert len(couplings) == 4


def test_hexagonal_cif_with_rounded_coordinates(load):
    magnet = load(
        {"h.cif": CIF.format(a=6, b=6, c=12, gamma=120, symmetry="_space_group_IT_number 191", atoms="Ru1 Ru 0.3333 0.6667 0")},
        cell=None,
        cif="h.cif",
        sites=[{"atom": "Ru1", "spin": 0.5, "direction": [0, 0, 1]}],
        bonds=[{"parameter": "J", "shell": 1}],
    )
    assert len(magnet.model.sites) == 2 and len(magnet.model.bonds) == 3
    # ferromagnet: w = |J| S (3 -+ |f|), |f|^2 = 3 + 2 cos h + 2 cos k + 2 cos(h + k)
    h, k, _ = 2 * np.pi * HKL.T
    f = np.sqrt(3 + 2 * np.cos(h) + 2 * np.cos(k) + 2 * np.cos(h + k))
    assert energies(magnet) == pytest.approx(0.5 * np.stack([3 - f, 3 + f], axis=1), rel=1e-9)


MAGNETIC = """loop_
_space_group_symop_magn_operation.id
_space_group_symop_magn_operation.xyz
{operations}
loop_
_space_group_symop_magn_centering.id
_space_group_symop_magn_centering.xyz
{centrings}
loop_
_atom_site_moment.label
_atom_site_moment.crystalaxis_x
_atom_site_moment.crystalaxis_y
_atom_site_moment.crystalaxis_z
{moments}"""


def mcif(cell, operations, moments, atoms, centrings="1 x,y,z,+1"):
    lines = "\n".join(f"{index} {text}" for index, text in enumerate(operations, 1))
    return CIF.format(**cell, symmetry=MAGNETIC.format(operations=lines, centrings=centrings, moments=moments), atoms=atoms)


def test_magnetic_cif_with_an_antitranslation_is_the_square_antiferromagnet(load):
    # magnetic cell (a+b, b-a) of Rb2MnF4 with the moment along c: the translation (1/2, 1/2, 0) reverses time
    shipped = load_material("rb2mnf4")
    text = mcif(
        {"a": 5.9538, "b": 5.9538, "c": 13.77, "gamma": 90},
        ["x,y,z,+1", "-y,x,z,+1", "-x,-y,z,+1", "y,-x,z,+1", "-x,-y,-z,+1", "y,-x,-z,+1", "x,y,-z,+1", "-y,x,-z,+1"],
        "Mn1 0.0 0.0 4.6(2)",
        "Mn1 Mn 0 0 0\nF1 F 0.25 0.25 0",
        "1 x,y,z,+1\n2 x+1/2,y+1/2,z,-1",
    )
    magnet = load(
        {"rb2mnf4.mcif": text},
        cell=None,
        cif="rb2mnf4.mcif",
        parameters=[p.model_dump() for p in shipped.parameters],
        sites=[{"atom": "Mn1", "spin": 2.5, "ion": "Mn2+"}],
        bonds=[{"parameter": "J1", "segment": [[0, 0, 0], [0.5, 0.5, 0]], "symmetric": True}, {"parameter": "J2", "distance": 5.9538}],
        anisotropy=[{"parameter": "D", "axis": [0, 0, 1]}],
        map={"cell": [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]},
    )
    assert [s.direction.tolist() for s in magnet.model.sites] == [[0, 0, 1], [0, 0, -1]]
    assert waves(magnet).energies == pytest.approx(waves(shipped).energies, rel=1e-9)
    assert waves(magnet).s_perp.sum(-1) == pytest.approx(waves(shipped).s_perp.sum(-1), rel=1e-9)


def test_magnetic_cif_turns_the_moments_of_the_kagome_plane(load):
    # k = 0 order of 120 degrees: the three-fold axis turns positions and moments together. Components along hexagonal unit vectors:
    # (1, 2) is at right angles to a.
    text = mcif({"a": 6, "b": 6, "c": 12, "gamma": 120}, ["x,y,z,+1", "-y,x-y,z,+1", "-x+y,-x,z,+1"], "Fe1 1.0 2.0 0.0", "Fe1 Fe 0.5 0 0")
    magnet = load(
        {"kagome.mcif": text},
        cell=None,
        cif="kagome.mcif",
        parameters=[parameter("J", 1.0), parameter("D", 0.1)],
        sites=[{"atom": "Fe1", "spin": 2.5, "ion": "Fe3+"}],
        bonds=[{"parameter": "J", "shell": 1}],
        anisotropy=[{"parameter": "D", "axis": [0, 0, 1]}],
    )
    half = np.sqrt(0.75)
    found = {tuple((np.round(s.position, 4) + 0.0).tolist()): s.direction for s in magnet.model.sites}
    assert found[(0.5, 0.0, 0.0)] == pytest.approx([0, 1, 0])
    assert found[(0.0, 0.5, 0.0)] == pytest.approx([-half, -0.5, 0])
    assert found[(0.5, 0.5, 0.0)] == pytest.approx([half, -0.5, 0])
    assert waves(magnet).stable.all()


def test_moments_are_axial(load):
    # a mirror plane turns a moment in it; one at right angles stays, and reversal of time brings back the other
    cell = {"a": 4, "b": 5, "c": 7, "gamma": 90}
    parts = {"cell": None, "cif": "m.mcif", "sites": [{"atom": "Ni1", "spin": 1, "ion": "Ni2+"}], "bonds": [{"parameter": "J", "shell": 1}]}
    for operation, moment, image in (
        ("-x,y,z,+1", "1 1 0", [1, -1, 0]),
        ("-x,y,z,-1", "1 1 0", [-1, 1, 0]),
        ("-x,-y,-z,+1", "1 1 0", [1, 1, 0]),
    ):
        magnet = load({"m.mcif": mcif(cell, ["x,y,z,+1", operation], f"Ni1 {moment}", "Ni1 Ni 0.2 0.1 0.1")}, **parts)
        assert magnet.model.sites[1].direction == pytest.approx(np.array(image) / np.sqrt(2))
    with pytest.raises(MaterialError, match="forbids the moment of Ni1"):
        load({"m.mcif": mcif(cell, ["x,y,z,+1", "-x,y,z,+1"], "Ni1 0 0 1", "Ni1 Ni 0 0.1 0.1")}, **parts)


# what is refused, and where


def named(**more):
    return [{"parameter": "J", "segment": [[0, 0, 0], [1, 0, 0]], **more}]


def site(**more):
    return [{"label": "s", "positions": [[0, 0, 0]], "spin": 1.0, "direction": [0, 0, 1], **more}]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"bonds": named(symmetric=True)}, r"'bonds.0' \(line \d+\).*no space group; add space_group or cif"),
        (
            {"space_group": "P 4/m m m", "bonds": named(symmetric=True, dm=[0, 0, 1])},
            r"'bonds.0'.*exchange of J on the bond s \(0, 0, 0\) to s \(1, 0, 0\) is forbidden.*"
            r"allows the matrices \[\[A, 0, 0\], \[0, B, 0\], \[0, 0, C\]\], and no Dzyaloshinskii-Moriya vector",
        ),
        ({"space_group": "P 4/m m m", "bonds": named(dm=[0, 0, 1])}, "forbidden by the symmetry of the bond"),
        (
            {
                "space_group": "P 4/m m m",
                "bonds": [{"parameter": "J", "segments": [named()[0]["segment"], [[0, 0, 0], [0, 1, 0]]], "symmetric": True}],
            },
            "given twice; name one of all equivalent bonds",
        ),
        ({"space_group": "P 4/q"}, r"'space_group' \(line \d+\).*no space group 'P 4/q'"),
        ({"space_group": "P m -3 m"}, r"'space_group'.*cell has not the symmetry of P m -3 m.*a, b, c = 4, 4, 7"),
        ({"space_group": "P 4/m m m", "sites": site(positions=[[0.2, 0, 0], [0, 0.2, 0]])}, "makes both; list one of all equivalent"),
        ({"sites": site(positions=[[0, 0, 0], [1, 0, 0]])}, "both at .*list each position once"),
        ({"sites": []}, r"'sites' \(line \d+\).*no spins"),
        ({"sites": site(ion="O2-")}, r"'sites.0' \(line \d+\).*a moment on O2-, which is no magnetic ion"),
        ({"sites": site(ion="Ti4+")}, r"no magnetic form factor for Ti4\+.*Ti3\+"),
        ({"sites": site(ion="La3+")}, r"a moment on La3\+: the element has no magnetic form factor"),
        ({"sites": site(ion="manganese")}, r"is no ion"),
        ({"sites": site(spin=0)}, "greater than 0"),
        ({"sites": site(direction=None)}, "no spin direction; give direction"),
        ({"sites": site(g=[1, 2])}, r"'sites.0.g' \(line \d+\).*no g-tensor"),
        (
            {"space_group": "P 4/m m m", "sites": site(g=[1, 2, 3])},
            r"g-tensor of s is forbidden.*\[\[A, 0, 0\], \[0, A, 0\], \[0, 0, B\]\]",
        ),
        ({"space_group": "P 4/m m m", "sites": site(pair=[0.1, 0, 0])}, "turns the pair of s at"),
        ({"sites": site(label="", positions=None)}, "no label"),
        ({"sites": site(positions=[])}, "either positions or an atom"),
        ({"sites": site(atom="Mn1", positions=None)}, "there is no CIF file"),
        (
            {"sites": site(moments=[{"position": [0.5, 0, 0], "direction": [0, 0, 1]}])},
            r"'sites.0.moments.0' \(line \d+\).*no site of s is at",
        ),
        ({"sites": site(moments=[{"position": [0, 0, 0], "direction": [0, 0, 0]}])}, "vector is zero"),
        ({"cell": None}, "either a cell or a CIF file"),
        ({"cif": "no.cif"}, "either a cell or a CIF file"),
        ({"cell": {"a": -4, "b": 4, "c": 7}}, r"'cell' \(line \d+\).*not positive"),
        ({"cell": None, "cif": "no.cif"}, r"'cif' \(line \d+\).*cannot read the CIF file"),
        ({"supercell": [2, 2]}, r"'supercell' \(line \d+\).*no supercell; give three whole numbers"),
        ({"supercell": [1.5, 1, 1]}, "no supercell"),
        ({"supercell": [[0, 1, 0], [1, 0, 0], [0, 0, 1]]}, "right-handed"),
        (
            {"supercell": [3, 1, 1], "order": {"k": [0.5, 0, 0], "axis": [0, 0, 1]}},
            r"'order.k' \(line \d+\).*does not repeat.*supercell: \[2, 1, 1\]",
        ),
        ({"supercell": [3, 1, 1], "order": {"k": [0.2137, 0, 0], "axis": [0, 0, 1]}}, "give an incommensurate order by spiral"),
        ({"spiral": {"k": [0.5, 0, 0], "axis": [0, 0, 1]}}, r"'spiral.k' \(line \d+\).*half a reciprocal.*order.*supercell: \[2, 1, 1\]"),
        ({"spiral": {"k": [0.3, 0, 0], "axis": [0, 0, 0]}}, r"'spiral.axis' \(line \d+\).*vector is zero"),
        ({"spiral": {"k": [0.3, 0, 0], "axis": [0, 0, 1]}, "supercell": [2, 1, 1]}, "a spiral in a supercell"),
        ({"spiral": {"k": [0.3, 0, 0], "axis": [0, 0, 1]}, "order": {"k": [0, 0, 0], "axis": [0, 0, 1]}}, "both order and spiral"),
        (
            {"spiral": {"k": [0.3, 0, 0], "axis": [0, 0, 1]}, "bonds": named(dm=[1, 0, 0])},
            r"'spiral' \(line \d+\).*changes under rotations",
        ),
        ({"bonds": [{"parameter": "J"}]}, "either a distance or segments or a shell"),
        ({"bonds": [{"parameter": "J", "distance": 4.0, "symmetric": True}]}, "no bond is named"),
        ({"bonds": named(between=["s", "s"])}, "leave out between"),
        ({"bonds": named(dm=[0, 0, 1], biquadratic=True)}, "more than one of matrix, dm and biquadratic"),
        ({"bonds": [{"parameter": "J", "segment": [[0, 0, 0], [0, 0, 0]]}]}, "joins a site with itself"),
        ({"bonds": [{"parameter": "J", "distance": 4.5}]}, r"J has no bond.*at 4.5 angstrom; the five shortest.*4.000, 5.657, 7.000"),
        ({"bonds": named(matrix=[[float("nan"), 0, 0], [0, 1, 0], [0, 0, 1]])}, "finite"),
        ({"anisotropy": [{"parameter": "J", "axis": [0, 0, 0]}]}, r"'anisotropy.0.axis' \(line \d+\).*vector is zero"),
        ({"anisotropy": [{"parameter": "J"}]}, "either an axis or a matrix"),
        ({"anisotropy": [{"parameter": "J", "matrix": [[0, 1, 0], [0, 0, 0], [0, 0, 0]]}]}, "not symmetric"),
        ({"anisotropy": [{"parameter": "J", "axis": [0, 0, 1], "labels": ["t"]}]}, "name t; the sites are s"),
        ({"fields": [{"parameter": "J", "direction": [0, 0, 0]}]}, r"'fields.0.direction'.*vector is zero"),
        ({"map": {"beam": [0, 0, 0]}}, r"'map.beam' \(line \d+\)"),
        ({"map": {"cell": [[1, 0, 0], [2, 0, 0], [0, 0, 1]]}}, "no inverse"),
        ({"map": {"twins": "both"}}, r"'none' or 'swap'"),
        ({"map": {"twins": [{"weight": 0.5}, {"weight": 0.4, "mirror": [1, 0, 0]}]}}, r"'map.twins' \(line \d+\).*add up to 0.9"),
        ({"map": {"twins": [{"weight": 1, "axis": [0, 0, 1]}]}}, "needs an axis and an angle"),
        ({"map": {"twins": [{"weight": 1, "matrix": [[1, 1, 0], [0, 1, 0], [0, 0, 1]]}]}}, "not orthogonal"),
        ({"map": {"twins": [{"weight": 1, "matrix": np.eye(3).tolist(), "mirror": [1, 0, 0]}]}}, "more than one of axis"),
        ({"map": {"twins": [{"weight": -1}]}}, "weight.*line.*greater than 0"),
    ],
)
def test_wrong_file_says_what_where_and_how_to_fix(load, parts, message):
    if "sites" in parts:
        parts["sites"] = [{key: value for key, value in one.items() if value is not None} for one in parts["sites"]]
    with pytest.raises(MaterialError, match=r"(?s)" + message):
        load(**parts)


@pytest.mark.parametrize(
    ("text", "parts", "message"),
    [
        ("data_x\n_cell_length_a", {}, "cannot read the CIF file"),
        ("data_x\n_chemical_name y\n", {}, "no crystal structure"),
        (CIF.format(**ORTHO, symmetry="", atoms=PEROVSKITE), {}, "gives no symmetry"),
        (CIF.format(**{**ORTHO, "b": "?"}, symmetry=PBNM, atoms=PEROVSKITE), {}, "has no _cell_length_b"),
        (CIF.format(**ORTHO, symmetry=PBNM, atoms="La1 La ? 0 0"), {}, "no atom Fe1: it has La1"),
        (CIF.format(**ORTHO, symmetry=PBNM.replace("'-x, -y, -z'\n", ""), atoms=PEROVSKITE), {}, "7 symmetry operations.*are no group"),
        (CIF.format(**ORTHO, symmetry="_cell_wave_vector_x 0.3\n" + PBNM, atoms=PEROVSKITE), {}, "modulated structure"),
        (CIF.format(**ORTHO, symmetry=PBNM, atoms=PEROVSKITE), {"ion": "Mn3+"}, r"ion is Mn3\+, but the atom of the CIF file is Fe"),
        (CIF.format(**ORTHO, symmetry=PBNM, atoms=PEROVSKITE), {"atom": "La1", "ion": ""}, "a moment on La3.: the element has no"),
        (CIF.format(**ORTHO, symmetry=PBNM, atoms=PEROVSKITE), {"direction": None}, "no spin direction"),
        (CIF.format(**ORTHO, symmetry=PBNM, atoms="Fe1 Fe ? 0.5 0"), {}, "no known position"),
        (mcif(ORTHO, ["x,y,z"], "Fe1 0 0 1", "Fe1 Fe 0 0.5 0"), {}, r"does not end on \+1 or -1"),
        (mcif(ORTHO, ["x,y,z,+1"], "Fe2 0 0 1", "Fe1 Fe 0 0.5 0"), {}, "moment to Fe2: there is no such atom"),
    ],
)
def test_wrong_cif_says_so(load, text, parts, message):
    one = {"atom": "Fe1", "spin": 2.5, "direction": [0, 0, 1], "ion": "Fe3+", **parts}
    sites = [{key: value for key, value in one.items() if value is not None}]
    with pytest.raises(MaterialError, match=r"(?is)" + message):
        load({"x.cif": text}, cell=None, cif="x.cif", sites=sites, bonds=[{"parameter": "J", "shell": 1}])


def test_momenta_and_positions_may_be_fractions(load):
    chain = {"supercell": [4, 1, 1]}
    exact = load(**chain, order={"k": ["1/4", 0, 0], "axis": [0, 1, 0]})
    assert exact.order.k == (0.25, 0, 0)
    assert exact == material(**chain, order={"k": [0.25, 0, 0], "axis": [0, 1, 0]})
    sites = [{"label": "s", "positions": [["-1/4", " 2/3 ", "0.5"]], "spin": 1.0, "direction": [0, 0, 1]}]
    assert material(sites=sites).sites[0].positions == [(-0.25, 2 / 3, 0.5)]


@pytest.mark.parametrize(
    ("text", "said"), [("1/0", "divides by zero"), ("1/x", "valid number"), ("1/3/3", "valid number"), ("1/" + "9" * 99, "valid number")]
)
def test_what_is_no_fraction_is_refused(load, text, said):
    with pytest.raises(MaterialError, match=rf"'order.k.1' \(line \d+\).*{said}"):
        load(order={"k": [0, text, 0], "axis": [0, 0, 1]})
