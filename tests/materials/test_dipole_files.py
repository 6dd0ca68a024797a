"""The dipole-dipole interaction in material files: its factor, the shape of the sample, and what it does not go with."""

import numpy as np
import pytest
from test_crystals import energies, load, parameter  # noqa: F401 (a fixture)

from mantid_insdl.errors import MaterialError
from mantid_insdl.materials.summary import summarise
from mantid_insdl.spinwave.dipoles import STRENGTH
from mantid_insdl.spinwave.model import MU_B

FACTOR = parameter("d", 1.0, unit="")
FIELD = {
    "parameters": [parameter("J", -1.0), parameter("B", 1.0, unit="T"), FACTOR],
    "fields": [{"parameter": "B", "direction": [0, 0, 1]}],
    "cell": {"a": 4.0, "b": 4.0, "c": 4.0},
}


@pytest.mark.parametrize(("given", "shape"), [(["1/2", "1/2", 0], [0.5, 0.5, 0]), (np.diag([0.0, 0.4, 0.6]).tolist(), [0, 0.4, 0.6])])
def test_resonance_of_a_file_is_that_of_its_shape(load, given, shape):  # noqa: F811
    magnet = load(dipoles={"parameter": "d", "demagnetisation": given}, **FIELD)
    magnetisation, field = 4 * np.pi * STRENGTH * 4 / 64, 2 * MU_B
    expected = np.sqrt((field + (shape[0] - shape[2]) * magnetisation) * (field + (shape[1] - shape[2]) * magnetisation))
    assert energies(magnet, hkl=np.zeros((1, 3)))[0, 0] == pytest.approx(expected, rel=1e-9)
    text = summarise(magnet, grid=2)
    assert "Dipole-dipole interaction of all moments, times d; demagnetisation " in text and "Stable at all of 8 momenta" in text
    assert magnet.describe(magnet.defaults) == "J=-1 meV, B=1 T, d=1"


def test_shape_turns_with_the_magnetic_cell(load):  # noqa: F811
    # x of the supercell a + b, b - a is along a + b: a needle along a is at 45 degrees to it
    rows = [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]
    magnet = load(dipoles={"parameter": "d", "demagnetisation": [0, 0.5, 0.5]}, supercell=rows, **FIELD)
    assert magnet.model.dipoles.demagnetisation == pytest.approx(np.array([[0.25, 0.25, 0], [0.25, 0.25, 0], [0, 0, 0.5]]))
    # modes of the larger cell at q = 0 are those of the smaller at q = 0 and at (1/2, 1/2, 0)
    small = load(dipoles={"parameter": "d", "demagnetisation": [0, 0.5, 0.5]}, **FIELD)
    both = np.sort(np.ravel(energies(small, hkl=np.array([[0, 0, 0], [0.5, 0.5, 0]]))))
    assert energies(magnet, hkl=np.zeros((1, 3)))[0] == pytest.approx(both, rel=1e-9)


def test_antiferromagnet_needs_no_shape(load):  # noqa: F811
    parts = {"parameters": [parameter("J", 1.0), FACTOR], "supercell": [2, 2, 1], "order": {"k": ["1/2", "1/2", 0]}}
    assert load(dipoles={"parameter": "d"}, **parts).model.dipoles.demagnetisation == pytest.approx(np.eye(3) / 3)


@pytest.mark.parametrize(
    ("dipoles", "parts", "message"),
    [
        (
            {},
            {},
            r"'dipoles' \(line \d+\).*has a moment of 2 Bohr magnetons: its dipole sums depend on the shape.*give demagnetisation: \[1/3",
        ),
        ({"demagnetisation": [1, 1, 1]}, {}, r"'dipoles'.*symmetric with the trace 1, not 3, or zero; give 1/3"),
        ({"demagnetisation": [[0, 1, 0], [0, 0, 0], [0, 0, 1]]}, {}, "is not that of a sample"),
        ({"parameter": "dd"}, {}, r"'dipoles.parameter'.*there is no parameter dd \(did you mean 'd'\?\)"),
        ({"parameter": "J"}, {"parameters": [parameter("J", -1.0)]}, "J is both a factor and a coupling"),
        ({"demagnetisation": [1, 0, 0]}, {"parameters": [parameter("J", -1.0), parameter("d", 1.0)]}, 'has no unit.*is meV; add unit: ""'),
        ({}, {"spiral": {"k": [0.2, 0, 0], "axis": [0, 0, 1]}}, r"'dipoles'.*is not uniform in the rotating frame"),
        ({}, {"parameters": [parameter("J", -1.0, unit=""), FACTOR]}, "J is a coupling, which is in meV, but it has no unit"),
    ],
)
def test_dipoles_that_are_wrong_are_refused(load, dipoles, parts, message):  # noqa: F811
    with pytest.raises(MaterialError, match=message):
        load(**{"parameters": [parameter("J", -1.0), FACTOR], "dipoles": {"parameter": "d", **dipoles}, **parts})
