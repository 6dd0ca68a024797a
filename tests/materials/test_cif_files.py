"""CIF files of other programs: symbols, labels, occupancies, operations and rounding as they write them."""

import numpy as np
import pytest
import yaml

from mantid_insdl.errors import MaterialError
from mantid_insdl.materials import load_material
from mantid_insdl.materials.cif import read_cif
from mantid_insdl.materials.crystal import exact_thirds
from mantid_insdl.materials.summary import summarise
from mantid_insdl.spinwave.lattice import Lattice
from mantid_insdl.spinwave.symmetry import read_operations, space_group

CIF = """data_test
_cell_length_a {a}
_cell_length_b {b}
_cell_length_c 12
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma {gamma}
{symmetry}
loop_
_atom_site_label
{columns}_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
{atoms}
"""


def cif(atoms, *, symmetry="_symmetry_space_group_name_H-M 'P m m m'", a=6.0, b=8.0, gamma=90, columns="_atom_site_type_symbol\n"):
    return CIF.format(a=a, b=b, gamma=gamma, symmetry=symmetry, atoms=atoms, columns=columns)


@pytest.fixture
def load(tmp_path):
    def one(text, atom="M1", encoding="utf-8", **parts):
        (tmp_path / "x.cif").write_bytes(text.encode(encoding))
        contents = {
            "name": "t",
            "title": "t",
            "family": "t",
            "sources": ["the test"],
            "parameters": [{"name": "J", "value": -1.0, "low": -2, "high": 2, "description": "x"}],
            "cif": "x.cif",
            "sites": [{"atom": atom, "spin": 1.0, "direction": [0, 0, 1]}],
            "bonds": [{"parameter": "J", "shell": 1}],
        }
        (tmp_path / "m.yaml").write_text(yaml.safe_dump({**contents, **parts}), encoding="utf-8")
        return load_material(tmp_path / "m.yaml")

    return one


@pytest.mark.parametrize(
    ("symbol", "element"),
    [
        ("FE", "Fe"), ("FE+3", "Fe3+"), ("Fe3+", "Fe3+"), ("fe", "Fe"), ("CU2+", "Cu2+"), ("OS", "Os"), ("V", "V"), ("VAC", ""),
        ("U4+", "U4+"), ("W", "W"), ("Ni0+", "Ni0+"),
    ],
)  # fmt: skip
def test_symbols(tmp_path, symbol, element):
    (tmp_path / "x.cif").write_text(cif(f"M1 {symbol} 0 0 0"), encoding="utf-8")
    found = read_cif(tmp_path / "x.cif").atoms["M1"][0].symbol
    assert found == element if element else found in ("", "V")


@pytest.mark.parametrize(("label", "element"), [("FE1", "Fe"), ("Fe1A", "Fe"), ("OW1", "O"), ("CO2", "Co"), ("M1", "")])
def test_element_out_of_a_label(tmp_path, label, element):
    (tmp_path / "x.cif").write_text(cif(f"{label} 0 0 0", columns=""), encoding="utf-8")
    assert read_cif(tmp_path / "x.cif").atoms[label][0].symbol == element


def test_byte_order_mark_and_umlauts(load):
    text = "# Müller, Ångström\n" + cif("M1 Ni 0 0 0")
    for encoding in ("utf-8-sig", "latin-1", "utf-8"):
        assert load(text, encoding=encoding).crystal.elements == ("Ni",)


def test_a_label_for_two_elements_is_refused(load):
    with pytest.raises(MaterialError, match="repeats the label M1 for Fe and Mn"):
        load(cif("M1 Fe 0 0 0\nM1 Mn 0.5 0 0"))
    with pytest.raises(MaterialError, match="M1 shares its place"):  # the same place twice, not two places
        load(cif("M1 Fe 0.2 0 0\nM1 Fe 0.8 0 0"))


def test_values_of_several_words_without_quotes(load):
    name = "_symmetry_space_group_name_H-M P m m m\n_cell_volume 576.0   \n_pd_phase_name the low phase  # of two"
    with pytest.raises(MaterialError, match=r"cannot read the CIF file .*: line 8: parse error"):
        load(cif("M1 Ni 0 0 0", symmetry=name.replace("  # of two", "\n_x 'a")))
    text = cif("M1 Ni 0 0 0", symmetry=name.replace("  # of two", "")).replace("length_c 12", "length_c 12   ")
    magnet = load(text)
    assert len(magnet.crystal.symmetry.rotations) == 8 and magnet.crystal.lattice.c == 12
    # a loop whose last tag has its values behind it is a CIF as it is
    loop = "loop_ _space_group_symop_operation_xyz x,y,z -x,-y,-z"
    for text in (loop, loop.replace("loop_ ", "loop_\n")):
        assert len(load(cif("M1 Ni 0 0 0", symmetry=text)).crystal.symmetry.rotations) == 2


