"""What neutrons see of the sites of a material file: orbital moments, form factors by hand, several ions on a site, g-tensors."""

import re

import numpy as np
import pytest
from test_cif_files import cif
from test_cif_files import load as load_cif  # noqa: F401 (a fixture)
from test_crystals import load, parameter  # noqa: F401 (a fixture)

from mantid_insdl.errors import MaterialError
from mantid_insdl.materials.ions import lande_factor, orbital_momentum
from mantid_insdl.materials.relaxing import material_text, relaxed_material
from mantid_insdl.materials.summary import summarise
from mantid_insdl.spinwave import spin_waves
from mantid_insdl.spinwave.form_factors import form_factor

Q = np.linspace(0, 8, 41)
OWN = [0.5, 20.0, 0.6, 5.0, -0.1]
OWN_J2 = [1.5, 18.0, 1.0, 6.0, 0.01]


def site(**parts):
    return {"label": "s", "positions": [[0, 0, 0]], "direction": [0, 0, 1], **parts}


def expansion(numbers):
    s2 = (Q / (4 * np.pi)) ** 2
    return numbers[-1] + sum(a * np.exp(-b * s2) for a, b in zip(numbers[:-1:2], numbers[1::2], strict=True)), s2


@pytest.fixture
def seen(load):  # noqa: F811
    """The form factor of a material with one site, and the material."""

    def one(**parts):
        magnet = load(sites=[site(**parts)], parameters=[parameter("J", -1.0)])
        return form_factor(magnet.model.sites[0].ion, Q), magnet

    return one


def test_orbital_moment_by_its_lande_factor_or_share(seen):
    # Yb3+: g_J = 8/7, C2 = 3/4
    by_factor, magnet = seen(spin="7/2", ion="Yb3+", lande="8/7")
    assert by_factor == pytest.approx(seen(spin="7/2", ion="Yb3+", c2=0.75)[0], abs=1e-15)
    j0 = form_factor("Yb3+", Q)
    _, s2 = expansion(OWN)
    j2 = s2 * expansion([0.1570, 18.555, 0.8484, 6.540, 0.8880, 2.037, 0.0318])[0]  # P. J. Brown's table
    assert by_factor == pytest.approx(j0 + 0.75 * j2, abs=1e-4)
    assert np.abs(by_factor - j0).max() > 0.1
    assert "Yb3+, C2 = 0.75" in summarise(magnet, grid=2)
    assert magnet.remarks == []


def test_both_by_hand(seen):
    found, magnet = seen(spin=1, form_factor=OWN, form_factor_j2=OWN_J2, c2="1/10")
    j0, s2 = expansion(OWN)
    assert found == pytest.approx(j0 + 0.1 * s2 * expansion(OWN_J2)[0], abs=1e-14)
    assert "(own form factor), C2 = 0.1" in summarise(magnet, grid=2)


def test_hunds_rules_of_rare_earths():
    # the table of N. W. Ashcroft and N. D. Mermin: g_J from 6/7 of Ce3+ to 8/7 of Yb3+
    known = {
        "Ce3+": 6 / 7,
        "Pr3+": 4 / 5,
        "Nd3+": 8 / 11,
        "Sm3+": 2 / 7,
        "Gd3+": 2,
        "Tb3+": 3 / 2,
        "Dy3+": 4 / 3,
        "Er3+": 6 / 5,
        "Yb3+": 8 / 7,
    }
    assert {ion: lande_factor(ion) for ion in known} == pytest.approx(known)
    assert lande_factor("Eu3+") is None and lande_factor("Co2+") is None
    assert [orbital_momentum(ion) for ion in ("Mn2+", "Co2+", "Gd3+", "Ho3+")] == [0, 3, 0, 6]


def test_ions_that_share_a_site_carry_their_mean(seen, load):  # noqa: F811
    ions = [{"ion": "Mn3+", "spin": 2, "occupancy": 0.5}, {"ion": "Mn4+", "spin": "3/2", "occupancy": 0.5}]
    found, magnet = seen(ions=ions)
    assert magnet.model.spins.tolist() == [1.75]
    # all turn by the same angle: the moment that moves is that of each ion, times its form factor
    assert found == pytest.approx((2 * form_factor("Mn3+", Q) + 1.5 * form_factor("Mn4+", Q)) / 3.5, abs=1e-14)
    assert magnet.remarks == []
    assert "S = 1.75  0.5 Mn3+ + 0.5 Mn4+" in summarise(magnet, grid=2)
    # energies are those of the mean spin: 2 |J| S (1 - cos 2 pi h) along one axis
    hkl = [[0.25, 0, 0]]
    modes, sharp = (spin_waves(one.model, hkl, one.defaults) for one in (magnet, seen(spin=1.75)[1]))
    assert modes.energies == pytest.approx(sharp.energies)
    length = np.linalg.norm(magnet.model.lattice.to_cartesian(np.array(hkl)), axis=1)
    both = (2 * form_factor("Mn3+", length) + 1.5 * form_factor("Mn4+", length)) / 3.5
    assert modes.s_perp[0] == pytest.approx(sharp.s_perp[0] * both**2)
    # a relaxed file has them too
    again = load(**{"sites": [one.model_dump(exclude_unset=True) for one in relaxed_material(magnet, {}).material.sites]})
    assert again.model.spins.tolist() == [1.75]
    assert "occupancy: 0.5" in material_text(relaxed_material(magnet, {}).material, ".")


def test_diluted_site(seen):
    found, magnet = seen(ions=[{"ion": "Mn2+", "spin": "5/2", "occupancy": 0.8}])
    assert magnet.model.spins.tolist() == [2.0]
    assert found == pytest.approx(form_factor("Mn2+", Q))
    assert magnet.remarks == ["0.2 of the sites s have no spin: all carry the mean one, 2."]


