"""The common model of two descriptions of one magnet: partitions by hand, spin waves against hand-written files."""

from __future__ import annotations

import numpy as np
import pytest

from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.materials import load_material
from mantid_insdl.materials.material import Material
from mantid_insdl.materials.spin_waves import modes_of
from mantid_insdl.materials.union import union_of
from mantid_insdl.simulation.slices import SliceSimulator
from mantid_insdl.training.sampling import magnet

GOODENOUGH, DIMER = load_material("pcsmo-goodenough"), load_material("pcsmo-dimer")
CHAIN = {
    "name": "ab-cd",
    "title": "four spins in a row, antiparallel",
    "family": "chain",
    "sources": ["made for a test"],
    "cell": {"a": 8.0, "b": 30.0, "c": 30.0},
    "sites": [
        {"label": "up", "positions": [[0, 0, 0], [0.5, 0, 0]], "spin": 1, "direction": [0, 0, 1]},
        {"label": "dn", "positions": [[0.25, 0, 0], [0.75, 0, 0]], "spin": 1, "direction": [0, 0, -1]},
    ],
    "anisotropy": [{"parameter": "D", "axis": [0, 0, 1]}],
}
STEPS = [[[x, 0, 0], [x + 0.25, 0, 0]] for x in (0, 0.25, 0.5, 0.75)]


def chain(name, **segments):
    """A chain whose bonds of one parameter are the given ones of its four."""
    values = {"D": -0.1} | dict.fromkeys(segments, 1.0)
    parameters = [{"name": n, "value": v, "low": -5, "high": 5, "description": n} for n, v in values.items()]
    bonds = [{"parameter": n, "segments": [STEPS[i] for i in which]} for n, which in segments.items()]
    return Material.model_validate({**CHAIN, "name": name, "parameters": parameters, "bonds": bonds})


def energies(material, values):
    momenta = np.random.default_rng(0).uniform(-1, 1, (40, 3))
    found = modes_of(material, momenta, values)
    assert found.stable.all()
    return np.sort(found.energies, axis=-1)


def test_constants_are_the_common_refinement_of_both_partitions():
    union = union_of(chain("first", J=(0, 1), K=(2, 3)), chain("second", J=(0,), L=(1, 2)))
    assert union.parts == {"D": ("D", "D"), "J": ("J", "J"), "J_L": ("J", "L"), "K_L": ("K", "L"), "K": ("K", None)}
    assert union.missing(0) == [("J", "J_L"), ("K_L", "K")]
    assert union.missing(1) == [("J_L", "K_L"), ("K",)]
    values = {"D": -0.2, "J": 1.0, "L": 3.0}
    assert union.values(1, values) == {"D": -0.2, "J": 1.0, "J_L": 3.0, "K_L": 3.0, "K": 0.0}


def test_the_union_of_the_two_models_of_pcsmo():
    union = union_of(GOODENOUGH, DIMER)
    assert set(union.parts) == {"JFS", "JFW", "JA1", "JA2", "JF2", "JF3", "Jperp", "D"}
    assert union.missing(0) == [("JFS", "JFW"), ("JA1", "JA2")] and union.missing(1) == [("JF2",), ("JF3",)]


@pytest.mark.parametrize("which", [0, 1])
def test_either_material_is_a_special_case(which):
    own = (GOODENOUGH, DIMER)[which]
    union = union_of(GOODENOUGH, DIMER)
    found = energies(union.material, union.values(which, own.defaults))
    np.testing.assert_allclose(found, energies(own, own.defaults), rtol=1e-9)


def test_between_them_it_is_the_model_written_by_hand():
    between = magnet("pcsmo-intermediate")
    values = {"JFS": -13.0, "JFW": -9.0, "JA": 1.4, "JF2": -1.1, "JF3": 1.2, "Jperp": 0.9, "D": 0.07}
    both = {name: values["JA"] if name.startswith("JA") else values[name] for name in union_of(GOODENOUGH, DIMER).parts}
    union = union_of(GOODENOUGH, DIMER).material
    np.testing.assert_allclose(energies(union, both), energies(between, values), rtol=1e-9)
    axes = [Axis(name, RLU, np.linspace(-1, 1, 12)) for name in ("qh", "qk")]
    maps = [SliceSimulator(one, Slices.from_bins([60.0], [[20.0, 30.0]]), *axes) for one in (between, union)]
    expected, found = (one.intensity(named, dtype=float)[0] for one, named in zip(maps, (values, both), strict=True))
    np.testing.assert_allclose(found, expected, atol=5e-3 * expected.max())  # pixels are integrated in steps that follow the file


def test_there_is_none_of_other_spins_or_another_form_of_exchange():
    first = chain("first", J=(0, 1), K=(2, 3))
    described = first.model_dump(exclude_unset=True)
    longer = Material.model_validate({**described, "sites": [{**site, "spin": 2} for site in described["sites"]]})
    matrix = [[1, 0, 0], [0, 1, 0], [0, 0, 2]]
    other = Material.model_validate({**described, "bonds": [{**bond, "matrix": matrix} for bond in described["bonds"]]})
    assert union_of(first, longer) is None and union_of(first, other) is None
    assert union_of(GOODENOUGH, load_material("pcsmo-zener")) is None
