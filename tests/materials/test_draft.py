"""First material files out of CIF files: sites, spins, shells and allowed exchange of crystals that are known."""

import re

import numpy as np
import pytest
import yaml

from mantid_insdl.errors import MaterialError
from mantid_insdl.materials.charges import assumed_charges
from mantid_insdl.materials.cif import read_cif
from mantid_insdl.materials.draft import draft
from mantid_insdl.materials.ions import usual_spin
from mantid_insdl.materials.loading import load_material, parse_material
from mantid_insdl.materials.summary import summarise

CIF = """data_{name}
_chemical_formula_sum '{formula}'
_journal_name_full 'Z. Kristallogr.'
_journal_volume 111
_journal_year 1958
_cell_length_a {a}
_cell_length_b {b}
_cell_length_c {c}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma {gamma}
{symmetry}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_occupancy
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
{atoms}
"""


def cif(atoms, group="", *, a, c, b=None, gamma=90, symmetry=None, formula="?"):
    symmetry = symmetry or f"_space_group_name_H-M_alt '{group}'"
    return CIF.format(name="x", formula=formula, a=a, b=b or a, c=c, gamma=gamma, symmetry=symmetry, atoms=atoms)


# rutile, corundum and K2NiF4 structures; cells of MnF2 and Cr2O3 by W. H. Baur, Acta Cryst. B 32, 2200 (1976), and
# L. W. Finger and R. M. Hazen, J. Appl. Phys. 51, 5362 (1980)
MNF2 = cif("Mn1 Mn 1 0 0 0\nF1 F 1 0.305 0.305 0", "P 42/m n m", a=4.8734, c=3.3103, formula="Mn F2")
CR2O3 = cif("Cr1 Cr 1 0 0 0.3475\nO1 O 1 0.3058 0 0.25", "R -3 c:H", a=4.9607, c=13.599, gamma=120, formula="Cr2 O3")
RB2MNF4 = cif(
    "Rb1 Rb1+ 1 0 0 0.356\nMn1 Mn2+ 1 0 0 0\nF1 F1- 1 0 0.5 0\nF2 F1- 1 0 0 0.153", "I 4/m m m", a=4.215, c=13.77, formula="Rb2 Mn F4"
)
# F. Moussa et al., Phys. Rev. B 54, 15149 (1996): planes of parallel moments, alternating along b of P n m a
LAMNO3 = cif(
    "La1 La 1 0.549 0.25 0.01\nMn1 Mn 1 0 0 0.5\nO1 O 1 -0.014 0.25 -0.07\nO2 O 1 0.309 0.039 0.224",
    a=5.742,
    b=7.668,
    c=5.532,
    symmetry="""_parent_space_group.child_transform_Pp_abc 'a,b,c;0,0,0'
loop_
_space_group_symop_magn_operation.id
_space_group_symop_magn_operation.xyz
1 x,y,z,+1
2 -x+1/2,-y,z+1/2,-1
3 x+1/2,-y+1/2,-z+1/2,-1
4 -x,y+1/2,-z,+1
5 -x,-y,-z,+1
6 x+1/2,y,-z+1/2,-1
7 -x+1/2,y+1/2,z+1/2,-1
8 x,-y+1/2,z,+1
loop_
_atom_site_moment.label
_atom_site_moment.crystalaxis_x
_atom_site_moment.crystalaxis_y
_atom_site_moment.crystalaxis_z
Mn1 3.87 0 0""",
)


@pytest.fixture
def make(tmp_path):
    """The draft of a CIF text, as it is read and as a material."""

    def one(text, name="x.cif", **options):
        (tmp_path / name).write_text(text, encoding="utf-8")
        written = draft(tmp_path / name, folder=tmp_path, **options)
        return yaml.safe_load(written), parse_material(written, "draft", tmp_path), written

    return one


def bonds(material):
    found = {}
    for bond in material.model.bonds:
        found[bond.parameter] = found.get(bond.parameter, 0) + 1
    return found


