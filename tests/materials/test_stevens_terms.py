"""Single-ion terms of Stevens operators in material files: what symmetry allows, and their turns to equivalent sites."""

import numpy as np
import pytest
from test_crystals import energies, load, material, parameter  # noqa: F401 (a fixture)

from mantid_insdl.errors import MaterialError
from mantid_insdl.materials.summary import summarise

FIELD = {"parameters": [parameter("J", -1.0), parameter("B", -0.01)]}
CUBIC = {"cell": {"a": 4.0, "b": 4.0, "c": 4.0}, "space_group": "P m -3 m", **FIELD}


def test_cubic_gap_from_a_file(load):  # noqa: F811
    # -80 B S^3 of O40 + 5 O44 about <100>: see tests/spinwave/test_stevens.py
    magnet = load(anisotropy=[{"parameter": "B", "stevens": {"O40": 1, "O44": 5}}], **CUBIC)
    assert energies(magnet, hkl=np.zeros((1, 3)))[0, 0] == pytest.approx(0.8)
    text = summarise(magnet, grid=2)
    assert "and of Stevens operators O40 + 5 O44; O60 - 21 O64" in text


def test_axes_are_those_of_the_operators(load):  # noqa: F811
    turned = [{"parameter": "B", "stevens": {"O20": 1}, "axes": [[0, 0, 1], [2, 0, 0], [0, 1, 0]]}]
    site = [{"label": "s", "positions": [[0, 0, 0]], "spin": 1.0, "direction": [0, 1, 0]}]
    magnet = load(sites=site, anisotropy=turned, **FIELD)
    assert magnet.model.onsite[0].tensor == pytest.approx(np.diag([-1.0, 2.0, -1.0]))
    assert energies(magnet, hkl=np.zeros((1, 3)))[0, 0] == pytest.approx(0.06)


def test_space_group_turns_them_to_equivalent_sites():
    # pyrochlore: O43 about the local <111> axes, with a mirror plane through x and z
    rows = [[1, 1, -2], [-1, 1, 0], [1, 1, 1]]
    magnet = material(
        cell={"a": 10, "b": 10, "c": 10},
        space_group="F d -3 m:2",
        sites=[{"label": "R", "positions": [[0.5, 0.5, 0.5]], "spin": 1, "direction": [0, 0, 1]}],
        bonds=[{"parameter": "J", "shell": 1}],
        anisotropy=[{"parameter": "B", "stevens": {"O40": 1, "O43": 2, "O66": 0.5}, "axes": rows}],
        **FIELD,
    )
    assert len(magnet.model.onsite) == 2 * 16
    axes = [np.array(one) / np.sqrt(3) for one in ([1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1])]
    seen = set()
    for term in magnet.model.onsite:
        along = [term.energy(axis) for axis in axes]
        if term.tensor.ndim == 4:
            assert max(along) == pytest.approx(8)  # O40 = 8 along its own z, where O43 is zero
            seen.add(int(np.argmax(along)))
    assert seen == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("entry", "parts", "message"),
    [
        (
            {"stevens": {"O40": 1, "O44": 4}},
            CUBIC,
            r"B of s is forbidden.*allows the Stevens operators of degree 4 O40 \+ 5 O44 \(Cartesian\)",
        ),
        ({"stevens": {"O42": 1}}, CUBIC, "is forbidden by the symmetry of its site in P m -3 m"),
        ({"stevens": {"O20": 1}}, CUBIC, r"allows the symmetric matrices \[\[A, 0, 0\], \[0, A, 0\], \[0, 0, A\]\]"),
        (
            {"stevens": {"O45": 1}},
            FIELD,
            r"'anisotropy.0.stevens' \(line \d+\).*'O45' is no Stevens operator; give operators of degree 2, 4 or 6",
        ),
        ({"stevens": {"B40": 1}}, FIELD, "'B40' is no Stevens operator"),
        ({"stevens": {"O30": 1}}, FIELD, "'O30' is no Stevens operator"),
        ({"stevens": {"O40": 0}}, FIELD, "the sum of Stevens operators is zero"),
        ({"stevens": {}}, FIELD, "the sum of Stevens operators is zero"),
        ({"stevens": {"O40": 1}, "axis": [0, 0, 1]}, FIELD, "needs either an axis or a matrix or stevens; give one of the three"),
        ({"axis": [0, 0, 1], "axes": np.eye(3).tolist()}, FIELD, "has axes, but no Stevens operators"),
        ({"stevens": {"O40": 1}, "axes": [[1, 0, 0], [1, 1, 0], [0, 0, 1]]}, FIELD, "are not at right angles"),
        ({"stevens": {"O40": 1}, "axes": [[1, 0, 0], [0, 0, 0], [0, 0, 1]]}, FIELD, "are not at right angles"),
        ({"stevens": {"O40": 1}, "axes": [[0, 1, 0], [1, 0, 0], [0, 0, 1]]}, FIELD, "are left-handed"),
    ],
)
def test_operators_that_are_wrong_are_refused(load, entry, parts, message):  # noqa: F811
    with pytest.raises(MaterialError, match=message):
        load(anisotropy=[{"parameter": "B", **entry}], **parts)
