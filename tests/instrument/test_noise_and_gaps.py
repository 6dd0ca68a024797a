"""Counting statistics and detector gaps against what they must do on average and by geometry."""

import numpy as np
import pytest

from mantid_insdl.instrument.gaps import DetectorLayout
from mantid_insdl.instrument.noise import count_neutrons
from mantid_insdl.maps import Axis, Slices


def test_counting_is_unbiased_and_its_errors_describe_the_scatter():
    expected = np.tile(np.array([0.5, 2.0, 8.0]), (4000, 1))
    intensity, error = count_neutrons(expected, counts=50 * expected.size, rng=np.random.default_rng(1), background=1.0)
    assert intensity.mean(axis=0) == pytest.approx([0.5, 2.0, 8.0], abs=0.05)
    pull = (intensity - expected) / error
    assert pull.std() == pytest.approx(1.0, abs=0.05)


def test_counting_gives_the_asked_number_of_neutrons():
    expected = np.full((40, 40), 3.0)
    intensity, _ = count_neutrons(expected, counts=16000, rng=np.random.default_rng(2))
    per_count = expected.sum() / 16000
    assert intensity.sum() / per_count == pytest.approx(16000, abs=4 * np.sqrt(16000))


def test_pixels_without_counts_are_not_known_exactly():
    expected = np.full(1000, 1.0)
    for seed in range(3):
        intensity, error = count_neutrons(expected, counts=400, rng=np.random.default_rng(seed), background=1.0)
        one = 2000 / 400  # of the intensity, background included, that one neutron stands for
        counts = (intensity + 1.0) / one
        assert np.count_nonzero(counts < 0.5) > 600 and np.count_nonzero(counts > 1.5) > 40
        np.testing.assert_allclose(error[counts < 0.5], one)  # as of one neutron, not 0
        np.testing.assert_allclose(error[counts > 0.5], one * np.sqrt(counts[counts > 0.5]))


def test_unseen_pixels_stay_unseen():
    expected = np.array([1.0, np.nan, 2.0])
    intensity, error = count_neutrons(expected, counts=100, rng=np.random.default_rng(4))
    assert np.isnan(intensity).tolist() == np.isnan(error).tolist() == [False, True, False]


@pytest.mark.parametrize("expected", [np.zeros(4), np.array([1.0, -1.0])])
def test_counting_refuses_what_cannot_be_counted(expected):
    with pytest.raises(ValueError, match="negative"):
        count_neutrons(expected, counts=10, rng=np.random.default_rng(5))


def test_gaps_follow_the_detector_angle():
    layout = DetectorLayout(limits=(-0.5, 0.5, -0.5, 0.5), beam_stop=(0.05, 0.05), vertical=((0.2, 0.02),), horizontal=())
    axis = Axis("qh", "r.l.u.", np.linspace(-1, 1, 401))
    slices = Slices([50.0, 50.0], [5.0, 35.0], [5.2, 35.2])
    gaps = layout.gaps(slices, axis, Axis("qk", "r.l.u.", np.array([0.0, 0.5])), (1.0, 1.0))
    # The strip at sin(angle) = 0.2 lies at Q = 0.2 kf, here in a row away from the beam stop.
    for number, energy in enumerate((5.1, 35.1)):
        inside = axis.centres[gaps[number, :, 1] & (axis.centres > 0.01)]
        kf = np.sqrt((50 - energy) / 2.0721)
        if 0.2 * kf < 1:
            assert inside.min() == pytest.approx(0.18 * kf, abs=0.006)
    assert gaps[0, 200, 0] and not gaps[0, 200, 1]  # the beam stop hides Q = 0 only


def test_random_layouts_hide_a_plausible_part_and_repeat_with_their_seed():
    axis = Axis("qh", "r.l.u.", np.linspace(-1, 1, 40))
    slices = Slices.from_bins([50.0], [np.linspace(5, 35, 11)])

    def share(seed):
        layout = DetectorLayout.random(np.random.default_rng(seed))
        return layout.gaps(slices, axis, Axis("qk", "r.l.u.", axis.values), (1.16, 1.15)).mean()

    shares = [share(seed) for seed in range(30)]
    assert np.median(shares) == pytest.approx(0.22, abs=0.02)
    assert min(shares) > 0.08 and max(shares) < 0.36
    assert [share(seed) for seed in range(5)] == shares[:5] and len(set(shares)) == 30


def test_random_layouts_have_the_proportions_of_a_spectrometer():
    layouts = [DetectorLayout.random(np.random.default_rng(seed)) for seed in range(200)]
    angles = np.degrees(np.arcsin([[abs(x) for x in one.limits] for one in layouts]))
    assert all(left < 0 < right and bottom < 0 < top for left, right, bottom, top in (one.limits for one in layouts))
    assert angles.min() == pytest.approx(14.5, abs=0.3) and angles.max() == pytest.approx(24.8, abs=0.3)
    stops = np.array([one.beam_stop for one in layouts])
    assert stops.min() == pytest.approx(0.02, abs=1e-3) and stops.max() == pytest.approx(0.05, abs=1e-3)
    strips = np.array([strip for one in layouts for strip in one.horizontal])
    assert len(strips) == pytest.approx(2 * 0.8 * 200, abs=4 * np.sqrt(400 * 0.8 * 0.2))
    assert (strips[:, 0] > 0).mean() == pytest.approx(0.5, abs=0.1)  # on either side
    assert np.abs(strips[:, 0]).min() > 0.05 and np.abs(strips[:, 0]).max() < 0.09 and 0.012 < strips[:, 1].max() < 0.013
    tubes = [sum(half == 0.002 for _, half in one.vertical) for one in layouts]
    assert set(tubes) == {0, 1, 2, 3} and np.mean(tubes) == pytest.approx(1.5, abs=0.3)


def test_limits_and_strips_of_a_layout_on_either_side():
    layout = DetectorLayout((-0.3, 0.4, -0.25, 0.35), (0.03, 0.02), ((-0.1, 0.01),), ((0.15, 0.01),))
    kf = np.sqrt((50.0 - 20.0) / 2.0721)
    places = np.linspace(-0.5, 0.5, 1001)
    qh, qk = (Axis(name, "r.l.u.", places * kf / length) for name, length in (("qh", 1.1), ("qk", 0.9)))
    (gaps,) = layout.gaps(Slices([50.0], [19.0], [21.0]), qh, qk, (1.1, 0.9))
    row, column = gaps[:, 700], gaps[700]  # at v = 0.2 and at u = 0.2, where nothing else is
    u, v = (np.array([places[seen].min(), places[seen].max()]) for seen in (~row, ~column))
    assert u == pytest.approx([-0.3, 0.4], abs=0.0015) and v == pytest.approx([-0.25, 0.35], abs=0.0015)
    inside = row & (places > -0.29) & (places < 0.39)
    assert [places[inside].min(), places[inside].max()] == pytest.approx([-0.11, -0.09], abs=0.0015)
    inside = column & (places > -0.24) & (places < 0.34)
    assert [places[inside].min(), places[inside].max()] == pytest.approx([0.14, 0.16], abs=0.0015)
    stop = gaps & (np.abs(places)[:, None] < 0.06) & (np.abs(places) < 0.06)
    assert stop.sum() == pytest.approx(59 * 39, abs=100)
