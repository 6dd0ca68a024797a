"""Maps between two magnets that are special cases of one, with known constants."""

from __future__ import annotations

import numpy as np
import pytest

from mantid_insdl.analysis.between import LIMIT, freed, objection
from mantid_insdl.analysis.evidence import Comparison
from mantid_insdl.analysis.rival import Fitted
from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.materials import load_material
from mantid_insdl.materials.union import union_of
from mantid_insdl.networks.bundles import find_bundle, read_card
from mantid_insdl.networks.preparation import prepare
from mantid_insdl.simulation.slices import simulate
from mantid_insdl.training.sampling import magnet

GOODENOUGH, DIMER, ZENER = "pcsmo-goodenough", "pcsmo-dimer", "pcsmo-zener"
BETWEEN = {"JFS": -14.0, "JFW": -9.0, "JA": 1.5, "JF2": -1.3, "JF3": 1.4, "Jperp": 0.9, "D": 0.07}
TRUE = {
    "JFS - JFW": 5.0,
    "JA1 - JA2": 0.0,
    "JF2": -1.3,
    "JF3": 1.4,
}  # the first two up to one sign: which bond is called strong is a convention


def counted(material, values, neutrons=10.0, ei=60.0):
    axes = {name: Axis(name, RLU, np.linspace(-1, 1, 40)) for name in ("qh", "qk")}
    m = simulate(material, values, slices=Slices.from_bins([ei], [np.linspace(0.1 * ei, 0.7 * ei, 11)]), **axes)
    signal = np.nan_to_num(m.intensity)
    counts = np.random.default_rng(1).poisson(neutrons * signal / signal.mean()).astype(float)
    return m.replace(intensity=counts, mask=m.mask, material="pcsmo")


def fitted(m, *names):
    """Each magnet brought to a map from its published constants."""
    found = []
    for name in names:
        card = read_card(find_bundle(f"{name}-exchange"))
        ranges = {output.name: (output.low, output.high) for output in card.outputs}
        start = np.array([load_material(name).defaults[one] for one in ranges])
        found.append(Fitted(Comparison(prepare(m, card), name), start, ranges).descend())
    return found


@pytest.mark.parametrize(("one", "other"), [(GOODENOUGH, DIMER), (DIMER, GOODENOUGH)])
def test_a_map_between_two_magnets_is_given_to_none(one, other):
    first, second = fitted(counted(magnet("pcsmo-intermediate"), BETWEEN), one, other)
    found = freed(first, second, union_of(load_material(one), load_material(other)))
    assert found.gain > 2 * LIMIT
    for missing in found.missing:
        assert abs(missing.value) == pytest.approx(abs(TRUE[missing.name]), abs=0.7) and missing.error < 0.3


@pytest.mark.parametrize(("one", "other"), [(GOODENOUGH, DIMER), (DIMER, GOODENOUGH)])
def test_a_magnet_of_its_own_asks_for_nothing_more(one, other):
    first, second = fitted(counted(one, {}), one, other)
    found = freed(first, second, union_of(load_material(one), load_material(other)))
    assert found.gain < 12  # of chi squared with two degrees of freedom 0.2 % lie above
    assert objection(first, second) == ""


def test_the_reason_says_what_is_missing_and_its_value(monkeypatch):
    first, second = fitted(counted(magnet("pcsmo-intermediate"), BETWEEN), DIMER, GOODENOUGH)
    said = objection(first, second)
    assert said.startswith("The map asks for JF") and f"which {DIMER} has not" in said and f"shows {GOODENOUGH} or lies between" in said


def test_magnets_that_are_no_special_cases_of_one_are_not_compared(monkeypatch):
    first, second = fitted(counted(GOODENOUGH, {}, ei=100.0), GOODENOUGH, ZENER)
    monkeypatch.setattr("mantid_insdl.analysis.between.freed", None)
    assert objection(first, second) == ""
