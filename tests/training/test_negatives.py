"""Maps of none of the candidates: each kind keeps what it should keep and loses what it should lose."""

import numpy as np
import pytest
from toy_maps import NOTHING

from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.networks.preprocessing import incident_energy_groups
from mantid_insdl.training import foreign
from mantid_insdl.training.backgrounds import BACKGROUNDS, Scene
from mantid_insdl.training.datasets import SPLITS, SimulatedMaps
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.negatives import KINDS, NONE, Source, turn, warped
from mantid_insdl.training.recipes import Dataset, FixedSlices, GroupedSlices

SIZE = 24
SLICES = Slices.from_bins([20, 50], [np.linspace(2, 14, 6), np.linspace(5, 35, 6)])
AXES = tuple(Axis(name, RLU, np.linspace(-1, 1, SIZE)) for name in ("qh", "qk"))
SCENE = Scene(SLICES, *AXES, (1.16, 1.15))
QUIET = NOTHING.model_copy(update={"counts_per_pixel": (1e7, 1e7), "twin_fraction": (1, 1)})


def source(seed=0):
    rng = np.random.default_rng(seed)
    maps = rng.gamma(2.0, 1.0, (2, SLICES.size, SIZE, SIZE)).astype(np.float32)
    maps[:, :, 0, :3] = np.nan  # out of reach
    return Source(SCENE, incident_energy_groups(SLICES), maps[0], lambda: maps[1])


def made(kind, seed=0):
    given = source(seed)
    return given.expected, KINDS[kind](given, np.random.default_rng(seed + 1)), given


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_another_map_that_can_be_measured(kind):
    before, after, _ = made(kind)
    assert np.array_equal(np.isnan(before), np.isnan(after)) and after.dtype == np.float32
    known = np.isfinite(after)
    assert np.all(after[known] >= 0) and after[known].max() > 0
    assert np.abs(after - before)[known].mean() > 0.1 * before[known].mean()
    again = KINDS[kind](source(), np.random.default_rng(1))
    assert np.array_equal(after, again, equal_nan=True)


@pytest.mark.parametrize("kind", ["energies permuted", "energies reversed", "energies rolled"])
def test_slices_move_within_their_incident_energy(kind):
    before, after, given = made(kind)
    moved = 0
    for group in given.groups:
        came_from = [[np.array_equal(after[i, 1:], before[j, 1:]) for j in range(SLICES.size)] for i in group]
        assert np.all(np.sum(came_from, axis=1) == 1)
        origins = np.argmax(came_from, axis=1)
        assert sorted(origins) == sorted(group)
        moved += np.sum(origins != group)
    assert moved >= 4


def test_exchanged_incident_energies_all_change_places():
    before, after, given = made("incident energies exchanged")
    for group, other in zip(given.groups, given.groups[::-1], strict=True):
        assert np.array_equal(after[group, 1:], before[other, 1:])


@pytest.mark.parametrize("kind", ["tiles shuffled", "pixels shuffled"])
def test_shuffling_keeps_the_pixels(kind):
    rng = np.random.default_rng(0)
    given = source()
    full = Source(SCENE, given.groups, rng.gamma(2.0, 1.0, given.expected.shape).astype(np.float32), given.partner)
    after = KINDS[kind](full, rng)
    assert np.array_equal(np.sort(after.reshape(10, -1)), np.sort(full.expected.reshape(10, -1)))


def test_a_mixture_has_between_30_and_70_per_cent_of_each():
    shares = []
    for seed in range(30):
        before, after, given = made("mixture", seed)
        other = given.partner()
        shares.append(np.nanmedian((after - other) / np.where(np.abs(before - other) > 0.1, before - other, np.nan)))
    assert 0.29 < min(shares) < 0.4 and 0.6 < max(shares) < 0.71


def test_warping_shows_what_lies_at_the_turned_momentum():
    h, k = SCENE.h, SCENE.k + np.zeros_like(SCENE.h)
    plane = np.stack([2 + h + 0 * k, 3 - 2 * k + 0 * h]).astype(np.float32)
    matrix, shift = turn(3.0), np.array([0.02, -0.01])
    found = warped(plane, SCENE, matrix, shift)
    q = np.einsum("ab,bij->aij", matrix, np.stack([h + 0 * k, k])) + shift[:, None, None]
    inside = np.all(np.abs(q) <= 1, axis=0)
    assert found[0][inside] == pytest.approx((2 + q[0])[inside], abs=1e-5)
    assert found[1][inside] == pytest.approx((3 - 2 * q[1])[inside], abs=1e-5)


