"""What a material file says and may not mean: bonds that count twice, unlike bonds of one shell, units of fields."""

import pytest
from test_crystals import load, material, named, parameter  # noqa: F401 (a fixture)

from mantid_insdl.errors import MaterialError
from mantid_insdl.materials import load_material, material_names
from mantid_insdl.materials.ions import largest_spin
from mantid_insdl.materials.summary import summarise

SHELL = {"parameter": "J", "shell": 1}
FORWARD = {"parameter": "J", "segment": [[0, 0, 0], [1, 0, 0]]}
BACKWARD = {"parameter": "J", "segment": [[1, 0, 0], [0, 0, 0]]}
ELSEWHERE = {"parameter": "J", "segment": [[3, 2, 0], [2, 2, 0]]}
SITE = {"label": "MnA", "positions": [[0, 0, 0]], "spin": 1.0, "direction": [0, 0, 1]}


@pytest.mark.parametrize("bonds", [[SHELL, FORWARD], [BACKWARD, SHELL], [FORWARD, BACKWARD], [FORWARD, ELSEWHERE], [SHELL, {**SHELL}]])
def test_bond_given_to_a_parameter_twice_is_refused(load, bonds):  # noqa: F811
    with pytest.raises(MaterialError, match=r"'bonds.1' \(line \d+\).*is given to J twice, in bonds.0 and bonds.1; leave out one"):
        load(bonds=bonds)


def test_bonds_that_are_not_the_same_may_share_a_parameter():
    other = {"parameter": "J", "segment": [[0, 0, 0], [0, 1, 0]]}
    biquadratic = {**FORWARD, "biquadratic": True}
    assert len(material(bonds=[FORWARD, other, biquadratic]).model.bonds) == 3


def test_two_parameters_of_one_coupling_add_up_and_it_is_said():
    both = material(parameters=[parameter("J", -1.0), parameter("K", -0.5)], bonds=[SHELL, {**BACKWARD, "parameter": "K"}])
    assert both.remarks == ["J and K are the same coupling on the bond s (0, 0, 0) to s (-1, 0, 0): they add up."]
    assert "Note: J and K are the same coupling" in summarise(both, grid=1)
    unlike = {"parameter": "K", "segment": [[0, 0, 0], [1, 0, 0]], "dm": [0, 0, 1]}
    assert material(parameters=[parameter("J", -1.0), parameter("K", -0.5)], bonds=[SHELL, unlike]).remarks == []


@pytest.mark.parametrize("way", [{"shell": 1}, {"distance": 4.0}])
def test_shell_of_unlike_bonds_is_said(way):
    # a = c by chance: the bonds along c are another kind in a tetragonal crystal, and the same in a cubic one
    parts = {"cell": {"a": 4.0, "b": 4.0, "c": 4.0}, "bonds": [{"parameter": "J", **way}]}
    (remark,) = material(space_group="P 4/m m m", **parts).remarks
    assert "joins 2 kinds of bonds" in remark and "P 4/m m m tells apart: 2 as s (0, 0, 0) to s (1, 0, 0); 1 as" in remark
    assert "by its shell and letter" in remark
    assert material(space_group="P m -3 m", **parts).remarks == []
    assert material(**parts).remarks == []  # without a group no symmetry is known
    text = summarise(material(space_group="P 4/m m m", **parts), grid=1)
    assert "[[A, 0, 0], [0, A, 0], [0, 0, B]]" in text and "[[A, 0, 0], [0, B, 0], [0, 0, C]]" in text


def chain(x, **parts):
    sites = [{"label": "s", "positions": [[0, 0, 0], [x, 0, 0]], "spin": 1.0, "direction": [0, 0, 1]}]
    return material(cell={"a": 8.0, "b": 9.0, "c": 9.0}, sites=sites, **parts)


