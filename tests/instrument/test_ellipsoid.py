"""The tabulated resolution ellipsoid and what it makes of the pixels of a map."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mantid_insdl.errors import FileFormatError, InsdlError, MapError
from mantid_insdl.instrument.ellipsoid import TabulatedResolution
from mantid_insdl.instrument.pixel_kernel import pixel_kernel
from mantid_insdl.instrument.resolution import bin_fractions, blur_matrix
from mantid_insdl.maps import Axis, Slices

TABLE = Path(__file__).parents[2] / "../shared/data/pcsmo/resolution.npz"
needs_table = pytest.mark.skipif(not TABLE.exists(), reason="the published resolution table is not at ../shared/data/pcsmo")


def _six(energy, qh, qk):
    """A covariance that is linear in energy and momentum and positive definite, (..., 6)."""
    one = np.ones(np.broadcast_shapes(np.shape(energy), np.shape(qh), np.shape(qk)))
    return np.stack(
        ((4 + 0.5 * qh) * one, (0.6 * qk) * one, (0.3 + 0.01 * energy) * one, (5 - qk) * one, -0.4 * one, (3 + 0.1 * energy) * one), -1
    )


def _arrays(label="20"):
    energy, qh, qk = np.linspace(0, 16, 5), np.linspace(-1, 1, 4), np.linspace(-0.9, 0.9, 6)
    covariance = _six(energy[:, None, None], qh[:, None], qk)
    return {f"covariance_ei{label}": covariance, f"energy_ei{label}": energy, f"qh_ei{label}": qh, f"qk_ei{label}": qk}


def _full(six):
    return six[..., [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(*six.shape[:-1], 3, 3)


def test_linear_tables_are_interpolated_exactly():
    table = TabulatedResolution(_arrays())
    rng = np.random.default_rng(1)
    energy, qh, qk = rng.uniform(0, 16, (7, 1)), rng.uniform(-1, 1, 9), rng.uniform(-0.9, 0.9, 9)
    assert table.covariance(20.0, energy, qh, qk) == pytest.approx(_full(_six(energy, qh, qk)))
    assert table.covariance(20.1, 3.0, 0.1, 0.2).shape == (3, 3)


def test_outside_the_grid_is_its_edge():
    table = TabulatedResolution(_arrays())
    assert table.covariance(20.0, 99.0, -7.0, 0.0) == pytest.approx(_full(_six(16.0, -1.0, 0.0)))


def test_gaps_are_filled_with_the_nearest_row():
    arrays = _arrays()
    whole = arrays["covariance_ei20"].copy()
    arrays["covariance_ei20"][2, 1, 0] = np.nan  # a corner of the (qh, qk) plane: each neighbour is one step away
    arrays["covariance_ei20"][-2:] = np.nan
    table = TabulatedResolution(arrays)
    energy, qh, qk = (arrays[f"{x}_ei20"] for x in ("energy", "qh", "qk"))
    assert table.covariance(20.0, energy[-1], qh, qk[2]) == pytest.approx(_full(whole[2, :, 2]))
    filled = table.covariance(20.0, energy[2], qh[1], qk[0])
    steps = [whole[1, 1, 0], whole[2, 0, 0], whole[2, 2, 0], whole[2, 1, 1]]
    assert any(np.allclose(filled, _full(step)) for step in steps)


def test_incident_energies_that_are_not_there_are_refused():
    table = TabulatedResolution({**_arrays("20"), **_arrays("3.7")})
    assert table.ei_values == (3.7, 20.0)
    with pytest.raises(InsdlError, match=r"Ei = 25 meV: it has 3\.7, 20 meV"):
        table.covariance(25.0, 1.0, 0.0, 0.0)
    with pytest.raises(InsdlError, match="no incident energy"):
        table.pixels(Slices([np.nan], [1], [2]), Axis("qh", "r.l.u.", [0, 1]), Axis("qk", "r.l.u.", [0, 1]))


def test_uneven_axes_are_refused():
    with pytest.raises(MapError, match="evenly"):
        TabulatedResolution(_arrays()).pixels(Slices([20], [1], [2]), Axis("qh", "r.l.u.", [0, 1, 3]), Axis("qk", "r.l.u.", [0, 1]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.pop("qh_ei20"), "qh_ei20 is missing"),
        (lambda a: a.pop("covariance_ei20"), "no key covariance_eiN"),
        (lambda a: a.update(covariance_ei20=a["covariance_ei20"][..., :5]), "shape"),
        (lambda a: a.update(covariance_ei20=a["covariance_ei20"].astype(str)), "real numbers"),
        (lambda a: a.update(energy_ei20=a["energy_ei20"][::-1]), "rising"),
        (lambda a: a["covariance_ei20"].__setitem__((1, 2, 3, 1), 40.0), r"\(4, 0\.333333, 0\.18\) is not positive"),
        (lambda a: a["covariance_ei20"].__setitem__(slice(None), np.nan), "without NaN"),
    ],
)
def test_wrong_tables(change, words):
    arrays = _arrays()
    change(arrays)
    with pytest.raises(FileFormatError, match=words):
        TabulatedResolution(arrays)


def test_files(tmp_path):
    path = tmp_path / "table.npz"
    np.savez(path, **_arrays())
    assert TabulatedResolution.from_file(path).ei_values == (20.0,)
    path.write_bytes(path.read_bytes()[:200])
    for broken in (path, tmp_path / "missing.npz"):
        with pytest.raises(FileFormatError, match=broken.name):
            TabulatedResolution.from_file(broken)


def test_split_into_momentum_and_energy():
    slices, qh, qk = Slices([20, 20], [2, 4], [4, 8]), Axis("qh", "r.l.u.", [-0.5, 0, 0.5]), Axis("qk", "r.l.u.", [0, 0.25])
    pixels = TabulatedResolution(_arrays()).pixels(slices, qh, qk)
    full = _full(_six(np.array([3.0, 6.0])[:, None, None], qh.centres[:, None], qk.centres))
    assert pixels.momentum == pytest.approx(full[..., :2, :2])
    assert pixels.marginal == pytest.approx(full[..., 2, 2])
    assert pixels.conditional == pytest.approx(1 / np.linalg.inv(full)[..., 2, 2])
    assert (pixels.momentum @ pixels.slope[..., None])[..., 0] == pytest.approx(full[..., :2, 2])
    assert pixels.widths == pytest.approx((0.5, 0.25))


def _covariance(h, k, e, hk, he, ke):
    """Covariance from standard deviations and correlations that are shrunk until it is positive definite."""
    correlation = np.array([[1, hk, he], [hk, 1, ke], [he, ke, 1]])
    lowest = np.linalg.eigvalsh(correlation)[0]
    if lowest < 0.1:
        correlation = (correlation - np.eye(3)) * 0.9 / (1 - lowest) + np.eye(3)
    scale = np.array([h, k, e])
    return correlation * scale[:, None] * scale


def _kernel(covariance, widths=(1.0, 1.0), **keywords):
    momentum, mixed = covariance[:2, :2], covariance[:2, 2]
    slope = np.linalg.solve(momentum, mixed)
    parts = momentum, slope, np.array(covariance[2, 2] - slope @ mixed)
    return pixel_kernel(*(np.broadcast_to(p, (1, 1, 1, *p.shape)) for p in parts), widths, **keywords)


correlations = st.floats(-0.8, 0.8)
covariances = st.builds(_covariance, st.floats(0.1, 1.2), st.floats(0.1, 1.2), st.floats(0.2, 5.0), *[correlations] * 3)


@settings(max_examples=30, deadline=None)
@given(covariances)
def test_energy_moments_are_those_of_the_gaussian(covariance):
    kernel = _kernel(covariance)
    weights, shifts, sigma = kernel.weights[0, 0, 0], kernel.shifts[0, 0, 0], kernel.sigma[0, 0, 0]
    assert weights.sum() == pytest.approx(1) and kernel.lost < 5e-3
    assert weights @ shifts == pytest.approx(0, abs=1e-9)
    # less what lies beyond four standard deviations or in negligible neighbours
    assert weights @ (shifts**2 + sigma**2) == pytest.approx(covariance[2, 2], rel=0.02)


@settings(max_examples=30, deadline=None)
@given(st.builds(_covariance, st.floats(0.65, 1.2), st.floats(0.65, 1.2), st.floats(0.2, 5.0), *[correlations] * 3))
def test_momentum_moments_are_those_of_the_gaussian_and_the_pixel(covariance):
    kernel = _kernel(covariance, max_offset=6)
    weights, shifts, offsets = kernel.weights[0, 0, 0], kernel.shifts[0, 0, 0], kernel.offsets
    second = (weights[:, None] * offsets).T @ offsets
    scale = np.sqrt(np.diag(covariance))
    # Sheppard: a Gaussian that is collected in pixels is wider by the variance of a pixel, 1 / 12; covariances stay
    expected = covariance[:2, :2] + np.eye(2) / 12
    assert second == pytest.approx(expected, abs=0.03 * scale[:2].max() ** 2)
    assert -(weights * shifts) @ offsets == pytest.approx(covariance[:2, 2], abs=0.03 * scale[2] * scale[:2].max())


@settings(max_examples=30, deadline=None)
@given(st.floats(0.15, 1.5), st.floats(0.15, 1.5))
def test_without_correlation_it_is_the_separable_blur(h, k):
    kernel = _kernel(np.diag([h**2, k**2, 4.0]), max_offset=7)
    middle = [blur_matrix(15, s)[7] for s in (h, k)]
    expected = np.outer(*middle)[kernel.offsets[:, 0] + 7, kernel.offsets[:, 1] + 7]
    assert kernel.weights[0, 0, 0] == pytest.approx(expected / expected.sum(), abs=3e-7)
    assert kernel.sigma == pytest.approx(2.0) and kernel.shifts == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    "covariance",
    [_covariance(1.1, 0.4, 2.0, 0.7, -0.5, -0.3), _covariance(0.3, 0.5, 1.0, -0.4, 0.8, 0.1), _covariance(0.2, 0.2, 3, 0, 0, 0)],
)
def test_against_a_monte_carlo_of_the_same_gaussian(covariance):
    width_h, width_k = 0.05, 0.02
    scale = np.array([width_h, width_k, 1.0])
    kernel = _kernel(covariance * scale[:, None] * scale, (width_h, width_k), max_offset=5)
    draws = np.random.default_rng(3).standard_normal((200_000, 3)) @ np.linalg.cholesky(covariance).T
    pixel = np.rint(draws[:, :2])
    for offset, weight, shift, sigma in zip(
        kernel.offsets, kernel.weights[0, 0, 0], kernel.shifts[0, 0, 0], kernel.sigma[0, 0, 0], strict=True
    ):
        energies = draws[np.all(pixel == offset, axis=1), 2]
        assert energies.size / len(draws) == pytest.approx(weight, abs=0.006)
        if energies.size > 400:
            error = sigma / np.sqrt(energies.size)
            # the line of a mode in the neighbour: the pixel's energy less the true one
            assert -energies.mean() == pytest.approx(shift, abs=5 * error)
            assert energies.std() == pytest.approx(sigma, abs=5 * error)


def test_narrow_ellipsoid_keeps_the_whole_line_in_its_pixel():
    covariance = _covariance(0.05, 0.05, 2.0, 0.3, 0.5, -0.4)
    kernel = _kernel(covariance)
    assert kernel.offsets.tolist() == [[0, 0]]
    assert kernel.sigma == pytest.approx(2.0) and kernel.shifts == pytest.approx(0.0, abs=1e-9)


def _table_kernel():
    slices = Slices([20, 20, 20], [1, 4, 8], [4, 8, 12])
    axes = Axis("qh", "r.l.u.", np.linspace(-8, 8, 6)), Axis("qk", "r.l.u.", np.linspace(-9, 9, 5))
    return slices, axes, TabulatedResolution(_arrays()).kernel(slices, *axes)


def test_lines_are_added_as_the_plain_sum_says():
    slices, (qh, qk), kernel = _table_kernel()
    rng = np.random.default_rng(5)
    pixel, energy, intensity = rng.integers(0, 30, 50), rng.uniform(0, 13, 50), rng.uniform(0, 1, 50)
    known = rng.random((3, 30)) < 0.8
    out = np.zeros((3, 30))
    kernel.add(out, np.array([0, 2]), pixel, energy, intensity, known)
    expected = np.zeros((3, 6, 5))
    for s in (0, 2):
        edges = np.array([slices.energy_min[s], slices.energy_max[s]])
        for i in range(6):
            for j in range(5):
                for n, (dh, dk) in enumerate(kernel.offsets):
                    if not (0 <= i + dh < qh.size and 0 <= j + dk < qk.size):
                        continue
                    neighbour = (i + dh) * 5 + j + dk
                    if not known[s, neighbour]:
                        continue
                    for line in np.flatnonzero(pixel == neighbour):
                        centre = np.array(energy[line] + kernel.shifts[s, i, j, n])
                        share = bin_fractions(centre, kernel.sigma[s, i, j, n], edges)[0] / np.diff(edges)[0]
                        expected[s, i, j] += kernel.weights[s, i, j, n] * share * intensity[line]
    assert out.reshape(expected.shape) == pytest.approx(expected, abs=1e-5)
    assert not out[1].any()


def test_a_flat_band_stays_flat_where_the_pixels_are_known():
    slices, _, kernel = _table_kernel()
    known = np.ones((3, 6, 5), bool)
    known[:, 0, 1:3] = False
    flat = np.zeros((1, 3, 30))
    # lines so dense in energy that shifts and widths do not matter
    for energy in np.arange(-30, 50, 0.25):
        kernel.add(flat[0], np.arange(3), np.arange(30), np.full(30, energy), np.full(30, 0.25), known.reshape(3, 30))
    out = kernel.normalise(flat.reshape(1, *known.shape), known)
    assert np.isnan(out[0][~known]).all()
    assert out[0][known] == pytest.approx(1.0, abs=1e-4)
    assert slices.size == len(out[0])


@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (7, 2)])
def test_an_ellipsoid_wider_than_the_map_sees_what_is_on_it(shape):
    kernel = _kernel(np.diag([9.0, 9.0, 0.01]))
    wide = [np.broadcast_to(x, (1, *shape, x.shape[-1])) for x in (kernel.weights, kernel.shifts, kernel.sigma)]
    kernel = replace(kernel, weights=wide[0], shifts=wide[1], sigma=wide[2], windows=(np.array([-1.0]), np.array([1.0])))
    assert np.abs(kernel.offsets).max() > 7
    out, pixels = np.zeros((1, shape[0] * shape[1])), np.arange(shape[0] * shape[1])
    kernel.add(out, np.array([0]), pixels, np.zeros(len(pixels)), np.full(len(pixels), 2.0))
    known = np.ones((1, *shape), bool)
    assert kernel.normalise(out.reshape(known.shape), known) == pytest.approx(1.0, abs=1e-9)  # a flat map, as one of any size


@needs_table
def test_published_table_of_six_incident_energies():
    table = TabulatedResolution.from_file(TABLE)
    assert table.ei_values == (25, 35, 50, 70, 100, 140)
    slices = Slices.from_bins(table.ei_values, [np.linspace(0.1, 0.7, 11) * ei for ei in table.ei_values])
    axis = np.linspace(-1, 1, 40)
    pixels = table.pixels(slices, Axis("qh", "r.l.u.", axis), Axis("qk", "r.l.u.", axis))
    assert np.all(pixels.conditional > 0) and np.all(pixels.conditional <= pixels.marginal * (1 + 1e-12))
    kernel = pixels.kernel()
    assert kernel.lost < 1e-3 and kernel.offsets.min() >= -2 and kernel.offsets.max() <= 2
    spread = np.sum(kernel.weights * (kernel.shifts**2 + kernel.sigma**2), axis=-1)
    assert spread == pytest.approx(pixels.marginal, rel=1e-3)
    with np.load(TABLE) as file:
        assert table.sigma(50.0, file["energy_ei50"]) ** 2 == pytest.approx(file["covariance_ei50"][..., 5].mean(axis=(1, 2)), rel=1e-6)
