"""Line shape and blur."""

import numpy as np
import pytest

from mantid_insdl.instrument.resolution import bin_fractions, blur


def test_line_integrates_to_one_over_all_bins():
    edges = np.linspace(-50, 50, 301)
    fractions = bin_fractions(np.array([0.3, 7.0]), np.array([0.4, 2.0]), edges)
    assert fractions.sum(-1) == pytest.approx([1, 1])
    centres = 0.5 * (edges[1:] + edges[:-1])
    assert fractions @ centres == pytest.approx([0.3, 7.0], abs=1e-7)


def test_sharp_line_falls_into_one_bin():
    assert bin_fractions(np.array([1.4]), np.array([0.0]), np.array([0.0, 1, 2, 3])).tolist() == [[0, 1, 0]]


def test_blur_keeps_a_flat_image_and_the_unknown():
    known = np.ones((12, 12), bool)
    known[:3] = False
    image = np.where(known, 2.0, 0.0)
    blurred = blur(image, known, 1.3)
    assert np.isnan(blurred[~known]).all()
    assert blurred[known] == pytest.approx(np.full(known.sum(), 2.0))


def test_blur_spreads_a_point_by_its_width():
    known = np.ones((41, 41), bool)
    image = np.zeros((41, 41))
    image[20, 20] = 1
    blurred = blur(image, known, 2.0)
    x = np.arange(41) - 20
    assert blurred.sum() == pytest.approx(1)
    assert (blurred.sum(1) * x**2).sum() == pytest.approx(2.0**2 + 1 / 12, rel=1e-3)
