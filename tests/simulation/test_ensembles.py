"""Noise-free maps of many magnets on slices of somebody's choice."""

from __future__ import annotations

import numpy as np
import pytest

from mantid_insdl.errors import BundleError
from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.materials import load_material, zener
from mantid_insdl.simulation import ensembles as module
from mantid_insdl.simulation.ensembles import COPIES, LARGEST, Ensemble, at_places, expected_maps, mix_twins
from mantid_insdl.simulation.slices import SliceSimulator

SLICES = Slices.from_bins([35.0, 60.0], [np.linspace(8, 20, 3), np.linspace(10, 50, 4)])
QH, QK = (Axis(name, RLU, np.linspace(-1, 1, 12)) for name in ("qh", "qk"))
MATERIALS = ("pcsmo-goodenough", zener.MATERIAL)


@pytest.fixture(scope="module")
def ensemble():
    rng = np.random.default_rng(0)
    sets = {}
    for name in MATERIALS:
        constants = np.array([p.value for p in load_material(name).parameters]) * rng.uniform(0.9, 1.1, (3, 1))
        sets[name] = np.column_stack([constants, rng.uniform(0.8, 1.4, 3), [0.5, 0.5, 0.9]])
    return Ensemble(sets, (0.2, 0.8), 0.1)


@pytest.fixture(scope="module")
def maps(ensemble):
    return expected_maps(ensemble, SLICES, QH, QK)


def test_all_sets_in_units_of_the_mean_of_each_incident_energy(maps):
    assert maps.shape == (2 * 3 * COPIES, 5, 12, 12) and maps.dtype == np.float16
    reach = SliceSimulator("pcsmo-goodenough", SLICES, QH, QK, False).reach
    assert np.all(maps[:, ~reach] == 0) and np.isfinite(maps).all()
    for group in (slice(0, 2), slice(2, 5)):
        means = [one[group][reach[group]].mean(dtype=float) for one in maps]
        assert means == pytest.approx([1.0] * len(maps), abs=0.01)


def test_always_the_same_and_copies_differ(ensemble, maps):
    assert np.array_equal(expected_maps(ensemble, SLICES, QH, QK), maps)
    assert np.abs(maps[0::COPIES].astype(float) - maps[1::COPIES]).max(axis=(1, 2, 3)).min() > 0.02


def test_a_map_is_the_simulation_of_both_twins_with_an_efficiency_for_each_slice(ensemble):
    fixed = Ensemble(ensemble.sets, (0.75, 0.75), 0.0)
    found = expected_maps(fixed, SLICES, QH, QK)[0].astype(float)
    *constants, width, blur = ensemble.sets["pcsmo-goodenough"][0]
    named = dict(zip([p.name for p in load_material("pcsmo-goodenough").parameters], constants, strict=True))
    simulator = SliceSimulator("pcsmo-goodenough", SLICES, QH, QK, False)
    intensity, _ = simulator.intensity(named, energy_width_scale=width, q_sigma_pixels=blur)
    expected = mix_twins(np.nan_to_num(intensity[0]), 0.75)
    for place in range(5):
        assert np.corrcoef(found[place].ravel(), expected[place].ravel())[0, 1] > 0.99999  # one factor for a slice
    levels = found.sum((1, 2)) / expected.sum((1, 2))
    # between no division by kf/ki and all of it, in each incident energy
    assert 1 >= levels[1] / levels[0] >= np.sqrt((1 - 17 / 35) / (1 - 11 / 35)) - 0.01


def test_polarons_are_in_the_order_of_their_constants(monkeypatch, ensemble):
    asked = []
    real = module.simulator_for

    def simulator_for(name, *rest, **options):
        asked.append(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(module, "simulator_for", simulator_for)
    expected_maps(ensemble, SLICES, QH, QK)
    assert asked == list(MATERIALS)  # one simulator each, and the one that follows


def test_unstable_sets_are_left_out(ensemble):
    names = [p.name for p in load_material("pcsmo-goodenough").parameters]
    sets = ensemble.sets["pcsmo-goodenough"].copy()
    sets[1, names.index("JF1")] *= -1
    assert len(expected_maps(Ensemble({"pcsmo-goodenough": sets}, (0.2, 0.8), 0.1), SLICES, QH, QK)) == 2 * COPIES


def test_progress_rises_and_may_stop_it(ensemble):
    said = []
    expected_maps(ensemble, SLICES, QH, QK, lambda fraction, text: said.append(fraction))
    assert said == sorted(said) and said[-1] == pytest.approx(1.0)

    def stop(fraction, text):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        expected_maps(ensemble, SLICES, QH, QK, stop)


def test_there_and_back_as_arrays_of_a_bundle(ensemble):
    again = Ensemble.from_arrays(MATERIALS, ensemble.to_arrays())
    assert again.twin_fraction == (0.2, 0.8) and again.slice_scale == 0.1
    assert all(np.array_equal(again.sets[name], ensemble.sets[name]) for name in MATERIALS)


@pytest.mark.parametrize("fault", ["missing", "columns", "too many", "not finite", "twins", "nothing"])
def test_arrays_that_are_none(ensemble, fault):
    arrays = {} if fault == "nothing" else dict(ensemble.to_arrays())
    first = next(iter(ensemble.to_arrays()))
    if fault == "missing":
        del arrays[first]
    elif fault == "columns":
        arrays[first] = arrays[first][:, 1:]
    elif fault == "too many":
        arrays[first] = np.repeat(arrays[first], LARGEST, axis=0)
    elif fault == "not finite":
        arrays[first] = arrays[first] * np.nan
    elif fault == "twins":
        arrays["ensemble measurement"] = np.array([0.8, 1.2, 0.1])
    with pytest.raises(BundleError, match="parameter sets"):
        Ensemble.from_arrays(MATERIALS, arrays)


def test_places_and_twins():
    full = at_places(np.ones((2, 2, 3, 3)), np.array([0, 3]), 5)
    assert full.sum(axis=(0, 2, 3)).tolist() == [18, 0, 0, 18, 0]
    single = np.arange(9.0).reshape(1, 3, 3)
    assert np.array_equal(mix_twins(single, 1.0), single)
    assert mix_twins(single, 0.75)[0, 0, 2] == pytest.approx(0.75 * 2 + 0.25 * 6)