@pytest.mark.parametrize("kind", [*BACKGROUNDS, *foreign.BACKGROUNDS])
def test_backgrounds_are_there_and_not_negative(kind):
    shape = {**BACKGROUNDS, **foreign.BACKGROUNDS}[kind]
    for seed in range(20):
        one = np.broadcast_to(shape(SCENE, np.random.default_rng(seed)), (SLICES.size, SIZE, SIZE))
        assert np.all(np.isfinite(one)) and one.min() >= 0 and one.mean() > 0


def test_phonons_rise_from_the_bragg_points_and_rings_lie_at_one_momentum():
    cone = BACKGROUNDS["acoustic"](SCENE, np.random.default_rng(0))
    at = [np.average(SCENE.from_bragg, weights=one) for one in cone[:3]]
    assert at[0] < at[1] < at[2]
    ring = BACKGROUNDS["rings"](SCENE, np.random.default_rng(3))
    by_momentum = [one[np.abs(q - 1.5) < 0.05] for one, q in zip(ring, SCENE.momentum, strict=True)]
    assert all(one.std() < 0.4 * one.mean() for one in by_momentum if one.size > 3)
    assert np.average(SCENE.from_bragg, weights=BACKGROUNDS["bragg"](SCENE, np.random.default_rng(0))[0]) < 0.2


# ---- drawn by the measurer

MATERIALS = ("pcsmo-goodenough", "pcsmo-dimer", "rb2mnf4", "la2nio4")