def lengths(data):
    return [float(re.search(r"([\d.]+) angstrom", one["description"])[1]) for one in data["parameters"]]


def test_manganese_fluoride_has_its_three_neighbours_and_two_kinds_of_seventh(make):
    """Of 2, 8 and 4 neighbours; the seventh, along the diagonals, lie along and across the fluorines: rutile's alternating sublattices."""
    data, material, text = make(MNF2, reach=7.0)
    a, c = 4.8734, 3.3103
    assert [one["name"] for one in data["parameters"]] == ["J1a", "J2a", "J3a", "J4a", "J5a", "J6a", "J7a", "J7b"]
    expected = [
        c,
        np.hypot(a / np.sqrt(2), c / 2),
        a,
        np.hypot(a, c),
        np.hypot(a / np.sqrt(2), 1.5 * c),
        2 * c,
        a * np.sqrt(2),
        a * np.sqrt(2),
    ]
    assert lengths(data) == pytest.approx(expected, abs=6e-4)
    assert bonds(material) == {"J1a": 2, "J2a": 8, "J3a": 4, "J4a": 8, "J5a": 8, "J6a": 2, "J7a": 2, "J7b": 2}
    assert data["sites"] == [{"atom": "Mn1", "spin": 2.5, "ion": "Mn2+", "direction": [0, 0, 1]}]
    assert "the charge that makes the formula neutral" in text and "direction is to be set" in text
    assert data["sources"] == ["Z. Kristallogr., 111, 1958"] and data["title"] == "Mn F2"
    # m.mm at the site, 2/m at the middle of a bond along c: only the plane (110) and its normal are told apart
    assert (
        "2 of 3.310 angstrom in the cell, as Mn1 (0, 0, 0) to Mn1 (0, 0, 1); symmetry allows matrix: [[A, B, 0], [B, A, 0], [0, 0, C]], "
        in text
    )
    assert "labels: [Mn1]}  # matrix: [[A, B, 0], [B, A, 0], [0, 0, C]]" in text


def test_chromium_oxide_has_its_five_neighbours(make):
    # 1, 3, 3, 6, 1: E. J. Samuelsen et al., Physica 48, 13 (1970)
    data, material, _ = make(CR2O3, reach=4.2)
    assert {name: 2 * number / 12 for name, number in bonds(material).items()} == {"J1a": 1, "J2a": 3, "J3a": 3, "J4a": 6, "J5a": 1}
    assert lengths(data) == pytest.approx([2.65, 2.89, 3.43, 3.65, 4.15], abs=0.01)
    assert data["sites"][0]["spin"] == 1.5 and data["sites"][0]["ion"] == "Cr3+"


def test_charge_in_the_file_is_taken(make):
    data, material, text = make(RB2MNF4)
    assert data["sites"] == [{"atom": "Mn1", "spin": 2.5, "ion": "Mn2+", "direction": [0, 0, 1]}]
    assert "neutral" not in text
    assert bonds(material) == {"J1a": 4, "J2a": 4}


def test_order_of_a_magnetic_file_is_kept(make):
    data, material, text = make(LAMNO3)
    assert data["sites"] == [{"atom": "Mn1", "spin": 2, "ion": "Mn3+"}]
    assert "ordered moment 3.87 Bohr magnetons" in text and "to be set, with supercell" not in text and "map" not in data
    for site in material.model.sites:
        assert site.direction == pytest.approx([1 - 4 * (site.position[1] % 1), 0, 0], abs=1e-9)
    # filled in with ferromagnetic planes and antiferromagnetic bonds between them it is stable
    values = {"J1a": 1.16, "J2a": -1.66}
    assert "Stable" in summarise(material, {name: values.get(name, 0.0) for name in material.defaults} | values, grid=4)


