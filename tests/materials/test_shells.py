"""Shells by number and letter: the bonds of published models, and the same spin waves as with each bond named."""

import numpy as np
import pytest
from test_crystals import energies, load, material, parameter  # noqa: F401 (a fixture)

from mantid_insdl.errors import MaterialError
from mantid_insdl.materials import load_material
from mantid_insdl.materials.shells import kind_name, kinds_within
from mantid_insdl.materials.summary import summarise


def kagome(bonds, **parts):
    return material(
        cell={"a": 6, "b": 6, "c": 12, "gamma": 120},
        space_group=191,
        sites=[{"label": "k", "positions": [[0.5, 0, 0]], "spin": 1, "direction": [0, 0, 1]}],
        bonds=bonds,
        **parts,
    )


def pyrochlore(bonds, **parts):
    return material(
        cell={"a": 10, "b": 10, "c": 10},
        space_group="F d -3 m:2",
        sites=[{"label": "R", "positions": [[0.5, 0.5, 0.5]], "spin": 1, "direction": [0, 0, 1]}],
        bonds=bonds,
        **parts,
    )


def midpoint_is_a_site(magnet, ends):
    i, j, cell = ends
    places = np.array([site.position for site in magnet.crystal.sites])
    apart = (places[i] + places[j] + np.array(cell)) / 2 - places
    return bool((np.abs(apart - np.rint(apart)).max(axis=1) < 1e-6).any())


def test_third_neighbours_of_kagome_are_across_a_hexagon_or_along_a_chain():
    # Jd and J3 of kapellasite: B. Fak et al., Phys. Rev. Lett. 109, 037208 (2012)
    magnet = kagome([{"parameter": "J", "shell": 1}])
    found = {kind.name: kind for kind in kinds_within(magnet.crystal, 6.0)}
    assert list(found) == ["1a", "2a", "3a", "3b"]
    assert {name: len(kind.bonds) for name, kind in found.items()} == {"1a": 6, "2a": 6, "3a": 3, "3b": 6}
    assert [found[name].length for name in found] == pytest.approx([3, 3 * np.sqrt(3), 6, 6])
    assert [{midpoint_is_a_site(magnet, ends) for ends in found[name].bonds} for name in ("3a", "3b")] == [{False}, {True}]