def data(number=40):
    """Maps of one brightness a material: candidates 1 and 3, others 10 and 20; two scenes; half of them for tests."""
    material = np.arange(number) % 4
    split = np.where(np.arange(number) // 8 % 2, SPLITS.index("test"), SPLITS.index("train"))
    ramp = 1 + np.arange(SIZE)[:, None] / SIZE  # or a scale would make them all the same
    one = (np.array([1, 3, 10, 20])[:, None, None] + ramp * np.array([1, -1, 2, -2])[:, None, None]) * np.ones(SIZE)
    intensity = one[material][:, None].repeat(SLICES.size, axis=1).astype(np.float16)
    windows = np.stack([SLICES.energy_min, SLICES.energy_max, SLICES.ei], -1)[None].repeat(number, axis=0)
    scene = np.arange(number) // 4 % 2
    return SimulatedMaps(MATERIALS, intensity, material, np.zeros((number, 1)), split, windows, (0,) * 4, "", scene, others=2)


SPEC = Dataset(
    name="toy",
    materials=dict.fromkeys(MATERIALS[:2], 20),
    others=dict.fromkeys(MATERIALS[2:], 20),
    prior="pcsmo",
    grid={"size": SIZE},
    slices=FixedSlices(ei=(20, 50), energy_fraction=(0.1, 0.7), bins=5),
    seed=1,
)


def measurer(**changes):
    return Measurer(data(), SPEC, QUIET.model_copy(update=changes), keep_signal=True)


def test_candidates_are_all_that_a_split_has():
    assert set(data().material[data().indices("train")]) == {0, 1} and data().own == MATERIALS[:2]


def test_labels_say_the_class_or_none_and_kinds_come_as_often_as_the_recipe_says():
    by = measurer(negatives=0.5, held_out=("la2nio4", "blobs"))
    labels, kinds = [], []
    for seed in range(25):
        maps = by.measure(by.data.indices("train"), (seed,))
        labels.append(maps.label), kinds.append(maps.kind)
        real = maps.label != NONE
        assert np.array_equal(maps.label[real], by.data.material[by.data.indices("train")][real])
        assert np.all((maps.kind == "") == real)
    assert np.mean(np.ravel(labels) == NONE) == pytest.approx(0.5, abs=0.07)
    found = set(np.ravel(kinds))
    assert found - {""} <= set(by.trained_kinds) and len(found) > 14 and "magnet: rb2mnf4" in found
    assert not {"magnet: la2nio4", "blobs"} & set(by.trained_kinds) and {"magnet: la2nio4", "blobs"} <= set(by.kinds)


@pytest.mark.parametrize("kind", ["", "blobs", "magnet: la2nio4"])
def test_a_kind_can_be_asked_for(kind):
    by = measurer(negatives=0.5, held_out=("la2nio4", "blobs"))
    maps = by.measure(by.data.indices("test"), (3,), kind=kind)
    assert set(maps.kind) == {kind} and np.all((maps.label == NONE) == bool(kind))


def test_other_magnets_and_partners_are_of_the_same_part_and_scene():
    by = measurer()
    rng = np.random.default_rng(0)
    for index in by.data.indices("test"):
        other = by._other(int(index), "rb2mnf4", rng)
        assert by.data.material[other] == 2 and by.data.split[other] == by.data.split[index]
        partner = by._partner(int(index), rng)
        alike = [
            i
            for i in range(40)
            if by.data.scene[i] == by.data.scene[index] and by.data.split[i] == by.data.split[index] and by.data.material[i] < 2
        ]
        assert any(np.array_equal(partner, by.data.intensity[i]) for i in alike if by.data.material[i] != by.data.material[index])


def test_another_magnet_is_measured_and_not_the_map_that_was_asked_for():
    by = measurer()
    index = by.data.indices("test")[:1]
    maps = by.measure(index, (0,), kind="magnet: rb2mnf4")
    truth = by.data.intensity[np.flatnonzero(by.data.material == 2)[0]].astype(float)
    for mine, theirs in zip(maps.signal[0], truth, strict=True):
        assert mine / mine.mean() == pytest.approx(theirs / theirs.mean(), rel=0.02)


def test_places_without_a_measured_slice_are_empty_and_not_used():
    """Of two incident energies one is missing: its windows too are zero, for the network is not to see what it has no data for."""
    maps = measurer(missing_ei=1.0).measure(np.arange(20), (0,))
    assert set(maps.used[..., 0].sum(axis=1)) == {5}
    empty = maps.used[..., 0] == 0
    assert np.all(maps.stack[empty] == 0) and np.all(maps.windows[empty] == 0) and np.all(maps.windows[~empty, 2] > 0)


def test_slices_of_a_grouped_layout_stand_at_the_places_of_their_incident_energy():
    from mantid_insdl.training import layouts

    usual = FixedSlices(ei=(20, 50, 90), energy_fraction=(0.1, 0.7), bins=6)
    spec = GroupedSlices(usual=usual, usual_share=0.3, bins=(3, 6))
    assert layouts.places(spec) == 18
    numbers, seen_usual = [], 0
    for seed in range(60):
        slices, places = layouts.draw(spec, np.random.default_rng(seed))
        groups = incident_energy_groups(slices)
        numbers.append(len(groups))
        for number, group in enumerate(groups):
            assert places[group].tolist() == [6 * number + i for i in range(group.size)]
            assert np.all(np.diff(slices.centres[group]) > 0) and slices.energy_max[group].max() < 0.86 * slices.ei[group[0]]
        assert np.all(np.diff(slices.unique_ei) > 0) and np.all(slices.unique_ei[1:] / slices.unique_ei[:-1] >= layouts.APART)
        seen_usual += tuple(slices.unique_ei) == usual.ei
    assert set(numbers) == {1, 2, 3} and 8 < seen_usual < 30


def test_foreign_nuisances_come_only_where_asked_for():
    flat = data()
    plain = Measurer(flat, SPEC, QUIET.model_copy(update={"gaps": 1.0})).measure(np.arange(8), (0,), kind="")
    other = Measurer(flat, SPEC, QUIET.model_copy(update={"gaps": 1.0, "foreign": True})).measure(np.arange(8), (0,), kind="")
    # A bank's edge is a straight line in one slice and elsewhere in the next; a sector is the same in all.
    assert np.any(plain.stack[:, :1, ..., 1] != plain.stack[:, 9:, ..., 1])
    assert np.all(other.stack[:, :1, ..., 1] == other.stack[..., 1])
    assert not np.all(other.stack[..., 1])