def nickel_oxide():
    """Cells of 2 x 2 x 2 with k = (1/2, 1/2, 1/2) and moments along (1, 1, -2), as MAGNDATA gives it."""
    centrings, number = [], 0
    for place in np.ndindex(4, 4, 4):
        if sum(place) % 2 == 0:
            number += 1
            centrings.append("{} x+{}/4,y+{}/4,z+{}/4,{}".format(number, *place, "+1" if sum(place) % 4 == 0 else "-1"))
    symmetry = """_magnetic_space_group.transform_from_parent_Pp_abc '2a,2b,2c;0,0,0'
loop_
_space_group_symop.magn_id
_space_group_symop.magn_operation_xyz
1 x,y,z,+1
2 -y+3/4,-x+3/4,-z,+1
3 -x+1/4,-y+3/4,-z,+1
4 y,x+1/2,z,+1
loop_
_space_group_symop.magn_centering_id
_space_group_symop.magn_centering_xyz
"""
    moments = "loop_\n" + "\n".join(f"_atom_site_moment.{name}" for name in ("label", *(f"crystalaxis_{x}" for x in "xyz"))) + "\nNi 1 1 -2"
    return cif("Ni Ni 1 0 0 0\nO O 1 0.75 0.5 0", a=8.35, c=8.35, symmetry=symmetry + "\n".join(centrings) + "\n" + moments)


def test_bonds_that_only_the_order_tells_apart_share_a_parameter(make):
    # 12 and 6 neighbours of J1 and J2: M. T. Hutchings and E. J. Samuelsen, Phys. Rev. B 6, 3447 (1972)
    data, material, _ = make(nickel_oxide(), reach=4.2)
    assert bonds(material) == {"J1a": 32 * 6, "J2a": 32 * 3}
    assert [bond["shell"] for bond in data["bonds"] if bond["parameter"] == "J1a"] == ["1a", "1b", "1c", "1d"]
    assert data["map"]["cell"] == np.diag([2, 2, 2]).tolist() and data["sites"][0]["ion"] == "Ni2+"
    # their exchange, -1.37 and 19.01 meV with each bond twice, holds the order of the file
    text = summarise(material, {"J1a": -1.37 * 2, "J2a": 19.01 * 2}, grid=2)
    assert "Stable at all" in text
    # 3b and 3c of LaMnO3 differ without its order, too
    assert list(bonds(make(LAMNO3)[1])) == ["J1a", "J2a", "J3a", "J3b", "J3c", "J4a"]


def test_draft_is_silent_on_stability_as_nothing_has_a_value(make):
    assert "No parameter has a value other than zero" in summarise(make(MNF2)[1], grid=2)


def test_cell_of_the_paramagnet_is_that_of_the_maps(make):
    text = LAMNO3.replace("'a,b,c;0,0,0'", "'a-c,2b,1/2a+1/2c;1/4,0,0'")
    assert make(text)[0]["map"] == {"cell": [[1, 0, -1], [0, 2, 0], [0.5, 0, 0.5]], "frame": "paramagnetic cell"}
    older = text.replace("_parent_space_group.child_transform_Pp_abc", "_magnetic_space_group.transform_from_parent_Pp_abc")
    assert make(older)[0]["map"] == make(text)[0]["map"]
    for nonsense in ("?", "a,b", "a,a,c;0,0,0", "a/0,b,c;0,0,0"):
        assert "map" not in make(LAMNO3.replace("'a,b,c;0,0,0'", f"'{nonsense}'"))[0]


def test_file_may_be_written_elsewhere_and_loads_from_there(tmp_path):
    (tmp_path / "cifs").mkdir()
    (tmp_path / "own").mkdir()
    (tmp_path / "cifs" / "x.cif").write_text(MNF2, encoding="utf-8")
    text = draft(tmp_path / "cifs" / "x.cif", folder=tmp_path / "own", name="magnet")
    (tmp_path / "own" / "magnet.yaml").write_text(text, encoding="utf-8")
    assert yaml.safe_load(text)["cif"] == "../cifs/x.cif"
    assert load_material(tmp_path / "own" / "magnet.yaml").name == "magnet"


