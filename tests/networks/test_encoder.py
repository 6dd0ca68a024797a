"""The trunk of the networks: what must not matter to it, and what must."""

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from mantid_insdl.networks import encoder
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.preprocessing import BINS, GROUPS

SHAPE = (16, 16)


@pytest.fixture(scope="module")
def network():
    keras = import_keras()
    keras.utils.set_random_seed(3)
    given = encoder.inputs(SHAPE)
    encoded = encoder.encode(given)
    head = keras.layers.Dense(3, name="logits", bias_initializer="ones")
    model = keras.Model(list(given), [encoded.features, encoded.weight, head(encoder.mean(encoded))])
    rng = np.random.default_rng(4)
    for layer in model.layers:  # as after training: at first nothing is scaled nor shifted by what a slice is told
        if layer.name.endswith(("_scale", "_shift")):
            kernel, bias = layer.get_weights()
            layer.set_weights([rng.normal(0, 0.3, kernel.shape), bias])
    return model


def random_map(seed=0, energies=4, bins=7):
    rng = np.random.default_rng(seed)
    stack = np.zeros((1, GROUPS, BINS, *SHAPE, 2), np.float32)
    windows, used = np.zeros((1, GROUPS, BINS, 3), np.float32), np.zeros((1, GROUPS, BINS, 1), np.float32)
    for group in range(energies):
        ei = 20.0 * (group + 1)
        edges = np.linspace(0.1, 0.6, bins + 1) * ei
        known = rng.random((bins, *SHAPE)) > 0.2
        stack[0, group, :bins, ..., 0] = rng.exponential(1.0, (bins, *SHAPE)) * known
        stack[0, group, :bins, ..., 1] = known
        windows[0, group, :bins] = np.stack([edges[:-1] / 10, edges[1:] / 10, np.full(bins, np.log10(ei))], -1)
        used[0, group, :bins] = 1
    return stack, windows, used


def flat(arrays):
    return [a.reshape(1, GROUPS * BINS, *a.shape[3:]) for a in arrays]


def test_order_of_incident_energies_does_not_matter(network):
    arrays = random_map()
    features, _, logits = network(flat(arrays))
    order = np.random.default_rng(1).permutation(GROUPS)
    moved, _, same = network(flat([a[:, order] for a in arrays]))
    np.testing.assert_allclose(same, logits, atol=2e-5)
    shape = (1, GROUPS, BINS, *features.shape[2:])
    np.testing.assert_allclose(np.reshape(moved, shape), np.reshape(features, shape)[:, order], atol=2e-4)


def test_what_lies_in_unused_slices_does_not_matter(network):
    stack, windows, used = random_map()
    *_, logits = network(flat((stack, windows, used)))
    windows = np.where(used > 0, windows, 7.0).astype(np.float32)
    *_, same = network(flat((stack, windows, used)))
    np.testing.assert_allclose(same, logits, atol=2e-5)


def test_energies_of_a_slice_and_their_order_matter(network):
    stack, windows, used = random_map()
    *_, logits = network(flat((stack, windows, used)))
    _, _, other = network(flat((stack, windows + [0.1, 0.1, 0.0] * used, used)))
    assert np.abs(np.subtract(other, logits)).max() > 1e-4
    reversed_bins = stack.copy()
    reversed_bins[:, :, :7] = stack[:, :, 6::-1]
    _, _, other = network(flat((reversed_bins, windows, used)))
    assert np.abs(np.subtract(other, logits)).max() > 1e-3


def test_a_slice_sees_its_neighbours_in_energy(network):
    """Two bins change places with all that they are told: what is left in place can tell by its neighbours alone."""
    arrays = random_map()
    features, _, _ = network(flat(arrays))
    order = np.arange(BINS)
    order[[0, 6]] = 6, 0
    exchanged = [a.copy() for a in arrays]
    for a in exchanged:
        a[:, 0] = a[:, 0, order]
    moved, _, _ = network(flat(exchanged))
    shape = (GROUPS, BINS, *features.shape[2:])
    before, after = np.reshape(features, shape), np.reshape(moved, shape)
    assert np.abs(after[0, 5] - before[0, 5]).max() > 0.1 * np.abs(before[0, 5]).max()  # the bin between 4 and 6, now between 4 and 0


def test_weighted_features_through_the_head_are_the_logits(network):
    features, weight, logits = (np.array(x) for x in network(flat(random_map())))
    kernel, bias = network.get_layer("logits").get_weights()
    scale, shift, average, variance = network.get_layer("embedding").get_weights()
    kernel, bias = (
        kernel * (scale / np.sqrt(variance + 1e-3))[:, None],
        bias + (shift - scale * average / np.sqrt(variance + 1e-3)) @ kernel,
    )
    contribution = (features * weight) @ kernel
    np.testing.assert_allclose(weight.sum(axis=(1, 2, 3)), 1, atol=1e-4)
    np.testing.assert_allclose(contribution.sum(axis=(1, 2, 3)) + bias, logits, atol=2e-5)


def test_a_gap_is_not_an_empty_pixel(network):
    stack, windows, used = random_map()
    *_, logits = network(flat((stack, windows, used)))
    stack[..., 1] = (used > 0)[..., None]
    *_, other = network(flat((stack, windows, used)))
    assert np.abs(np.subtract(other, logits)).max() > 1e-3
