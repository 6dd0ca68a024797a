"""Magnetic form factors against the numbers of P. J. Brown, International Tables for Crystallography, volume C, table 4.4.5."""

import numpy as np
import pytest

from mantid_insdl.errors import MaterialError
from mantid_insdl.spinwave.form_factors import form_factor

BROWN = {  # A, a, B, b, C, c, D of <j0>
    "Mn2+": (0.4220, 17.684, 0.5948, 6.005, 0.0043, -0.609, -0.0219),
    "Mn3+": (0.4198, 14.2829, 0.6054, 5.4689, 0.9241, -0.0088, -0.9498),
    "Ni2+": (0.0163, 35.8826, 0.3916, 13.2233, 0.6052, 4.3388, -0.0133),
    "Cu2+": (0.0232, 34.9686, 0.4023, 11.5640, 0.5882, 3.8428, -0.0137),
}


@pytest.mark.parametrize("ion", BROWN)
def test_values_of_the_tables(ion):
    a, aa, b, bb, c, cc, d = BROWN[ion]
    q = np.array([0.0, 1.0, 2.5, 6.0])
    s2 = (q / (4 * np.pi)) ** 2
    expected = a * np.exp(-aa * s2) + b * np.exp(-bb * s2) + c * np.exp(-cc * s2) + d
    assert form_factor(ion, q) == pytest.approx(expected, abs=2e-4)
    assert form_factor(ion, q)[0] == pytest.approx(1, abs=2e-3)


def test_no_ion_has_no_form_factor():
    assert form_factor("", np.array([0.0, 3.0])).tolist() == [1, 1]
    for wrong, words in (("Mn", "no ion"), ("He2+", "no magnetic form factor"), ("Mn9+", r"Mn2\+")):
        with pytest.raises(MaterialError, match=words):
            form_factor(wrong, np.array([1.0]))
