"""Magnetic form factors: normalised, named, and those that the package periodictable lacks against other programs."""

import numpy as np
import periodictable
import pytest

from mantid_insdl.errors import MaterialError
from mantid_insdl.spinwave.form_factors import FormFactor, coefficients, form_factor, mixed, orbital_coefficients, tables_of, with_orbital

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


# of Sunny's tests (test_form_factors.jl): <j0> + C2 <j2> at Q^2 = 0.57, with C2 = 0.1, and of rare earths and actinides (2 - g_J) / g_J
SUNNY = {
    ("Ti3+", 0.1): 0.9528748452,
    ("Cr3+", 0.1): 0.9643926517,
    ("Mn2+", 0.1): 0.9618982113,
    ("Fe2+", 0.1): 0.9654220904,
    ("Co2+", 0.1): 0.9683228814,
    ("Ni2+", 0.1): 0.9713015478,
    ("Cu2+", 0.1): 0.9737428228,
    ("Pd0+", 0.1): 0.9493697730,
    ("Nd3+", 7 / 4): 0.9911020302,
    ("Sm3+", 6): 1.0353711653,
    ("Gd3+", 0): 0.9772613581,
    ("Tb3+", 1 / 3): 0.9813662594,
    ("Dy3+", 1 / 2): 0.9836009799,
    ("Er3+", 2 / 3): 0.9863509727,
    ("Yb3+", 3 / 4): 0.9878390389,
    ("U4+", 3 / 2): 0.9776921513,
}


@pytest.mark.parametrize(("ion", "c2"), SUNNY)
def test_orbital_moments_are_those_of_sunny(ion, c2):
    assert with_orbital(ion, c2).at(np.array(0.57)) == pytest.approx(SUNNY[ion, c2], abs=1e-7)


ORBITAL = [ion for ion in IONS if ion not in {"O1+", "Mn5+"}]


def expanded(table, s2):
    *pairs, constant = table
    return constant + sum(height * np.exp(-width * s2) for height, width in zip(pairs[::2], pairs[1::2], strict=True))


@pytest.mark.parametrize("ion", ORBITAL)
def test_both_integrals_begin_with_the_same_mean_square_radius(ion):
    """<j0> = 1 - k^2 <r^2> / 6 and <j2> = k^2 <r^2> / 15 for small k: by their expansions to 8 %, those of 5d ions to 2 %."""
    *pairs, _ = coefficients(ion)
    falling = sum(height * width for height, width in zip(pairs[::2], pairs[1::2], strict=True))
    five_d = ion.startswith(("Hf", "Ta", "W", "Re", "Os", "Ir", "Pt", "Au"))
    assert expanded(orbital_coefficients(ion), 0.0) == pytest.approx(0.4 * falling, rel=0.02 if five_d else 0.08)


# Brown's expansions of <j0> + C2 <j2> (periodictable's J), made for the free ions: of another calculation than Lisher and Forsyth's
@pytest.mark.parametrize(("ion", "c2", "within"), [("Ce3+", 4 / 3, 6e-3), ("Pr3+", 3 / 2, 4e-3)])
def test_rare_earths_are_those_of_the_tables_of_moments(ion, c2, within):
    table = getattr(periodictable, ion[:2]).magnetic_ff[3].J
    assert with_orbital(ion, c2).at(Q**2) == pytest.approx(expanded(table, (Q / (4 * np.pi)) ** 2), abs=within)


@pytest.mark.parametrize(
    ("ion", "line"),  # as in Mantid's MagneticIon.cpp
    [
        ("Os5+", (3.4764, 15.826, 3.9241, 8.032, -0.6854, 1.397, 0.5394, 1.184, -0.0024)),
        ("Ir4+", (3.5964, 16.439, 3.7872, 7.873, -1.2303, 1.092, 1.1232, 1.003, -0.0068)),
        ("Pt4+", (0.9477, 22.775, 4.3337, 11.319, 7.2374, 4.5, -5.7086, 4.106, 0.0062)),
    ],
)
def test_lines_of_5d_ions_are_those_of_mantid(ion, line):
    assert orbital_coefficients(ion) == line


@pytest.mark.parametrize("ion", ORBITAL)
def test_orbital_part_is_small_and_vanishes_at_zero(ion):
    orbital = form_factor(with_orbital(ion, 1.0), Q) - form_factor(ion, Q)
    assert orbital[0] == 0 and 0.1 < orbital.max() < 0.4 and orbital.min() > -0.1


def test_mean_of_several_ions():
    found = mixed([(0.25, with_orbital("Co2+", 0.1)), (0.5, "Mn2+"), (0.25, "")])
    expected = 0.25 * form_factor(with_orbital("Co2+", 0.1), Q) + 0.5 * form_factor("Mn2+", Q) + 0.25
    assert form_factor(found, Q) == pytest.approx(expected, abs=1e-14)
    assert hash(found) == hash(mixed([(0.25, with_orbital("Co2+", 0.1)), (0.5, "Mn2+"), (0.25, "")]))
    assert found.at(Q.astype(np.float32) ** 2).dtype == np.float32
    assert FormFactor((1.0,)).at(Q).tolist() == [1.0] * len(Q)


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
    with pytest.raises(MaterialError, match=r"no <j2> for Mn5\+: .*give both by hand"):
        orbital_coefficients("Mn5+")
    with pytest.raises(MaterialError, match=r"'Ru' is no ion.*Mn3\+"):
        coefficients("Ru")