def test_third_neighbours_of_pyrochlore_are_of_two_kinds():
    # J3 through a site and J3' across a hexagon, six neighbours each: A. S. Wills et al., J. Phys.: Condens. Matter 18, L37 (2006)
    magnet = pyrochlore([{"parameter": "J", "shell": 1}])
    found = {kind.name: kind for kind in kinds_within(magnet.crystal, 10 / np.sqrt(2))}
    assert {name: 2 * len(kind.bonds) // 16 for name, kind in found.items()} == {"1a": 6, "2a": 12, "3a": 6, "3b": 6}
    assert [{midpoint_is_a_site(magnet, ends) for ends in found[name].bonds} for name in ("3a", "3b")] == [{True}, {False}]


def test_kinds_together_are_the_shell():
    both = {"parameters": [parameter("J", -1.0), parameter("A", -0.2), parameter("B", -0.2)]}
    first = {"parameter": "J", "shell": 1}
    split = kagome([first, {"parameter": "A", "shell": "3a"}, {"parameter": "B", "shell": "3b"}], **both)
    whole = kagome([first, {"parameter": "A", "shell": 3}], parameters=both["parameters"][:2])
    assert energies(split) == pytest.approx(energies(whole), rel=1e-9)
    assert not split.remarks and "A joins 2 kinds of bonds at shell 3" in whole.remarks[0]


def test_diagonal_coupling_of_kagome_has_its_closed_form():
    # it joins each site with its own images along one direction: three ferromagnetic chains, w = 2 |J| S (1 - cos 2 pi q.r)
    alone = kagome([{"parameter": "J", "shell": "3a"}])
    hkl = np.array([[0.1, 0.0, 0.0], [0.2, 0.35, 0.0]])
    expected = [sorted(2 - 2 * np.cos(2 * np.pi * turns) for turns in (h, k, h + k)) for h, k, _ in hkl]
    assert energies(alone, hkl=hkl) == pytest.approx(np.array(expected), abs=1e-9)


def test_letter_turns_the_exchange_as_a_symmetric_segment_does():
    parts = {"parameters": [parameter("J", -1.0), parameter("D", 0.1)]}
    first = {"parameter": "J", "shell": "1a"}
    named = kagome([first, {"parameter": "D", "segment": [[0.5, 0, 0], [1, 0.5, 0]], "symmetric": True, "dm": [0, 0, 1]}], **parts)
    lettered = kagome([first, {"parameter": "D", "shell": "1a", "dm": [0, 0, 1]}], **parts)
    assert energies(lettered) == pytest.approx(energies(named), rel=1e-9)
    # L. Zhang et al., Phys. Rev. B 87, 144101 (2013): 0, 6 -+ 2 sqrt(3) Dz at Gamma
    assert energies(lettered, hkl=np.zeros((1, 3)))[0] == pytest.approx([0, 6 - 0.2 * np.sqrt(3), 6 + 0.2 * np.sqrt(3)], abs=1e-6)
    rounded = kagome([first, {"parameter": "D", "shell": "1a", "dm": [1e-4, 0, 1]}], **parts)
    assert {abs(bond.matrix[1, 2]) for bond in rounded.model.bonds} == {0}  # what symmetry forbids is taken out
    matrix = [[2, 0, 0], [0, 1, 0], [0, 0, 1]]
    square = {"space_group": "P 4/m m m", "parameters": [parameter("J", -1.0)]}
    one = material(bonds=[{"parameter": "J", "shell": "1a", "matrix": matrix}], **square)
    other = material(bonds=[{"parameter": "J", "segment": [[0, 0, 0], [1, 0, 0]], "symmetric": True, "matrix": matrix}], **square)
    assert sorted(bond.matrix[0, 0] for bond in one.model.bonds) == [1, 2]
    assert energies(one) == pytest.approx(energies(other), rel=1e-9)


def test_summary_lists_the_shells():
    text = summarise(kagome([{"parameter": "J", "shell": "3b"}]), grid=1)
    assert (
        "  3a              3     6.000  k (0.5, 0, 0) to k (1.5, 0, 0): no coupling, symmetry allows [[A, 0, 0], [0, B, 0], [0, 0, C]]"
        in text
    )
    assert "  3b              6     6.000  k (0.5, 0, 0) to k (0.5, 1, 0): J" in text
    assert "\n  6a " in text and "\n  7" not in text  # three shells more
    plain = summarise(load_material("example-kagome"), grid=1)
    assert "  3               9     6.000  k (0.5, 0, 0) to k (1.5, 0, 0): no coupling\n" in plain


def test_names_of_kinds_go_on_after_z():
    assert [kind_name(2, index) for index in (0, 25, 26, 27, 52)] == ["2a", "2z", "2aa", "2ab", "2ba"]


GROUP = {"space_group": "P 4/m m m"}


@pytest.mark.parametrize(
    ("bond", "parts", "message"),
    [
        ({"shell": "1b"}, GROUP, r"'bonds.0' \(line \d+\).*no shell 1b: shell 1 has 1a; name one of these; insdl material lists them"),
        ({"shell": "1a"}, {}, "shell 1a names one kind of bonds, but the magnet has no space group.*give shell: 1"),
        ({"shell": "a1"}, GROUP, r"'bonds.0.shell' \(line \d+\).*'a1' is no shell of neighbours; give a number from 1 to 99"),
        ({"shell": 0}, GROUP, "0 is no shell"),
        ({"shell": 100}, GROUP, "100 is no shell"),
        ({"shell": 1.5}, GROUP, "1.5 is no shell"),
        ({"shell": True}, GROUP, "True is no shell"),
        ({"shell": "1a", "between": ["s", "s"]}, GROUP, "bonds of J have between, but the shell 1a names the ends; leave out between"),
        ({"shell": 1, "dm": [0, 0, 1]}, GROUP, "has a sense from one end to the other.*or a shell with a letter, as 5a"),
        ({"shell": "1a", "dm": [0, 0, 1]}, GROUP, "forbidden by the symmetry of the bond"),
    ],
)
def test_shell_that_is_none_is_refused(load, bond, parts, message):  # noqa: F811
    with pytest.raises(MaterialError, match=message):
        load(bonds=[{"parameter": "J", **bond}], **parts)
