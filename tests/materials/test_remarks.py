"""What a material file says and may not mean: bonds that count twice, unlike bonds of one shell, units of fields."""

import pytest
from test_crystals import load, material, named, parameter  # noqa: F401 (a fixture)

from mantid_insdl.errors import MaterialError
from mantid_insdl.materials.summary import summarise

SHELL = {"parameter": "J", "shell": 1}
FORWARD = {"parameter": "J", "segment": [[0, 0, 0], [1, 0, 0]]}
BACKWARD = {"parameter": "J", "segment": [[1, 0, 0], [0, 0, 0]]}
ELSEWHERE = {"parameter": "J", "segment": [[3, 2, 0], [2, 2, 0]]}


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
    assert "joins 2 kinds of bonds" in remark and "P 4/m m m tells apart: 1 as s (0, 0, 0) to s (0, 0, 1); 2 as" in remark
    assert "segment with symmetric: true" in remark
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
