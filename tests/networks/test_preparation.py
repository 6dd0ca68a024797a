"""How a map is brought onto a model's grid, and what is said of what it lacks. Needs no TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest

from mantid_insdl.errors import UnsuitableMapError
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.networks.bundles import find_bundle, read_card
from mantid_insdl.networks.cards import Card
from mantid_insdl.networks.preparation import prepare

EI = (25, 35, 50, 70, 100, 140)


def card_of(slices, **changes):
    """That of the classifier, for these slices or for any."""
    card = read_card(find_bundle("pcsmo-classifier")).model_dump()
    card["input"] |= {"slices": slices, **changes}
    card["calibration"] |= {"ei_range": (18.0, 160.0), "energy_fraction": (0.05, 0.85)}
    return Card.model_validate({**card, "sha256": ""})


def fixed_card():
    slices = Slices.from_bins(EI, [np.linspace(0.1 * e, 0.7 * e, 11) for e in EI])
    return card_of({name: getattr(slices, name).tolist() for name in ("ei", "energy_min", "energy_max")})


def windows_card():
    return read_card(find_bundle("rb2mnf4-exchange"))


def pixels():
    return [Axis(n, RLU, np.linspace(-1, 1, 40)) for n in ("qh", "qk")]


def pcsmo_map(ei=EI, seed=0):
    slices = Slices.from_bins(ei, [np.linspace(0.1 * e, 0.7 * e, 11) for e in ei])
    rng, shape = np.random.default_rng(seed), (slices.size, 40, 40)
    intensity = rng.gamma(2.0, 1.0, shape) * (rng.random(shape) < 0.3)  # empty in between, so that no background lies under it
    return Map(intensity, pixels(), slices=slices, material="pcsmo")


def window_map(ei, low, high, seed=0):
    """One slice a window; the intensity of each is about its number, from 1."""
    number = np.arange(1.0, len(low) + 1)[:, None, None]
    intensity = number * np.random.default_rng(seed).uniform(0.9, 1.1, (len(low), 40, 40))
    return Map(intensity, pixels(), slices=Slices(np.broadcast_to(np.asarray(ei, float), len(low)), low, high), material="rb2mnf4")


def level(prepared):
    """Mean of each slice as the network sees it, over that of the first."""
    mean = prepared.inputs.stack[0, ..., 0].mean(axis=(1, 2))
    return mean / mean[0]


def test_a_map_on_the_training_grid_is_taken_as_it_is():
    m = pcsmo_map()
    prepared = prepare(m, fixed_card())
    assert prepared.warnings == () and prepared.used.all()
    assert prepared.gridded.intensity == pytest.approx(m.intensity)
    stack, scale = prepared.inputs.stack[0], prepared.inputs.scale[0]
    assert np.minimum(m.intensity / scale[:, None, None], 12) == pytest.approx(stack[..., 0], rel=1e-5)
    assert np.all(stack[..., 1] == 1) and prepared.inputs.used.sum() == 60


def test_what_is_missing_and_what_is_foreign_is_said():
    m = pcsmo_map((25, 60, 100))
    prepared = prepare(m.select(np.delete(np.arange(30), [3, 4, 25])), fixed_card())
    used = np.zeros(60, bool)
    used[0:10] = used[40:50] = True
    used[[3, 4, 45]] = False
    assert np.array_equal(prepared.used, used)
    assert np.array_equal(prepared.inputs.used[0, :, 0], used)
    assert np.array_equal(prepared.inputs.stack[0, ..., 1].any(axis=(1, 2)), used)
    assert prepared.warnings == (
        "Incident energies 35, 50, 70, 140 meV are missing and were masked.",
        "3 energy bins of the measured incident energies are missing and were masked.",
        "Incident energies 60 meV were not used: the model was trained on 25, 35, 50, 70, 100, 140 meV.",
    )


@pytest.mark.parametrize(("factor", "same"), [(1.04, True), (0.96, True), (1.06, False), (0.94, False)])
def test_incident_energies_are_the_same_within_the_tolerance_on_the_card(factor, same):
    m = pcsmo_map((25, 50))
    moved = Slices(np.where(m.slices.ei == 50, 50 * factor, 25), m.slices.energy_min, m.slices.energy_max)
    prepared = prepare(m.replace(slices=moved), fixed_card())
    assert prepared.used[20:30].all() == prepared.used[20:30].any() == same
    assert bool([w for w in prepared.warnings if "were not used" in w]) is not same


def test_too_little_is_less_than_a_fiftieth_of_the_pixels_that_are_looked_at():
    m = pcsmo_map((25,))
    mask = np.ones(m.shape, bool)
    mask[:, :1, :] = False  # one row of 40: 2.5 %
    assert prepare(m.with_mask(mask), fixed_card()).used[:10].all()
    mask[:, :, 30:] = True  # 1.9 %
    with pytest.raises(UnsuitableMapError, match=r"1\.9% of the pixels"):
        prepare(m.with_mask(mask), fixed_card())


def test_slices_of_any_windows_are_sorted_and_padded_with_unused_ones():
    prepared = prepare(window_map(30, [5.0, 1.0, 3.0], [7.0, 3.0, 5.0]), windows_card())
    assert level(prepared)[:3] == pytest.approx([1, 3 / 2, 1 / 2], rel=0.02)  # the second, third and first of the map
    inputs = prepared.inputs
    assert inputs.stack.shape == (1, 10, 40, 40, 2) and inputs.windows.shape == (1, 10, 3)
    assert inputs.used[0, :, 0].tolist() == [1, 1, 1] + [0] * 7 and not inputs.stack[0, 3:].any()
    ei = np.log10(30)
    assert inputs.windows[0, :3] == pytest.approx(np.array([[0.1, 0.3, ei], [0.3, 0.5, ei], [0.5, 0.7, ei]]))
    assert prepared.warnings == ()


def test_of_several_incident_energies_the_one_with_most_slices_is_taken():
    prepared = prepare(window_map([20, 30, 30], [1.0, 1.0, 3.0], [3.0, 3.0, 5.0]), windows_card())
    assert prepared.used.tolist() == [True, True] and prepared.gridded.slices.ei.tolist() == [30, 30]
    assert level(prepared)[:2] == pytest.approx([1, 3 / 2], rel=0.02)
    assert prepared.warnings == ("Only the 2 slices of Ei 30 meV were used: the model takes one incident energy.",)


def test_more_slices_than_the_network_has_are_combined():
    low = np.arange(1.0, 13.0)
    prepared = prepare(window_map(60, low, low + 1), windows_card())
    assert prepared.warnings == ("The 12 slices of Ei 60 meV were combined into 10.",)
    assert prepared.gridded.slices.energy_min.tolist() == [1, 3, *range(5, 13)]
    assert prepared.gridded.slices.energy_max.tolist() == [3, *range(5, 14)]
    assert level(prepared) * 1.5 == pytest.approx([1.5, 3.5, *range(5, 13)], rel=0.02)


@pytest.mark.parametrize(
    ("ei", "low", "high", "words"),
    [
        (7.5, 1.0, 3.0, "incident energy is 7.5 meV"),
        (130.0, 1.0, 3.0, "incident energy is 130 meV"),
        (60.0, 0.1, 3.0, "energy window is 0.1 to 3 meV"),
        (60.0, 1.0, 17.0, "energy window is 1 to 17 meV"),
    ],
)
def test_windows_and_incident_energies_beyond_training(ei, low, high, words):
    with pytest.raises(UnsuitableMapError, match=words):
        prepare(window_map(ei, [low], [high]), windows_card())


def test_pixels_are_counted_within_the_range_of_the_model():
    few = [Axis(n, RLU, np.linspace(-4, 4, 25)) for n in ("qh", "qk")]  # 7 of 25 reach into -1 to 1
    m = Map(np.random.default_rng(0).random((1, 25, 25)), few, slices=Slices([30.0], [1.0], [3.0]), material="rb2mnf4")
    with pytest.raises(UnsuitableMapError, match=r"7 of its 25 pixels lie in the model's range, -1 to 1 r\.l\.u\.; a pattern needs 8"):
        prepare(m, windows_card())


def grouped_card():
    return card_of(None, groups=6, bins=10)


def test_any_incident_energies_have_their_places_rising():
    m = pcsmo_map((100, 30))
    prepared = prepare(m.select(np.delete(np.arange(20), [12, 13, 14])), grouped_card())
    assert prepared.places.tolist() == [*range(7), *range(10, 20)]
    assert prepared.gridded.slices.ei.tolist() == [30.0] * 7 + [100.0] * 10
    assert np.flatnonzero(prepared.inputs.used[0, :, 0]).tolist() == prepared.places.tolist()
    assert prepared.inputs.windows[0, 10:20, 0] == pytest.approx(np.linspace(1, 6.4, 10)) and not prepared.inputs.windows[0, 7:10].any()
    assert prepared.gridded.intensity[7:] == pytest.approx(m.intensity[:10])
    assert prepared.warnings == ()


def test_incident_energies_and_windows_beyond_training_are_left_out_where_others_remain():
    m = pcsmo_map((10, 50, 300))
    prepared = prepare(m, grouped_card())
    assert prepared.gridded.slices.unique_ei.tolist() == [50.0]
    assert prepared.warnings == ("Incident energies 10, 300 meV were not used: the model was trained from 18 to 160 meV.",)
    with pytest.raises(UnsuitableMapError, match="incident energy is 10, 300 meV"):
        prepare(m.select(m.slices.ei != 50), grouped_card())
    edges = np.array([-5.0, 1.0, 5.0, 40.0, 49.0])
    high = window_map(50, edges[:-1], edges[1:]).replace(material="pcsmo")
    prepared = prepare(high, grouped_card())
    assert prepared.gridded.slices.energy_min.tolist() == [5.0]
    assert prepared.warnings == ("3 energy bins were not used: the model was trained from 0.05 to 0.85 of Ei.",)
    with pytest.raises(UnsuitableMapError, match=r"energy window is 40 to 49 meV.*0\.05 to 0\.85 of Ei"):
        prepare(high.select([3]), grouped_card())


def test_more_incident_energies_than_there_is_room_for():
    m = pcsmo_map((20, 25, 35, 50, 70, 100, 140))
    mask = np.zeros(m.shape, bool)
    mask[m.slices.ei == 50, 5:] = True
    prepared = prepare(m.with_mask(mask), grouped_card())
    assert prepared.gridded.slices.unique_ei.tolist() == [20, 25, 35, 70, 100, 140]
    assert prepared.warnings[0].startswith("Only the 60 slices of Ei 20, 25, 35, 70, 100, 140 meV were used")


def test_incident_energies_that_differ_by_little_are_one():
    m = pcsmo_map((50, 70))
    ei = np.where(m.slices.ei == 50, np.linspace(49.9, 50.1, 20), 70)
    prepared = prepare(m.replace(slices=Slices(ei, m.slices.energy_min, m.slices.energy_max)), grouped_card())
    assert prepared.gridded.slices.unique_ei.size == 2 and prepared.places.tolist() == list(range(20))
