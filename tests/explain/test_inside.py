"""What is in a network: activations, weights, training maps, codes, neurons and maps grown from noise."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from mantid_insdl.errors import BundleError
from mantid_insdl.explain.activations import activations, dead_filters, visible_layers
from mantid_insdl.explain.codes import NEIGHBOURS, codes_of, nearest
from mantid_insdl.explain.filters import filters_of, smoothness
from mantid_insdl.explain.gallery import gallery_of, rows
from mantid_insdl.explain.maximisation import maximised, physical_maps
from mantid_insdl.explain.neurons import neurons_of
from mantid_insdl.explain.scoring import scorer
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.prediction import predict
from mantid_insdl.simulation.slices import SliceSimulator

pytestmark = pytest.mark.tensorflow


def test_smoothness_of_known_filters():
    board = np.indices((5, 5)).sum(axis=0) % 2 * 2.0 - 1
    assert smoothness(np.ones((5, 5, 1, 1))) == pytest.approx(1) and smoothness(board[..., None, None]) == pytest.approx(-1)
    assert abs(smoothness(np.random.default_rng(0).normal(size=(5, 5, 8, 32)))) < 0.05


def test_trained_filters_are_smoother_than_untrained_ones(subject):
    found = filters_of(subject.bundle)
    assert found[0].layer == "convolution_1" and found[0].kernels.shape == (5, 5, 2, 12)
    assert all(one.significance > 5 for one in found if one.layer.startswith("convolution"))
    keras = import_keras()
    untrained = SimpleNamespace(models=[keras.models.clone_model(subject.bundle.models[0])])
    assert all(abs(one.significance) < 5 for one in filters_of(untrained))


def test_activations_lie_on_the_axes_of_the_map(subject, measured):
    maps = activations(subject, "convolution_1")
    assert len(maps) == 12 and maps[0].shape == (12, 20, 20)
    for axis, own in zip(maps[0].axes, measured.axes, strict=True):
        assert (axis.edges[0], axis.edges[-1]) == pytest.approx((own.edges[0], own.edges[-1]))
    with pytest.raises(BundleError, match="it has convolution_1, first"):
        activations(subject, "dense")
    assert visible_layers(subject.bundle.models[0])[-1] == "last_convolution"


def test_a_filter_that_nothing_activates_is_dead(subject, gallery):
    network = import_keras().models.clone_model(subject.bundle.models[0])
    network.set_weights(subject.bundle.models[0].get_weights())
    layer = network.get_layer("along_energy_1")
    kernel, bias = layer.get_weights()
    kernel[..., 3], bias[3] = 0, -1
    layer.set_weights([kernel, bias])
    assert dead_filters(SimpleNamespace(models=[network]), gallery.maps)["along_energy_1"] == [3]
    assert dead_filters(subject.bundle, gallery.maps)["along_energy_1"] == []


def test_training_maps_are_simulated_again(gallery):
    assert len(gallery) == 60 and [int(np.sum(gallery.data.material == i)) for i in range(3)] == [20, 20, 20]
    index = 25  # a dimer
    again = gallery.noise_free(index)
    parameters = gallery.parameters(index)
    assert set(parameters) == {"JFS", "JFW", "JA1", "JA2", "Jperp", "D"} and abs(parameters["JFS"]) > 1.1 * abs(parameters["JFW"])
    # the same constants, other widths of the instrument, one of the two twins
    other, _ = SliceSimulator("pcsmo-dimer", again.slices, *again.axes, twins=False).intensity(parameters)
    known = np.isfinite(again.intensity) & np.isfinite(other[0])
    assert np.corrcoef(again.intensity[known], other[0][known])[0, 1] > 0.9
    assert np.mean(gallery.outputs[:, :3].argmax(axis=1) == gallery.data.material) > 0.75


def test_a_card_without_a_recipe_has_no_training_maps(subject):
    card = subject.bundle.card
    training = card.training.model_copy(update={"recipe": json.dumps({"name": "x"})})
    bundle = SimpleNamespace(card=card.model_copy(update={"training": training}))
    with pytest.raises(BundleError, match="no recipe that version"):
        gallery_of(bundle)


def test_nearest():
    points = np.arange(30.0)[:, None]
    assert sorted(nearest(points[:1], points)[0].tolist()) == list(range(NEIGHBOURS))
    assert 0 not in nearest(points, points, own=True)[0]


def test_a_map_lies_among_those_of_its_model(subject, gallery):
    found = codes_of(subject, gallery)
    assert found.neighbour_shares["pcsmo-goodenough"] > 0.5 and sum(found.neighbour_shares.values()) == pytest.approx(1)
    assert min(found.agreement) > 0.5 and found.embedded.shape == (60, 2)
    assert found.own_distance < found.limit == pytest.approx(np.quantile(found.distances, 0.95))
    assert np.all(np.diff(found.explained) <= 0)


def test_the_maps_that_drive_a_neuron(subject, gallery):
    found = neurons_of(subject.bundle, gallery, features=[16], number=3)
    assert [one.name for one in found] == ["feature 16", *subject.bundle.card.materials]
    for one in found:
        values = [each.value for each in one.maps]
        assert values == sorted(values, reverse=True) and values[0] > one.mean + one.deviation
    dimer = found[2]
    assert [gallery.data.material[each.index] for each in dimer.maps] == [1, 1, 1]
    # the patch is where the feature is largest
    keras, network = import_keras(), subject.bundle.models[0]
    outer = keras.Model(network.input, network.get_layer("last_convolution").output)
    best = found[0].maps[0]
    features = predict(outer, gallery.maps)[0][best.index, ..., 16]
    place, high, broad = best.place
    at = np.unravel_index(features.argmax(), features.shape)
    assert at[0] == place and high.start <= 4 * at[1] < high.stop and broad.start <= 4 * at[2] < broad.stop
    # a class is driven to the score that its network gives the map, where features and weights of the head say most for it
    strongest = dimer.maps[0]
    one = rows(gallery.maps, np.arange(len(gallery)) == strongest.index)
    assert scorer(network, "classify", 3, 1).scores(one)[0] == pytest.approx(strongest.value, abs=1e-3)
    normalised, head = network.get_layer("embedding"), network.get_layer("logits").get_weights()[0][:, :3]
    gamma, _, _, variance = normalised.get_weights()
    towards = (head[:, 1] - head[:, [0, 2]].mean(axis=1)) * gamma / np.sqrt(variance + normalised.epsilon)
    share = one.stack[0, ..., 1].reshape(-1, 10, 4, 10, 4).mean(axis=(2, 4))
    said = (predict(outer, one)[0][0] @ towards) * share
    place, high, broad = strongest.place
    at = np.unravel_index(said.argmax(), said.shape)
    assert at[0] == place and high.start <= 4 * at[1] < high.stop and broad.start <= 4 * at[2] < broad.stop
    with pytest.raises(BundleError, match="it has 32"):
        neurons_of(subject.bundle, gallery, features=[32])


def test_a_map_grown_from_noise_is_one_that_an_instrument_can_give(subject, gallery):
    found = maximised(subject, physical_maps(subject, gallery), steps=6)
    values, known = found.shown[..., 0], found.shown[..., 1]
    assert values.min() >= 0 and not values[known == 0].any() and np.array_equal(known, subject.shown[..., 1])
    for group in (slice(0, 6), slice(6, 12)):
        assert values[group][known[group] > 0].mean() == pytest.approx(1, rel=1e-4)
    assert found.score > found.nearest_score and -1 <= found.likeness <= 1
    assert found.material in gallery.materials and found.parameters
