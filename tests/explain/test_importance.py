"""Grad-CAM of a toy network whose deciding patch is known, against Selvaraju et al., ICCV 2017, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from toys import save_toy, set_weights, toy_card, unit_range

import mantid_insdl as insdl
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.encoder import LAST_CONVOLUTION

pytestmark = pytest.mark.tensorflow

SIZE, CELL = 20, 4  # pixels of a side, and those of one pixel of the feature maps
CELLS = SIZE // CELL
CENTRES = np.linspace(-0.95, 0.95, SIZE)
SLICES = Slices([50.0] * 3, [5.0, 10.0, 15.0], [10.0, 15.0, 20.0])
GROUND = 0.1
GOODENOUGH, DIMER = "pcsmo-goodenough", "pcsmo-dimer"


def patch_network(weights=1.0):
    """Feature maps are the mean over cells of 4 x 4 pixels and its half. Slice 1 speaks for Goodenough, slice 2 for Dimer, both by the sum
    of the features with `weights` (row, column); slice 0 speaks loudly, and for both alike."""
    keras = import_keras()
    layers = keras.layers
    inputs = layers.Input((3, SIZE, SIZE, 2), name="stack")
    x = layers.TimeDistributed(layers.Conv2D(2, CELL, strides=CELL, activation="relu"), name="convolution_1")(inputs)
    x = layers.TimeDistributed(layers.Conv2D(2, 1, activation="relu"), name=LAST_CONVOLUTION)(x)
    x = layers.Dense(3, name="embedding")(layers.Flatten()(x))
    model = keras.Model(inputs, layers.Dense(2, name="logits")(x))
    average = np.zeros((CELL, CELL, 2, 2))
    average[..., 0, :] = np.array([1.0, 0.5]) / CELL**2
    set_weights(model, "convolution_1", average, 0)
    set_weights(model, LAST_CONVOLUTION, np.eye(2), 0)
    flat = np.zeros((3, CELLS, CELLS, 2, 3))
    for number in range(3):
        flat[number, ..., number] = np.broadcast_to(weights, (CELLS, CELLS))[..., None]
    set_weights(model, "embedding", flat.reshape(-1, 3), 0)
    set_weights(model, "logits", [[5.0, 5.0], [1.0, 0.0], [0.0, 1.0]], 0)
    return model


def bundle(folder, *models):
    card = toy_card(
        "pcsmo-classifier",
        input={
            "axes": [{"name": n, "unit": RLU, "centres": CENTRES.tolist()} for n in ("qh", "qk")],
            "slices": {n: getattr(SLICES, n).tolist() for n in ("ei", "energy_min", "energy_max")},
            "ei_tolerance": 0.05,
            "intensity": "any",
            "preprocessing": "none",
        },
        calibration=unit_range(1).calibration,
    )
    return save_toy(folder / "toy", card, models or [patch_network()], unit_range(1).arrays)


def planted(*patches):
    """A map with one bright cell in each named slice: (slice, row, column, brightness) over a faint ground."""
    intensity = np.full((3, SIZE, SIZE), GROUND)
    for number, row, column, brightness in patches:
        intensity[number, CELL * row : CELL * (row + 1), CELL * column : CELL * (column + 1)] = brightness
    return Map(intensity, tuple(Axis(n, RLU, CENTRES) for n in ("qh", "qk")), slices=SLICES, material="pcsmo")


PATCHES = ((0, 0, 0, 1.0), (1, 1, 3, 1.0), (2, 3, 1, 0.5))


def centre(picture):
    """Row and column of the centre of gravity."""
    return [float((picture.sum(axis=1 - i) * np.arange(SIZE)).sum() / picture.sum()) for i in (0, 1)]


def bright(patch):
    """The most that linear interpolation leaves of a patch: its pixels nearest to the middle are 1/8 of a cell away in both directions."""
    return GROUND + (patch - GROUND) * (1 - 1 / 8) ** 2


def middle(cell):
    return CELL * cell + (CELL - 1) / 2


def test_each_class_is_explained_by_its_own_patch_and_no_other(tmp_path):
    """With its sign turned, the map of one class would be that of the other; with the others' score left out, slice 0 would shine."""
    m, toy = planted(*PATCHES), bundle(tmp_path)
    for target, number, row, column in ((GOODENOUGH, 1, 1, 3), (DIMER, 2, 3, 1)):
        found = insdl.grad_cam(m, toy, target=target).intensity
        assert [float(found[n].max()) for n in range(3)] == pytest.approx([float(n == number) for n in range(3)], abs=1e-6)
        # Not a pixel, nor half of one, beside the patch: symmetric about its middle.
        assert centre(found[number] - found[number].min()) == pytest.approx([middle(row), middle(column)], abs=1e-3)
        patch = found[number, CELL * row : CELL * (row + 1), CELL * column : CELL * (column + 1)]
        assert patch == pytest.approx(patch[::-1, ::-1], abs=1e-5) and patch == pytest.approx(patch.T, abs=1e-5)
        assert found[number].max() == patch.max()