def test_tag_given_twice(load):
    name = "_symmetry_space_group_name_H-M 'P m m m'\n"
    twice = name + "_chemical_formula_sum A\n_chemical_formula_sum B\n" + name
    assert len(load(cif("M1 Ni 0 0 0", symmetry=twice)).crystal.symmetry.rotations) == 8
    with pytest.raises(MaterialError, match=r"gives _cell_length_a twice, with different values"):
        load(cif("M1 Ni 0 0 0", symmetry=name + "_cell_length_a 6.1"))


def test_missing_columns_are_named(load):
    with pytest.raises(MaterialError, match="gives no positions of atoms: there is no _atom_site_label with _atom_site_fract_x, y, z"):
        load(cif("M1 Ni 0 0 0").replace("_atom_site_fract_z", "_atom_site_fract_q"))


OCCUPIED = "_atom_site_type_symbol\n_atom_site_occupancy\n"


def test_half_occupied_atom_is_refused_and_can_be_taken_as_full(load):
    text = cif("M1 Ni 0.5(1) 0 0 0", columns=OCCUPIED)
    with pytest.raises(MaterialError, match=r"M1 at \[0.0, 0.0, 0.0\] has the occupancy 0.5.*label: M1, positions: \[\[0.0, 0.0, 0.0\]\]"):
        load(text)
    full = load(text, sites=[{"label": "M1", "positions": [[0, 0, 0]], "spin": 1.0, "direction": [0, 0, 1]}])
    assert len(full.model.sites) == 1
    assert load(cif("M1 Ni 0.95 0 0 0", columns=OCCUPIED)).remarks == ["M1 has the occupancy 0.95 and is taken as full."]
    for known in ("0.95", "1.0", "?", "."):
        assert len(load(cif(f"M1 Ni {known} 0 0 0", columns=OCCUPIED)).model.sites) == 1


def test_atoms_that_symmetry_takes_to_one_place_share_it(load):
    # the mirror at x = 0 takes (0.2, 0, 0) to (0.8, 0, 0)
    with pytest.raises(MaterialError, match=r"M1 shares its place \[0.2, 0.0, 0.0\] with Zn1"):
        load(cif("M1 Ni 0.7 0.2 0 0\nZn1 Zn 0.3 0.8 0 0", columns=OCCUPIED))
    assert len(load(cif("M1 Ni 1 0.2 0 0\nZn1 Zn 0.3 0.7 0 0", columns=OCCUPIED)).model.sites) == 2


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("1/2x-3/2y", [0.5, -1.5, 0, 0]),
        ("x/2-3y/2", [0.5, -1.5, 0, 0]),
        (".5*X - 1.5*Y + 1/2", [0.5, -1.5, 0, 0.5]),
        ("1/3 + x - y", [1, -1, 0, 1 / 3]),
        ("-z+0.6667", [0, 0, -1, 2 / 3]),
    ],
)
def test_components_of_operations(text, row):
    # the other rows complete it to a matrix of determinant 1
    others = {True: "1/2x+1/2y,z", False: "x,z" if row[1] else "x,y"}[row[0] == 0.5]
    rotations, translations = read_operations([f"{text},{others}"], "test")
    assert [*rotations[0, 0], translations[0, 0]] == pytest.approx(row, abs=1e-12)


@pytest.mark.parametrize("text", ["x,y", "x,y,z,w", "x,y,xz", "x,,z", "x,y,2z", "x,y,z+", "x,y,z/0", "x,y,1/2 2z", "x,x,z"])
def test_what_is_no_operation_is_refused(text):
    with pytest.raises(MaterialError, match="Cannot read"):
        read_operations([text], "test")


ORTHOHEXAGONAL = """loop_
_space_group_symop_operation_xyz
x,y,z
-1/2x-3/2y,1/2x-1/2y,z
-1/2x+3/2y,-1/2x-1/2y,z
x+1/2,y+1/2,z
-1/2x-3/2y+1/2,1/2x-1/2y+1/2,z
-1/2x+3/2y+1/2,-1/2x-1/2y+1/2,z"""


