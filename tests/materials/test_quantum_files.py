"""Quantum corrections of materials: in words, and as factors on the exchanges of a file."""

import numpy as np
import pytest
from test_crystals import load, parameter  # noqa: F401 (a fixture)

from mantid_insdl.errors import MaterialError
from mantid_insdl.materials import Material, load_material
from mantid_insdl.materials.quantum import describe_corrections, zero_point_of
from mantid_insdl.materials.spin_waves import modes_of
from mantid_insdl.spinwave.quantum import oguchi_factors

SQUARE = {
    "parameters": [parameter("J", 1.0)],
    "space_group": "P 4/m m m",
    "sites": [{"label": "s", "positions": [[0, 0, 0]], "spin": 0.5, "direction": [0, 0, 1], "g": [2.1, 2.1, 2.2]}],
    "supercell": [[1, 1, 0], [-1, 1, 0], [0, 0, 1]],
    "order": {"k": [0.5, 0.5, 0]},
}


def test_corrections_in_words(load):  # noqa: F811
    text = describe_corrections(load(**SQUARE))
    assert "energy: classical -0.50000, zero-point -0.15795 meV a spin" in text
    assert f"S = 0.5 is shorter by 0.1966, a moment of {2.2 * (0.5 - 0.1966):.3f} Bohr magnetons" in text
    assert "those of an exchange times J 1.1579" in text


def test_factor_of_oguchi_raises_all_energies(load):  # noqa: F811
    plain, raised = load(**SQUARE), load(**SQUARE, renormalisation="oguchi")
    hkl = [[0.3, 0.1, 0]]
    energies, higher = (modes_of(one, hkl, one.couplings({"J": 2.0})).energies for one in (plain, raised))
    assert higher == pytest.approx(1.157947 * energies, rel=1e-5)
    assert raised.energy_factors == {"J": pytest.approx(1.157947, rel=1e-5)} and plain.energy_factors == {"J": 1.0}
    # what zero-point motion makes of the magnet is that of the bare exchange
    assert zero_point_of(raised).energy == pytest.approx(zero_point_of(plain).energy)


def test_each_of_several_exchanges_has_its_own_factor():
    data = load_material("la2nio4").model_dump(exclude_unset=True)
    kept = [one for one in data["parameters"] if one["name"] in ("J1", "J2")]
    others = {"anisotropy": [], "parameters": kept, "bonds": [one for one in data["bonds"] if one["parameter"] in ("J1", "J2")]}
    raised = Material.model_validate({**data, **others, "closed_form": None, "renormalisation": "oguchi"})
    plain = Material.model_validate({**data, **others, "closed_form": None, "renormalisation": 1.0})
    factors = oguchi_factors(plain.model, plain.defaults)
    assert raised.energy_factors == factors and factors["J1"] > 1.05 and factors["J2"] < 1
    hkl = [[0.3, 0.1, 0]]
    scaled = {name: factors[name] * value for name, value in plain.defaults.items()}
    expected = modes_of(plain, hkl, scaled).energies
    np.testing.assert_allclose(modes_of(raised, hkl, raised.couplings(raised.defaults)).energies, expected, rtol=1e-12)


def test_materials_that_ship():
    la2nio4 = load_material("la2nio4")
    text = describe_corrections(la2nio4)
    # S = 1: the factor is 1.079 with nearest neighbours alone, and its file has 1.09
    assert "J1 1.07" in text and "J2 0.9" in text
    rb2mnf4 = describe_corrections(load_material("rb2mnf4"))
    assert "single-ion term" in rb2mnf4 and "S = 2.5 is shorter by 0.1" in rb2mnf4
    spiral = describe_corrections(load_material("pcsmo-zener"))
    assert "energies of a spiral are not renormalised" in spiral
    chain = describe_corrections(load_material("example-chain"), {"D": 0.0} if "D" in load_material("example-chain").defaults else None)
    assert "Quantum corrections" in chain
    assert np.all(zero_point_of(la2nio4).reduction > 0.19)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"renormalisation": "oguchi", "sites": [{**SQUARE["sites"][0], "direction": [1, 0, 0]}], "supercell": None, "order": None}, None),
        ({"renormalisation": "Oguchi"}, "renormalisation"),
        ({"renormalisation": -1.0}, "greater than 0"),
        (
            {
                "renormalisation": "oguchi",
                "parameters": [parameter("J", 1.0), parameter("D", -0.1)],
                "anisotropy": [{"parameter": "D", "axis": [0, 0, 1]}],
            },
            "single-ion term",
        ),
    ],
)
def test_what_has_no_such_factor_is_refused(load, parts, message):  # noqa: F811
    whole = {key: value for key, value in {**SQUARE, **parts}.items() if value is not None}
    if message is None:  # all spins alike and J > 0: unstable
        message = "unstable structure"
    with pytest.raises(MaterialError, match=message):
        load(**whole)