def test_feature_maps_are_enlarged_by_linear_interpolation_between_the_middles_of_their_pixels(tmp_path):
    found = insdl.grad_cam(planted(*PATCHES), bundle(tmp_path), target=GOODENOUGH).intensity[1]
    distance = np.abs(np.arange(SIZE) - middle(1)) / CELL, np.abs(np.arange(SIZE) - middle(3)) / CELL
    tent = np.outer(*(np.maximum(1 - d, 0) for d in distance))
    wanted = GROUND + (1 - GROUND) * tent
    assert found == pytest.approx(wanted / wanted.max(), abs=1e-5)


def test_a_feature_map_is_weighed_by_the_mean_of_its_gradient_over_the_slice(tmp_path):
    """The network looks hardest at a corner where nothing is and turns away from the second of two patches; the mean weighs both alike."""
    weights = np.ones((CELLS, CELLS))
    weights[4, 4], weights[3, 3] = 50, -1
    m = planted((1, 1, 1, 1.0), (1, 3, 3, 1.0))
    found = insdl.grad_cam(m, bundle(tmp_path, patch_network(weights)), target=GOODENOUGH).intensity[1]
    assert found[5, 5] == pytest.approx(found[13, 13], rel=1e-3) and found[5, 5] > 0.9 and found[17, 17] < 0.2


def test_what_speaks_against_a_class_is_no_importance(tmp_path):
    found = insdl.grad_cam(planted((1, 1, 3, 1.0)), bundle(tmp_path, patch_network(-1.0)), target=GOODENOUGH)
    assert found.intensity[1].max() == 0 and found.intensity[0].max() == 0
    assert found.intensity[2].max() == pytest.approx(1)  # of the ground: it would speak for Dimer, and there the weight is negative


def test_the_most_probable_class_is_explained_where_none_is_named(tmp_path):
    toy = bundle(tmp_path)
    for patches, target in ((PATCHES, GOODENOUGH), (((1, 1, 3, 0.5), (2, 3, 1, 1.0)), DIMER)):
        m = planted(*patches)
        assert np.array_equal(insdl.grad_cam(m, toy).intensity, insdl.grad_cam(m, toy, target=target).intensity)
        assert f"for class {target} at layer {LAST_CONVOLUTION}" in insdl.grad_cam(m, toy).provenance[-1]


def test_the_networks_of_an_ensemble_are_averaged(tmp_path):
    twice = bundle(tmp_path / "twice", patch_network(), patch_network(3.0))
    mixed = bundle(tmp_path / "mixed", patch_network(), patch_network(-0.5))
    even = bundle(tmp_path / "even", patch_network(), patch_network(-1.0))
    m = planted(*PATCHES)
    one = insdl.grad_cam(m, bundle(tmp_path), target=GOODENOUGH).intensity
    assert insdl.grad_cam(m, twice, target=GOODENOUGH).intensity == pytest.approx(one, abs=1e-6)
    # What one member takes for Goodenough the other takes for Dimer: the score is their mean, and so is what explains it.
    assert insdl.grad_cam(m, mixed, target=GOODENOUGH).intensity == pytest.approx(one, abs=1e-5)
    undecided = insdl.grad_cam(m, even, target=GOODENOUGH)
    assert undecided.intensity.max() < 1e-5 and undecided.provenance[-1].endswith("no pixel speaks for this class")


def test_masked_pixels_have_no_importance_and_do_not_set_the_scale(tmp_path):
    m = planted(*PATCHES)
    mask = np.zeros(m.shape, bool)
    mask[1, CELL + 1 : 2 * CELL - 1, 3 * CELL + 1 : 4 * CELL - 1] = True  # the middle of the patch, where importance is highest
    found = insdl.grad_cam(m.with_mask(mask), bundle(tmp_path), target=GOODENOUGH)
    assert np.array_equal(found.mask, mask)
    assert found.intensity[~mask].max() == pytest.approx(1) and found.error is None
    assert found.intensity[1, CELL, 3 * CELL + 1] == pytest.approx(1)  # beside the gap


def test_another_layer_can_be_asked_for(tmp_path):
    toy, m = bundle(tmp_path), planted(*PATCHES)
    found = insdl.grad_cam(m, toy, target=GOODENOUGH, layer="convolution_1")
    assert found.intensity == pytest.approx(insdl.grad_cam(m, toy, target=GOODENOUGH).intensity, abs=1e-6)
    assert found.provenance[-1].endswith("at layer convolution_1")