def test_shared_site_of_a_cif_file(load_cif):  # noqa: F811
    text = cif("Mn1 Mn 0 0 0 0.5\nFe1 Fe 0 0 0 0.5", columns="_atom_site_type_symbol\n")
    text = text.replace("_atom_site_fract_z\n", "_atom_site_fract_z\n_atom_site_occupancy\n")
    ions = [{"ion": "Mn2+", "spin": "5/2", "occupancy": 0.5}, {"ion": "Fe2+", "spin": 2, "occupancy": 0.5}]
    alone = {"sites": [{"atom": "Mn1", "ions": ions, "direction": [0, 0, 1]}]}
    magnet = load_cif(text, **alone)
    assert magnet.model.spins.tolist() == [2.25] and magnet.remarks == []
    with pytest.raises(MaterialError, match=r"shares its place.*give all its ions with their occupancies"):
        load_cif(text, "Mn1")
    wrong = [{**ions[0], "ion": "Co2+"}, ions[1]]
    with pytest.raises(MaterialError, match=r"the ion is Co2\+, but the atom of the CIF file is Mn"):
        load_cif(text, sites=[{"atom": "Mn1", "ions": wrong, "direction": [0, 0, 1]}])


def test_material_says_what_scatters(load):  # noqa: F811
    sites = [site(spin=1, g=[2.2, 2.2, 1.9])]
    moments, spins = (load(sites=sites, scattering=what, parameters=[parameter("J", -1.0)]) for what in ("moments", "spins"))
    hkl = [[0.2, 0.1, 0.3]]
    by_moments, by_spins = (spin_waves(one.model, hkl, one.defaults).s_perp.sum() for one in (moments, spins))
    assert by_moments == pytest.approx(1.21 * by_spins)  # the spin along z moves along x and y
    assert "Neutrons see moments g S / 2" in summarise(moments, grid=2)
    assert "Neutrons see spins" in summarise(spins, grid=2)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"spin": 1, "form_factor": [5.0, 20.0, 5.0, 5.0, 0.0]}, "the form factor is 10 at Q = 0, not 1"),
        ({"spin": 1, "form_factor": [0.5, 20.0, 0.49, 5.0, 0.0]}, "the form factor is 0.99 at Q = 0"),
        ({"spin": 1, "form_factor": [0.5, -2.0, 0.5, 5.0, 0.0]}, "the form factor grows to .* give widths"),
        ({"spin": 1, "form_factor": [0.5, float("nan"), 0.5, 5.0, 0.0]}, "finite number"),
        ({"spin": 1, "form_factor": [0.5, 2.0, 0.5, 5.0]}, "a form factor of 4 numbers"),
        ({"spin": 1, "form_factor": OWN, "form_factor_j2": OWN_J2}, "form_factor_j2 goes with form_factor and lande or c2"),
        ({"spin": 1, "form_factor": OWN, "form_factor_j2": [90.0, 18.0, 1.0, 6.0, 0.0], "c2": 0.1}, "<j2> is up to .* at most 0.3"),
        ({"spin": 1, "c2": 0.1}, "C2 multiplies <j2>, which is not known; give the ion"),
        ({"spin": 1, "form_factor": OWN, "ion": "Co2+", "c2": 0.1}, "give beside form_factor, form_factor_j2"),
        ({"spin": 1, "ion": "Co2+", "c2": 0.1, "lande": 1.5}, "both lande and c2"),
        ({"spin": 1, "ion": "Co2+", "lande": 0}, "greater than 0"),
        ({"spin": 1, "ion": "Mn5+", "c2": 0.1}, r"there is no <j2> for Mn5\+"),
        ({"ion": "Co2+"}, "site s has no spin"),
        ({"spin": 1, "ions": [{"ion": "Mn3+", "spin": 2, "occupancy": 0.5}]}, "both ions and spin"),
        ({"form_factor": OWN, "ions": [{"ion": "Mn3+", "spin": 2, "occupancy": 0.5}]}, "both ions and form_factor"),
        ({"ions": [{"ion": "Mn3+", "spin": 2, "occupancy": 0.7}, {"ion": "Mn4+", "spin": 2, "occupancy": 0.4}]}, "add up to 1.1"),
        ({"ions": [{"ion": "Mn3+", "spin": 2, "occupancy": -0.7}]}, "greater than 0"),
        ({"ions": [{"ion": "He2+", "spin": 2, "occupancy": 0.7}]}, "no magnetic form factor"),
    ],
)
def test_what_is_no_form_factor_is_refused(seen, parts, message):
    with pytest.raises(MaterialError, match=message):
        seen(**parts)


@pytest.mark.parametrize(
    ("parts", "remark"),
    [
        ({"spin": 3.5, "ion": "Yb3+", "lande": 1.5}, r"s has the Lande factor 1.5, but that of Yb3\+ is 1.143 by Hund's rules"),
        ({"spin": 2.5, "ion": "Mn2+", "c2": 0.1}, r"s has C2 = 0.1, but Mn2\+ has no orbital moment by Hund's rules"),
        ({"spin": 1.5, "ion": "Co2+", "lande": 2.2}, r"If it is the effective g of a spin, C2 is \(g - 2\) / g: c2: 0.0909"),
        ({"ions": [{"ion": "Mn4+", "spin": 4, "occupancy": 1}]}, r"s has the spin 4, but Mn4\+ has at most 1.5"),
    ],
)
def test_odd_orbital_moments_are_remarked_on(seen, parts, remark):
    remarks = seen(**parts)[1].remarks
    assert len(remarks) == 1 and re.search(remark, remarks[0])