def test_partly_occupied_site_is_taken_as_full_and_shared_ones_once(make):
    shared = cif("Mn1 Mn2+ 0.4 0 0 0\nFe1 Fe2+ 0.6 0 0 0\nF1 F1- 1 0.305 0.305 0", "P 42/m n m", a=4.87, c=3.31)
    data, material, text = make(shared)
    assert [site["label"] for site in data["sites"]] == ["Fe1"]
    assert data["sites"][0]["positions"] == [[0, 0, 0]] and "its occupancy is 0.6, with Mn1" in text
    assert len(material.model.sites) == 2
    with pytest.raises(MaterialError, match=r"atom Mn1 has a moment and occupies 0.5 of its places.*set its occupancy to 1"):
        make(LAMNO3.replace("Mn1 Mn 1", "Mn1 Mn 0.5"))


def test_occupancies_count_in_the_formula(make):
    half = "La1 La 0.5 0.5 0.5 0.5\nNa1 Na 0.5 0.5 0.5 0.5\nMn1 Mn 1 0 0 0\nO1 O 1 0.5 0 0"
    assert make(cif(half, "P m -3 m", a=3.9, c=3.9))[0]["sites"][0]["ion"] == "Mn4+"


def test_charge_that_is_not_known_is_to_be_set(make):
    data, _, text = make(cif("Mn1 Mn 1 0.137 0.137 0.137\nSi1 Si 1 0.845 0.845 0.845", "P 21 3", a=4.556, c=4.556))
    assert data["sites"] == [{"atom": "Mn1", "spin": 1, "direction": [0, 0, 1]}]
    assert "spin and ion are to be set: the file does not tell the charge" in text
    alloy = LAMNO3.replace("La1 La", "La1 Fe")
    data, _, text = make(alloy)
    assert data["sites"] == [{"atom": "Mn1", "spin": 2}] and "spin is half of the moment, to be set" in text


def test_shortest_bond_is_there_however_long(make):
    far = cif("Ni1 Ni2+ 1 0 0 0", "P m m m", a=9, b=10, c=11)
    assert [one["description"] for one in make(far)[0]["parameters"]] == ["Ni1 to Ni1, 9.000 angstrom"]


LOW = cif("Ni1 Ni2+ 1 0.1 0.2 0.3\nNi2 Ni2+ 1 0.3 0.6 0.45", "P 1", a=9, b=10, c=11)


def test_without_symmetry_shells_have_no_letters(make):
    data, _, text = make(LOW)
    assert [bond["shell"] for bond in data["bonds"]] == list(range(1, len(data["bonds"]) + 1))
    assert "symmetry allows" not in text and "matrix:" not in text.split("anisotropy")[-1]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            cif("Ti1 Ti 1 0 0 0\nO1 O 1 0.305 0.305 0", "P 42/m n m", a=4.6, c=2.96),
            {},
            r"'.*x.cif' has no magnetic ion: its atoms are Ti4\+, O; ",
        ),
        (
            cif("Na1 Na 1 0 0 0\nCl1 Cl 1 0.5 0.5 0.5", "F m -3 m", a=5.64, c=5.64),
            {},
            "no magnetic ion: its atoms are Na, Cl; give the file of",
        ),
        (MNF2, {"reach": 3.0}, "have no bond up to 3 angstrom: the shortest is 3.310; give a larger"),
        (LOW, {"reach": 60.0}, r"kinds of bonds up to \d\d.* angstrom: at most 200 are written; the shortest is of"),
        (
            MNF2.replace("_cell_length_b 4.8734", "_cell_length_b 5"),
            {},
            "o magnet can be made of the CIF file '.*x.cif': the cell has not the symmetry",
        ),
        (MNF2.replace("Mn1 Mn 1 0 0 0", "Mn1 Mn 1 0 0 ?"), {}, "no magnetic ion: its atoms are Mn"),
        (MNF2.replace("Mn1 Mn", "'Mn1\u202e' Mn"), {}, r"has no atom Mn1.u202e"),
    ],
)
def test_file_that_makes_no_magnet_is_refused(make, text, options, message):
    with pytest.raises(MaterialError, match=message):
        make(text, **options)