def test_shells_split_by_rounding_are_said():
    # 4.008 and 3.992 angstrom: a chain of equal bonds, or of unequal ones?
    (remark,) = chain(0.501, bonds=[SHELL]).remarks
    assert "J takes 1 of 3.992 angstrom and leaves out 1 of 4.008 angstrom: if rounded coordinates" in remark
    assert chain(0.5, bonds=[SHELL]).remarks == []
    assert chain(0.52, bonds=[SHELL]).remarks == []  # 0.32 angstrom is no rounding
    # a space group makes equivalent positions exact, but not the distance between two entries of the file
    assert len(chain(0.501, space_group="P m", bonds=[SHELL]).remarks) == 1
    # each shell has its own coupling: nothing is left out
    two = {"parameters": [parameter("J", -1.0), parameter("K", -2.0)], "bonds": [SHELL, {"parameter": "K", "shell": 2}]}
    assert chain(0.501, **two).remarks == []


FIELD = {"fields": [{"parameter": "B", "direction": [0, 0, 1]}]}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"parameters": [parameter("J", -1.0), parameter("B", 1.0)], **FIELD}, r"'parameters.1'.*B is a.*in T.*is meV; add unit: T"),
        ({"parameters": [parameter("J", -1.0, unit="T")]}, r"'parameters.0'.*J is a coupling.*in meV.*unit is T"),
        (
            {"parameters": [parameter("J", -1.0, unit="T")], "fields": [{"parameter": "J", "direction": [0, 0, 1]}]},
            "J is both a field and a coupling",
        ),
    ],
)  # fmt: skip
def test_units_are_those_of_fields_and_couplings(load, parts, message):  # noqa: F811
    with pytest.raises(MaterialError, match=message):
        load(**parts)


@pytest.mark.parametrize(
    ("ion", "most"),
    [
        *[("Cu2+", 0.5), ("Ni2+", 1), ("Mn2+", 2.5), ("Mn3+", 2), ("Fe3+", 2.5), ("Cr3+", 1.5), ("Ru3+", 2.5), ("Ir4+", 2.5)],
        *[("Gd3+", 3.5), ("Dy3+", 7.5), ("Nd3+", 4.5), ("Yb3+", 3.5), ("Ce3+", 2.5), ("Eu2+", 3.5)],  # J of textbooks
        *[("", None), ("Cu", None), ("O2-", None), ("La3+", None), ("Zn2+", None), ("Na1+", None), ("Xx2+", None)],
    ],
)
def test_largest_spin_of_an_ion_is_that_of_hunds_rules(ion, most):
    assert largest_spin(ion) == most


def ions(*sites):
    positions = ([0, 0, 0], [0.5, 0.5, 0.5])
    return material(sites=[{"positions": [at], "direction": [0, 0, 1], **one} for at, one in zip(positions, sites, strict=False)])


def test_spin_that_an_ion_cannot_have_is_said():
    assert ions({"label": "s", "spin": 2.5, "ion": "Cu2+"}).remarks == ["s has the spin 2.5, but Cu2+ has at most 0.5 by Hund's rules."]
    assert ions({"label": "s", "spin": 0.5, "ion": "Cu2+"}).remarks == []
    assert ions({"label": "s", "spin": 0.5, "ion": "Yb3+"}).remarks == []  # a doublet
    assert ions({"label": "s", "spin": 1.5, "ion": "Mn3+"}).remarks == []  # a reduced moment
    assert ions({"label": "s", "spin": 1.75, "ion": "Mn4+"}).remarks == []  # shared by ions of two charges
    assert len(ions({"label": "s", "spin": 1.0, "ion": "Cu2+"}).remarks) == 1
    assert ions({"label": "s", "spin": 3.5, "ion": "Mn3+", "pair": [0.1, 0, 0]}).remarks == []  # one moment of two ions


def test_g_tensor_of_zero_is_said():
    (remark,) = ions({"label": "s", "spin": 1.0, "g": 0.0}).remarks
    assert remark == "The g-tensor of s is zero: no field acts on it, and neutrons do not see it."


