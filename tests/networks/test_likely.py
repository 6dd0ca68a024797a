"""Magnets that the networks hold likely of a map whose magnet is known."""

from __future__ import annotations

import numpy as np
import pytest

from mantid_insdl import examples
from mantid_insdl.maps import RLU, Axis
from mantid_insdl.networks import likely
from mantid_insdl.networks.bundles import load_bundle
from mantid_insdl.networks.likely import likely_magnets
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.preparation import prepare
from mantid_insdl.simulation.ensembles import Ensemble

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def bundle():
    return load_bundle("pcsmo-denoiser")


@pytest.fixture(scope="module")
def ensemble(bundle):
    return Ensemble.from_arrays(bundle.card.materials, bundle.arrays)


@pytest.fixture(scope="module")
def prepared(bundle):
    """A simulated measurement of Goodenough with known constants, at three incident energies."""
    return prepare(examples.load(), bundle.card)


def test_most_are_of_the_right_material_and_around_its_constants(ensemble, prepared):
    found = likely_magnets(ensemble, prepared.inputs, "pcsmo", prepared.gridded.axes)
    numbers = {name: len(sets) for name, sets in found.sets.items()}
    assert set(numbers) == set(ensemble.sets) and min(numbers.values()) >= 4 and 55 <= sum(numbers.values()) <= 65
    assert numbers[examples.MATERIAL] > 0.6 * sum(numbers.values())
    sets, prior = found.sets[examples.MATERIAL], ensemble.sets[examples.MATERIAL]
    constants, truth = sets[:, :-2], np.array(list(examples.PARAMETERS.values()))
    assert np.all(np.abs(constants.mean(axis=0) - truth) < 3 * constants.std(axis=0))
    # The map determines the exchange in the plane: far more narrowly than the prior does.
    determined = [name not in ("Jperp", "D") for name in examples.PARAMETERS]
    assert np.all(constants.std(axis=0)[determined] < 0.6 * prior[:, :-2].std(axis=0)[determined])
    assert np.isin(sets[:, -2:], prior[:, -2:]).all() and np.ptp(sets[:, -1]) > 0
    assert (found.twin_fraction, found.slice_scale) == (ensemble.twin_fraction, ensemble.slice_scale)
    again = likely_magnets(ensemble, prepared.inputs, "pcsmo", prepared.gridded.axes)
    assert np.array_equal(again.sets[examples.MATERIAL], sets)


def test_without_a_classifier_all_materials_are_as_likely(ensemble, prepared, monkeypatch):
    monkeypatch.setattr(likely, "bundles_for", lambda *_: [])
    found = likely_magnets(ensemble, prepared.inputs, "pcsmo", prepared.gridded.axes, number=12)
    assert [len(sets) for sets in found.sets.values()] == [4, 4, 4]


def test_networks_that_see_other_maps_are_not_asked(ensemble, prepared):
    other = [Axis(axis.name, RLU, 0.5 * axis.centres) for axis in prepared.gridded.axes]
    assert likely_magnets(ensemble, prepared.inputs, "pcsmo", other).sets == {}
    assert likely_magnets(ensemble, prepared.inputs, "another", prepared.gridded.axes).sets == {}
    inputs = prepared.inputs
    few = MeasuredMaps(inputs.stack[:, :10], inputs.scale[:, :10], inputs.signal, inputs.windows[:, :10], inputs.used[:, :10])
    assert likely_magnets(ensemble, few, "pcsmo", prepared.gridded.axes).sets == {}
    two = MeasuredMaps(*(np.concatenate([x, x]) for x in (inputs.stack, inputs.scale, inputs.signal, inputs.windows, inputs.used)))
    with pytest.raises(ValueError, match="2 maps"):
        likely_magnets(ensemble, two, "pcsmo", prepared.gridded.axes)
