"""Pixels are averages over their area: against many point samples in each, on five grids, and of pixels that are hard to average."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from mantid_insdl.maps import Axis, Slices
from mantid_insdl.materials import load_material
from mantid_insdl.simulation.pixels import SIGNED_PERMUTATIONS, cut, differences, divide, images, unlike
from mantid_insdl.simulation.slices import SliceSimulator, simulate

_specification = importlib.util.spec_from_file_location("pixels_benchmark", Path(__file__).parents[2] / "benchmarks/pixels.py")
benchmark = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(benchmark)

SHORT = {name: (rows[:7], columns[-7:], number) for name, (rows, columns, number) in benchmark.GRIDS.items()}
"""Six by six pixels of each grid, for magnets of many spins; all of all are for `python benchmarks/pixels.py`."""
CASES = [
    *(("rb2mnf4", grid, 0) for grid in SHORT),
    *(("pcsmo-goodenough", grid, 0) for grid in SHORT if grid != "fine"),
    ("pcsmo-goodenough", "fine", 1),
    ("pcsmo-goodenough", "measured", 2),
    *(("pcsmo-dimer", grid, 1) for grid in ("measured", "coarse", "fine")),
    *(("pcsmo-zener", grid, 1) for grid in ("off symmetry", "coarse")),
    *(("kagome", grid, 0) for grid in SHORT),
    *(("triangular", grid, 0) for grid in ("on symmetry", "coarse")),
    *(("coupled", grid, 0) for grid in ("off symmetry", "measured")),
]


@pytest.mark.parametrize(("name", "grid", "which"), CASES)
def test_pixels_are_the_average_of_many_samples(name, grid, which):
    material, maps = benchmark.MAGNETS[name]
    few = len(material.model.sites) < 8 and name != "coupled"
    *edges, number = (benchmark.GRIDS if few else SHORT)[grid]
    expected = benchmark.sampled(material, maps[which], edges, number)
    rms, mean = benchmark.errors(benchmark.image(material, maps[which], *edges), expected)
    assert rms.size >= 2 and rms.max() < 0.03 and np.abs(mean).max() < 0.02
    with benchmark.point_samples():
        centre, _ = benchmark.errors(benchmark.image(material, maps[which], *edges), expected)
    assert grid == "fine" or centre.max() > 3 * rms.max()  # what version 0.1.0 gave


def axis(name, edges):
    return Axis(name, "r.l.u.", edges, is_edges=True)


LATTICE = np.array([2, 3]), np.array([8, 12])
"""Lines of symmetry and nodes to 1 r.l.u. of each axis."""


def test_pieces_of_a_pixel_share_its_area_and_lie_in_it():
    low, high = np.array([[-0.31, 0.1], [0.02, -0.77]]), np.array([[0.2, 0.13], [0.5, -0.01]])
    for pieces in (divide(low, high, (3, 2)), cut(low, high, np.array([0.13, 0.09]), *LATTICE)):
        centre = pieces.nodes[pieces.node] + pieces.offset
        assert np.all(centre - pieces.half >= low[pieces.pixel] - 1e-12) and np.all(centre + pieces.half <= high[pieces.pixel] + 1e-12)
        area = (4 * pieces.half.prod(axis=1)) / (high - low).prod(axis=1)[pieces.pixel]
        assert pieces.share == pytest.approx(area)
        assert np.bincount(pieces.pixel, pieces.share) == pytest.approx([1, 1])
        for axis in (0, 1):  # centre of mass and, with the spread within the pieces, the variance of a uniform pixel
            mean = np.bincount(pieces.pixel, pieces.share * centre[:, axis])
            assert mean == pytest.approx(0.5 * (low + high)[:, axis])
            second = np.bincount(pieces.pixel, pieces.share * (centre[:, axis] ** 2 + pieces.half[:, axis] ** 2 / 3)) - mean**2
            assert second == pytest.approx((high - low)[:, axis] ** 2 / 12)


def slopes(values, pieces, axis):
    """`differences` of one value at each node."""
    return differences(values[:, None], pieces, axis)[:, 0]


def test_nodes_of_a_lattice_are_symmetric_and_differ_as_their_values_do():
    pieces = cut(np.array([[-0.5, -0.25]]), np.array([[0.5, 0.25]]), np.array([0.13, 0.09]), *LATTICE)
    assert sorted(map(tuple, pieces.nodes.round(9))) == sorted(map(tuple, (-pieces.nodes).round(9)))
    assert np.abs(pieces.offset).max() <= 1 / 16
    values = 3 * pieces.nodes[:, 0] - 2 * pieces.nodes[:, 1] + pieces.nodes[:, 0] ** 2
    inner = np.isclose(np.abs(pieces.nodes[:, 0] % 0.5 - 0.25), 1 / 16)  # the middle two of the four between two lines of symmetry
    assert inner.sum() == len(values) / 2
    assert slopes(values, pieces, 0)[inner] == pytest.approx((3 + 2 * pieces.nodes[:, 0])[inner])
    assert slopes(values, pieces, 1) == pytest.approx(np.full(len(values), -2.0))  # one-sided at the rim
    # a kink at a line of symmetry is left alone, and at one that is none no slope is more than twice that of the flatter side
    kink = np.abs(pieces.nodes[:, 0])
    assert slopes(kink, pieces, 0) == pytest.approx(np.sign(pieces.nodes[:, 0]))
    beyond = pieces.nodes[:, 0] - 3 / 16
    bent = np.where(beyond > 0, 10.0, 1.0) * beyond
    assert slopes(bent, pieces, 0)[np.isclose(beyond, 0)] == pytest.approx(2.0)
    assert slopes(np.abs(beyond), pieces, 0)[np.isclose(beyond, 0)] == pytest.approx(0.0)
    alone = cut(np.array([[0.01, 0.01]]), np.array([[0.02, 0.02]]), np.array([0.1, 0.1]), np.array([1, 1]), np.array([4, 4]))
    assert slopes(np.array([5.0]), alone, 0) == pytest.approx([0.0])


def test_pieces_end_at_lines_of_symmetry_and_are_no_wider_than_they_may_be():
    pieces = cut(np.array([[0.43, 0.0]]), np.array([[0.61, 0.1]]), np.array([0.05, 1.0]), *LATTICE)
    centre = (pieces.nodes[pieces.node] + pieces.offset)[:, 0]
    assert centre - pieces.half[:, 0] == pytest.approx([0.43, 0.465, 0.5, 0.5 + 0.11 / 3, 0.5 + 0.22 / 3])
    assert np.all((centre < 0.5) == (pieces.nodes[pieces.node][:, 0] < 0.5))


def test_nodes_between_wide_pieces_are_kept():
    # pieces of a third of 1 r.l.u. leave out two of eight nodes: without these the derivatives at the others would be one-sided
    pieces = cut(np.array([[0.0, 0.0]]), np.array([[1.0, 0.1]]), np.array([1 / 7, 1.0]), np.array([1, 1]), np.array([8, 1]))
    assert pieces.nodes[:, 0] == pytest.approx((np.arange(8) + 0.5) / 8)
    assert len(np.unique(pieces.node)) == 7


def test_pixels_alike_by_symmetry_are_found_once():
    edges = np.linspace(-1, 1, 5)
    low = np.stack(np.meshgrid(edges[:-1], edges[:-1], indexing="ij"), -1).reshape(-1, 2)
    high = low + 0.5
    first, second, which = unlike(low, high, list(SIGNED_PERMUTATIONS))
    assert len(first) == 3  # of 4 x 4, by 4mm
    for number in range(len(low)):
        turned = [images(low[[number]], high[[number]], w) for w in SIGNED_PERMUTATIONS]
        assert any(np.allclose(a, first[which[number]]) and np.allclose(b, second[which[number]]) for a, b in turned)


def test_a_pixel_wider_than_the_zone_holds_the_average_of_the_zone():
    slices = Slices.from_bins([30.0], [np.linspace(0.5, 8, 4)])
    wide = SliceSimulator("rb2mnf4", slices, axis("qh", [-1.0, 1.0]), axis("qk", [-1.0, 1.0])).intensity({})[0][0, :, 0, 0]
    fine = SliceSimulator("rb2mnf4", slices, axis("qh", np.linspace(-1, 1, 41)), axis("qk", np.linspace(-1, 1, 41)))
    assert wide == pytest.approx(fine.intensity({}, q_sigma_pixels=0)[0][0].mean(axis=(1, 2)), rel=0.01)


def test_points_and_the_edges_between_them_are_one_map():
    slices = Slices.from_bins([30.0], [np.linspace(0.5, 8, 4)])
    points, edges = np.linspace(-0.9, 0.9, 10), np.linspace(-1, 1, 11)
    as_points, as_edges = (
        simulate("rb2mnf4", slices=slices, qh=a, qk=b)
        for a, b in (
            (Axis("qh", "r.l.u.", points), Axis("qk", "r.l.u.", points)),
            (axis("qh", edges), axis("qk", edges)),
        )
    )
    assert as_points.intensity == pytest.approx(as_edges.intensity, rel=1e-5)


def test_uneven_bins_are_averaged_one_by_one():
    slices = Slices.from_bins([30.0], [np.linspace(0.5, 8, 4)])
    uneven = np.array([-0.9, -0.85, -0.5, 0.1, 0.13, 0.7])
    across = np.array([0.1, 0.2, 0.6])
    found = SliceSimulator("rb2mnf4", slices, axis("qh", uneven), axis("qk", across)).intensity({}, q_sigma_pixels=0)[0][0]
    expected = benchmark.sampled(load_material("rb2mnf4"), slices, [uneven, across], 24)
    assert found == pytest.approx(expected, rel=0.01, abs=0.002 * float(expected.max()))
    for i, j in ((0, 0), (2, 1), (3, 1)):  # and a map of one pixel
        alone = SliceSimulator("rb2mnf4", slices, axis("qh", uneven[i : i + 2]), axis("qk", across[j : j + 2]))
        assert alone.intensity({}, q_sigma_pixels=0)[0][0, :, 0, 0] == pytest.approx(
            found[:, i, j], rel=0.02, abs=0.01 * float(expected.max())
        )


def test_sharp_lines_are_finite_and_hold_all_intensity():
    for name, ei, top in (("rb2mnf4", 30.0, 9.0), ("example-kagome", 20.0, 9.0), ("pcsmo-goodenough", 200.0, 110.0)):
        edges = np.linspace(0, top, 10)
        qh, qk = axis("qh", np.linspace(-0.4, 0.5, 7)), axis("qk", np.linspace(0.05, 0.7, 6))
        sharp, wide = (
            SliceSimulator(name, Slices.from_bins([ei], [edges]), qh, qk).intensity({}, energy_width_scale=scale, q_sigma_pixels=0)[0][0]
            for scale in (0.0, 0.2)
        )
        assert np.isfinite(sharp).all() and sharp.max() > 0 and sharp.sum() == pytest.approx(wide.sum(), rel=0.02)


def test_unstable_set_in_a_batch_leaves_the_others_alone():
    for name, bad in (("rb2mnf4", {"J1": [0.65, -1.0, 0.6]}), ("example-kagome", {"J": [-1.0, 1.0, -0.9]})):
        slices = Slices.from_bins([20.0], [np.linspace(1, 7, 4)])
        simulator = SliceSimulator(name, slices, axis("qh", [0.1, 0.2, 0.3]), axis("qk", [0.1, 0.2, 0.3]))
        found, stable = simulator.intensity({key: np.array(values) for key, values in bad.items()})
        assert stable.tolist() == [True, False, True]
        ((key, values),) = bad.items()
        assert np.isnan(found[1]).all() and found[2] == pytest.approx(simulator.intensity({key: values[2]})[0][0], rel=1e-5)