def test_one_label_for_two_kinds_of_sites_is_said():
    (remark,) = ions({"label": "s", "spin": 1.0}, {"label": "s", "spin": 2.0}).remarks
    assert remark.startswith("Two entries of sites are called s, with the spins 1 and 2")
    assert ions({"label": "s", "spin": 1.0}, {"label": "s", "spin": 1.0}).remarks == []


@pytest.mark.parametrize("name", material_names())
def test_materials_of_the_package_have_moments_that_their_ions_can_have(name):
    assert not [remark for remark in load_material(name).remarks if "Hund" in remark or "g-tensor" in remark]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"bnods": []}, "did you mean 'bonds'"),
        ({"sites": [{"label": "s", "positions": [[0, 0, 0]], "spin": 1.0, "directoin": [0, 0, 1]}]}, "did you mean 'direction'"),
        ({"bonds": [{"parameter": "J", "shel": 1}]}, "did you mean 'shell'"),
        ({"cell": {"a": 4.0, "b": 4.0, "c": 4.0, "gama": 90}}, "did you mean 'gamma'"),
        (
            {"sites": [{"label": "s", "positions": [[0, 0, 0]], "spin": 1.0, "colour": "red"}]},
            "known here are ion, form_factor, .*, label, atom, positions",
        ),
    ],
)
def test_key_that_is_mistyped_is_corrected(load, parts, said):  # noqa: F811
    with pytest.raises(MaterialError, match=said):
        load(**parts)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            {"parameters": [parameter("Jnext", -1.0)], "bonds": [{"parameter": "Jnex", "shell": 1}]},
            r"'bonds.0.parameter' \(line \d+\).*no parameter Jnex \(did you mean 'Jnext'\?\): there are Jnext; name one",
        ),
        ({"fields": [{"parameter": "K", "direction": [0, 0, 1]}]}, r"'fields.0.parameter'.*there is no parameter K: there are J"),
        (
            {"parameters": [parameter("J", -1.0), parameter("K", 1.0)]},
            r"'parameters.1'.*the parameter K has no bond, anisotropy, field or dipoles",
        ),
        ({"sites": [SITE], "bonds": [{**SHELL, "between": ["MnA", "Mn"]}]}, r"bonds of J name Mn \(did you mean 'MnA'\?\); the sites are"),
        (
            {"sites": [SITE], "anisotropy": [{"parameter": "J", "axis": [0, 0, 1], "labels": ["Mna"]}]},
            r"anisotropy J name Mna \(did you mean 'MnA'\?\)",
        ),
        ({"interchangeable": [[["J"], ["JJ"]]]}, r"there is no parameter JJ \(did you mean 'J'\?\)"),
    ],
)
def test_name_that_is_mistyped_is_corrected(load, parts, said):  # noqa: F811
    with pytest.raises(MaterialError, match=said):
        load(**parts)


def test_material_and_parameter_that_are_mistyped_are_corrected():
    with pytest.raises(MaterialError, match=r"no material 'rb2mnf' \(did you mean 'rb2mnf4'\?\)"):
        load_material("rb2mnf")
    with pytest.raises(MaterialError, match=r"no parameter 'Jprep' \(did you mean 'Jperp'\?\)"):
        load_material("pcsmo-dimer").resolve({"Jprep": 1.0})


def test_spins_and_weights_may_be_fractions(load):  # noqa: F811
    thirds = [{"weight": "1/3", "axis": [0, 0, 1], "angle": angle} for angle in (0, 120, 240)]
    magnet = load(sites=[{"label": "s", "positions": [[0, 0, 0]], "spin": "5/2", "direction": [0, 0, 1]}], map={"twins": thirds})
    assert magnet.sites[0].spin == 2.5
    assert [weight for weight, _ in magnet.domains] == [1 / 3] * 3


def test_summary_tells_the_spins_of_one_label_apart():
    text = summarise(ions({"label": "s", "spin": 1.0}, {"label": "s", "spin": 2.0}), grid=1)
    assert "1 x S = 1 " in text and "1 x S = 2 " in text