def test_rounded_orthohexagonal_cell_has_its_threefold_axis(load):
    magnet = load(cif("M1 Ni 0 0 0", symmetry=ORTHOHEXAGONAL, a=4.0, b=6.928), bonds=[
        {"parameter": "J", "segment": [[0, 0, 0], [1, 0, 0]], "symmetric": True, "matrix": [[2, 0, 0], [0, 1, 0], [0, 0, 1]]}
    ])  # fmt: skip
    lattice = magnet.crystal.lattice
    assert lattice.b / lattice.a == pytest.approx(np.sqrt(3), abs=1e-12) and lattice.b == pytest.approx(6.928, abs=1e-3)
    turned = {tuple(np.round(bond.matrix[:2, :2].ravel(), 6)) for bond in magnet.exchange}
    half = round(np.sqrt(3) / 4, 6)
    assert turned == {(2, 0, 0, 1), (1.25, half, half, 1.75), (1.25, -half, -half, 1.75)}
    with pytest.raises(MaterialError, match="has not the symmetry"):
        load(cif("M1 Ni 0 0 0", symmetry=ORTHOHEXAGONAL, a=4.0, b=6.9))


@pytest.mark.parametrize(("b", "c", "fits"), [(4.0005, 7, True), (4.0, 7, True), (4.01, 7, False), (4.01, 40, False)])
def test_a_cell_is_fitted_within_rounding_only(b, c, fits):
    lattice, group = Lattice(4.0, b, c), space_group("P 4/m m m", Lattice(4.0, 4.0, 7.0))
    fitted = group.fitted(lattice)
    assert bool(abs(fitted.a - fitted.b) < 1e-9) is fits and fitted.c == pytest.approx(c)
    assert (fitted is lattice) is (b in (4.0, 4.01))
    assert fitted.a == pytest.approx(4.0, abs=3e-4) and (fitted.alpha, fitted.beta, fitted.gamma) == pytest.approx((90, 90, 90))


def test_thirds_and_sixths_of_a_file_are_exact():
    rounded = [0.333, 0.6667, 0.16667, -0.333, 1.667, 0.666, 0.1666, 0.833]
    exact = [1 / 3, 2 / 3, 1 / 6, -1 / 3, 5 / 3, 2 / 3, 1 / 6, 5 / 6]
    assert exact_thirds(rounded) == pytest.approx(np.array(exact), abs=1e-15)
    for other in (0.33, 0.34, 0.335, 0.3330, 0.125, 0.6643, 0.332, 0.33331):
        assert exact_thirds([other])[0] == (1 / 3 if other == 0.333 else other)


def test_cut_off_kagome_has_one_shell(load):
    # (1/6, 1/3) and its images by hand, cut off at three digits: triangles of side a / 2
    places = [[0.166, 0.333, 0], [0.666, 0.333, 0], [0.666, 0.833, 0]]
    sites = [{"label": "k", "positions": places, "spin": 1.0, "direction": [0, 0, 1]}]
    text = cif("X 0 0 0.5", symmetry="_symmetry_space_group_name_H-M 'P 1'", b=6.0, gamma=120, columns="")
    assert len(load(text, sites=sites).model.bonds) == 6


def test_form_factor_by_hand(load):
    numbers = [0.5, 20.0, 0.5, 5.0, 0.0]
    site = {"atom": "M1", "spin": 0.5, "direction": [0, 0, 1], "ion": "Ru3+"}
    magnet = load(cif("M1 Ru3+ 0 0 0"), sites=[{**site, "form_factor": numbers}])
    assert magnet.model.sites[0].ion == tuple(numbers)
    assert "Ru3+ (own form factor)" in summarise(magnet, grid=1)
    with pytest.raises(MaterialError, match=r"no magnetic form factor for Ru3\+.*form_factor"):
        load(cif("M1 Ru3+ 0 0 0"), sites=[site])
    with pytest.raises(MaterialError, match="the atom of the CIF file is Fe"):
        load(cif("M1 Fe 0 0 0"), sites=[{**site, "form_factor": numbers}])
    with pytest.raises(MaterialError, match=r"is 1\.5 at Q = 0, not 1"):
        load(cif("M1 Ru 0 0 0"), sites=[{**site, "form_factor": [*numbers[:4], 0.5]}])
    with pytest.raises(MaterialError, match="form factor of 4 numbers"):
        load(cif("M1 Ru 0 0 0"), sites=[{**site, "form_factor": numbers[:4]}])
