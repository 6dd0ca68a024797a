"""Magnetic form factors: normalised, named, and those that the package periodictable lacks against other programs."""

import numpy as np
import periodictable
import pytest

from mantid_insdl.errors import MaterialError
from mantid_insdl.spinwave.form_factors import coefficients, form_factor, tables_of

IONS = [ion for element in periodictable.elements for ion in tables_of(element.symbol)]
Q = np.linspace(0, 6, 61)


def test_all_ions_of_periodictable_and_more_are_there():
    assert len(IONS) > 130
    assert {"Mn2+", "Ce2+", "Am7+", "O1+"} | {"Ce3+", "Ir4+", "Os5+", "Re6+", "W5+", "Pt4+", "Mn5+", "Ta4+"} <= set(IONS)


@pytest.mark.parametrize("ion", IONS)
def test_form_factor_is_one_at_zero_and_falls(ion):
    found = form_factor(ion, Q)
    assert found[0] == pytest.approx(1, abs=0.003)
    # one sign lost in the table would not fall, or not to a small number
    assert np.all(np.diff(found[:21]) < 0) and found.max() < 1.003 and found.min() > -0.2


# of the tables of SpinW 3 (magion.dat: Ir4+, Ir5+, Mn5+), Mantid (MagneticIon.cpp: Ni3+) and McPhase (ffacts: Ce3+)
OTHERS = {
    "Ir4+": [0.3969, 22.05, 0.931, 11.768, -0.709, 3.017, 0.3857, 1.778, -0.0047],
    "Ir5+": [0.3059, 20.759, 1.0432, 11.622, -1.3457, 2.655, 1.0008, 2.066, -0.0043],
    "Mn5+": [0.7405, 5.07409, 0.29237, 11.66547, -1.78834, 0.00593, 1.75568],
    "Ni3+": [0.0012, 35.0, 0.3468, 11.987, 0.6667, 4.252, -0.0148],
    "Ce3+": [0.2291, 18.18, 0.7897, 5.807, -0.0191],
}


@pytest.mark.parametrize("ion", OTHERS)
def test_other_programs_have_the_same(ion):
    *pairs, constant = OTHERS[ion]
    s2 = (Q / (4 * np.pi)) ** 2
    expected = constant + sum(a * np.exp(-b * s2) for a, b in zip(pairs[::2], pairs[1::2], strict=True))
    assert form_factor(ion, Q) == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("element", ["Re", "Os", "Ir", "Pt", "Ni", "Fe"])
def test_more_charge_makes_an_ion_smaller(element):
    charged = sorted(ion for ion in tables_of(element) if ion[-2] not in "01")
    at = [float(form_factor(ion, np.array(2.5))) for ion in charged]
    assert at == sorted(at)


def test_coefficients_by_hand():
    own = (0.5, 20.0, 0.5, 5.0, 0.0)
    assert coefficients(own) == own
    assert form_factor(own, Q) == pytest.approx(0.5 * np.exp(-20 * (Q / 4 / np.pi) ** 2) + 0.5 * np.exp(-5 * (Q / 4 / np.pi) ** 2))
    assert np.array_equal(form_factor("", Q), np.ones(61))


def test_what_is_not_in_the_tables_says_what_is():
    with pytest.raises(MaterialError, match=r"no magnetic form factor for Ru3\+: the tables have Ru0\+, Ru1\+.*form_factor: \[A, a"):
        coefficients("Ru3+")
    with pytest.raises(MaterialError, match=r"no magnetic form factor for La: it is not in the tables; give its coefficients"):
        coefficients("La3+")
    with pytest.raises(MaterialError, match=r"'Ru' is no ion.*Mn3\+"):
        coefficients("Ru")