def test_nothing_in_a_cif_file_gets_out_of_its_line(make):
    bad = MNF2.replace("'Mn F2'", "'x: {y, [z] # \u202e & *a !!python/object'").replace("Mn1 Mn", "'Mn1 # }, {label: x' Mn")
    data, material, text = make(bad)
    assert data["title"] == "x: {y, [z] # \\u202e & *a !!python/object"
    assert [site.label for site in material.model.sites] == ["Mn1 # }, {label: x"] * 2
    assert "\u202e" not in text


def test_oxidation_numbers_of_a_file_are_its_charges(tmp_path):
    types = "loop_\n_atom_type_symbol\n_atom_type_oxidation_number\nMn 3\nF -1\n"
    (tmp_path / "x.cif").write_text(MNF2.replace("_cell_length_a", types + "_cell_length_a"), encoding="utf-8")
    found = read_cif(tmp_path / "x.cif").atoms
    assert (found["Mn1"][0].symbol, found["F1"][0].symbol) == ("Mn3+", "F1-")


@pytest.mark.parametrize(
    ("amounts", "charges"),
    [
        ({"Mn": 2, "F": 4}, {"Mn": 2}),
        ({"La": 4, "Cu": 2, "O": 8}, {"Cu": 2}),
        ({"Fe": 2, "O": 3}, {"Fe": 3}),
        ({"K": 1, "Cu": 1, "F": 3}, {"Cu": 2}),
        ({"Li": 4, "Fe": 4, "P": 4, "O": 16}, {"Fe": 2}),
        ({"Cu": 1, "S": 1, "O": 4}, {"Cu": 2}),
        ({"Fe": 1, "P": 1, "S": 3}, {}),
        ({"Cu": 2, "Se": 1, "O": 5}, {"Cu": 3}),
        ({"Dy": 2, "Ti": 2, "O": 7}, {"Dy": 3, "Ti": 4}),
        ({"Tb3+": 1, "Mn": 1, "O2-": 3}, {"Mn": 3}),
        ({"Yb": 1, "Mg": 1, "Ga": 1, "O": 4}, {"Yb": 3}),
        ({"Yb": 2, "Ti": 2, "O": 7}, {"Yb": 3, "Ti": 4}),
        ({"Eu": 1, "Ti": 1, "O": 3}, {}),
        ({"Eu": 1, "O": 1}, {"Eu": 2}),
        ({"Ce": 1, "O": 2}, {"Ce": 4}),
        ({"Sr": 2, "Ir": 1, "O": 4}, {"Ir": 4}),
        ({"Mn": 4, "Si": 4}, {}),
        ({"Co": 1, "Mn": 1, "O": 3}, {}),
        ({"Fe": 1}, {}),
        ({"La": 0.7, "Sr": 0.3, "Mn": 1, "O": 3}, {}),
        ({"Cr": 1, "Cl": 3}, {"Cr": 3}),
    ],
)
def test_charges_follow_from_the_formula(amounts, charges):
    found = {element: charge for element, (charge, _) in assumed_charges(amounts).items()}
    assert found == charges


@pytest.mark.parametrize(
    ("ion", "spin"),
    [
        *[("Mn2+", 2.5), ("Fe2+", 2), ("Co2+", 1.5), ("Ni2+", 1), ("Cu2+", 0.5), ("Cr3+", 1.5), ("V3+", 1), ("Tb3+", 6), ("Dy3+", 7.5)],
        *[("Ru3+", 0.5), ("Ru4+", 1), ("Ru5+", 1.5), ("Ir4+", 0.5), ("Os5+", 1.5), ("Re6+", 0.5), ("Ag2+", 0.5), ("Mo3+", 1.5)],
        *[("Rh3+", None), ("Ir3+", None), ("Pt4+", None), ("Ti4+", None), ("O2-", None), ("Mn", None), ("", None)],
    ],
)
def test_usual_spin_of_an_ion(ion, spin):
    found = usual_spin(ion)
    assert (found and found[0]) == spin
