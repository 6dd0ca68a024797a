"""A correlated Gaussian in momentum and energy, spread over the pixels of a map.

A pixel sees its neighbours: with X = (dh, dk, dE) the true momentum and energy less those of the pixel, Gaussian with
mean zero, a neighbour's share is the probability that (dh, dk) falls into its area. Given that, dE has a mean and a
variance that follow exactly from the Gaussian; the line of a mode at energy w in the neighbour then lies, for the
pixel, at w less that mean. The shape of the line is taken to be Gaussian with those two moments, and the intensity and
energy of a mode to be the same all over a pixel.

The moments come from Stein's identity, E[dE g(X)] = sum_j Cov(dE, X_j) E[dg / dX_j], which turns each into an integral
over the edges of the neighbour; the shares from the bivariate normal distribution by Owen's T function (D. B. Owen,
Ann. Math. Stat. 27, 1075 (1956)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mantid_insdl.instrument.line_shapes import voigt_below

NEGLIGIBLE = 1e-4
"""Neighbours with a smaller share of every pixel are left out."""


@dataclass(frozen=True, eq=False)
class PixelKernel:
    """What the neighbours of each pixel contribute to it.

    Parameters
    ----------
    offsets : (offset, 2)
        Where the neighbours are, in pixels along h and k.
    weights : (slice, h, k, offset)
        Share of each; they sum to one.
    shifts : (slice, h, k, offset)
        To *add* to the energy of a mode of the neighbour, meV, to have the centre of its line for the pixel.
    sigma : (slice, h, k, offset)
        Standard deviation of that line, meV.
    lost
        Largest share, over the pixels, of neighbours that were left out before the sum was made one.
    windows
        Lower and upper energy of each slice, meV; `add` needs them.
    """

    offsets: np.ndarray
    weights: np.ndarray
    shifts: np.ndarray
    sigma: np.ndarray
    lost: float
    windows: tuple[np.ndarray, np.ndarray] | None = None

    def reach(self, index: np.ndarray) -> float:
        """How far from the energy windows of the slices `index` a mode still reaches into them, in meV."""
        counted = self.weights[index] > NEGLIGIBLE
        return float(np.max(np.where(counted, 5 * self.sigma[index] + np.abs(self.shifts[index]), 0.0)))

    def add(
        self,
        out: np.ndarray,
        index: np.ndarray,
        pixel: np.ndarray,
        energy: np.ndarray,
        intensity: np.ndarray,
        known: np.ndarray | None = None,
        spread: np.ndarray | float = 0.0,
        hwhm: np.ndarray | None = None,
    ) -> None:
        """Add lines to slices, as densities in 1/meV.

        Parameters
        ----------
        out : (slice, h k)
            The map, its pixels in one row; changed.
        index
            Slices to add to.
        pixel, energy, intensity : (line,)
            Pixel in that row, energy in meV and intensity of each line.
        known : (slice, h k) bool
            Pixels whose lines count, slice by slice; all by default. Give `normalise` the same.
        spread : (line,)
            Variance of the energy of each line within its pixel, meV^2.
        hwhm : (line,)
            Half width of each where it is Lorentzian, meV; sharp lines by default.
        """
        from scipy.special import erf

        assert self.windows is not None  # as the attribute's description says
        low, high = self.windows
        rows, columns = self.weights.shape[1:3]
        for one in np.atleast_1d(index):
            margin = self.reach(np.array([one])) + 4 * np.sqrt(spread) if hwhm is None else np.inf
            near = (energy > low[one] - margin) & (energy < high[one] + margin)
            if known is not None:
                near &= known[one][pixel]
            row, column = np.divmod(pixel[near], columns)
            chosen, strength = energy[near], intensity[near] / (high[one] - low[one])
            own = np.broadcast_to(spread, energy.shape)[near]
            for number, (dh, dk) in enumerate(self.offsets):
                inside = (row >= dh) & (row - dh < rows) & (column >= dk) & (column - dk < columns)
                i, j = row[inside] - dh, column[inside] - dk
                centre = chosen[inside] + self.shifts[one, i, j, number]
                sigma = np.sqrt(self.sigma[one, i, j, number] ** 2 + own[inside])
                if hwhm is None:
                    width = np.sqrt(2) * sigma
                    within = erf((high[one] - centre) / width) - erf((low[one] - centre) / width)
                else:
                    edges = np.array([low[one], high[one]])
                    within = np.diff(voigt_below(centre, sigma, hwhm[near][inside], edges))[:, 0]
                share = 0.5 * self.weights[one, i, j, number] * within
                out[one] += np.bincount(i * columns + j, share * strength[inside], rows * columns).astype(out.dtype)

    def normalise(self, images: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Divide by the share of the neighbours that are on the map and known.

        Parameters
        ----------
        images : (..., slice, h, k)
            Sums of `add`.
        known : (slice, h, k) bool

        Returns
        -------
        (..., slice, h, k)
            NaN where not known.
        """
        share = np.zeros(known.shape)
        rows, columns = known.shape[1:]
        for number, (dh, dk) in enumerate(self.offsets):
            if abs(dh) >= rows or abs(dk) >= columns:  # an ellipsoid wider than the map
                continue
            here = np.s_[:, max(0, -dh) : rows - max(0, dh), max(0, -dk) : columns - max(0, dk)]
            there = np.s_[:, max(0, dh) : rows - max(0, -dh), max(0, dk) : columns - max(0, -dk)]
            share[here] += self.weights[(*here, number)] * known[there]
        return images / np.where(known, share, np.nan).astype(images.dtype)


def pixel_kernel(
    momentum: np.ndarray,
    slope: np.ndarray,
    conditional: np.ndarray,
    widths: tuple[float, float],
    max_offset: int | None = None,
    windows: tuple[np.ndarray, np.ndarray] | None = None,
) -> PixelKernel:
    """Spread Gaussians over pixels.

    Parameters
    ----------
    momentum : (slice, h, k, 2, 2)
        Covariance of the momentum, (r.l.u.)^2.
    slope : (slice, h, k, 2)
        Regression of energy on momentum, meV per r.l.u.
    conditional : (slice, h, k)
        Variance of the energy at a known momentum, meV^2.
    widths
        Of a pixel along h and k, r.l.u.
    max_offset
        Farthest neighbour in pixels, along each axis; by default as far as four standard deviations.
    windows
        See `PixelKernel`.
    """
    # in pixels, which makes all edges half integers
    size = np.array(widths)
    cov, slope = momentum / (size[:, None] * size), slope * size
    hh, hk, kk = cov[..., 0, 0], cov[..., 0, 1], cov[..., 1, 1]
    if max_offset is None:
        farthest = [max(1, int(np.ceil(4 * np.sqrt(variance.max()) - 0.5))) for variance in (hh, kk)]
    else:
        farthest = [max_offset, max_offset]
    corners = _corner_probabilities(hh, hk, kk, *farthest)
    offsets, weights, shifts, sigma = [], [], [], []
    for i, dh in enumerate(range(-farthest[0], farthest[0] + 1)):
        for j, dk in enumerate(range(-farthest[1], farthest[1] + 1)):
            share = corners[i + 1][j + 1] - corners[i][j + 1] - corners[i + 1][j] + corners[i][j]
            share = np.maximum(share, 0.0)
            if share.max() <= NEGLIGIBLE:
                continue
            mean, variance = _energy_moments(hh, hk, kk, slope, conditional, share, (dh, dk))
            offsets.append((dh, dk))
            weights.append(share)
            shifts.append(-mean)
            sigma.append(np.sqrt(variance))
    stacked = np.stack(weights, -1)
    total = stacked.sum(-1, keepdims=True)
    return PixelKernel(
        np.array(offsets),
        stacked / total,
        np.stack(shifts, -1),
        np.stack(sigma, -1),
        float(max(0.0, 1 - total.min())),
        windows,
    )


def _corner_probabilities(hh: np.ndarray, hk: np.ndarray, kk: np.ndarray, nh: int, nk: int) -> list[list[np.ndarray]]:
    """Probability that the momentum is below each corner of the pixels -n to n, in pixels."""
    from scipy.special import ndtr, owens_t

    rho = hk / np.sqrt(hh * kk)
    root = np.sqrt(1 - rho**2)
    rows = []
    for a in np.arange(-nh - 0.5, nh + 1):
        x = a / np.sqrt(hh)
        row = []
        for b in np.arange(-nk - 0.5, nk + 1):
            y = b / np.sqrt(kk)
            tails = owens_t(x, (y / x - rho) / root) + owens_t(y, (x / y - rho) / root)
            row.append(0.5 * (ndtr(x) + ndtr(y)) - tails - (0.5 if a * b < 0 else 0.0))
        rows.append(row)
    return rows


def _energy_moments(
    hh: np.ndarray,
    hk: np.ndarray,
    kk: np.ndarray,
    slope: np.ndarray,
    conditional: np.ndarray,
    share: np.ndarray,
    offset: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the energy, given a momentum in the pixel at `offset`; all momenta in pixels."""
    mixed_h, mixed_k = hh * slope[..., 0] + hk * slope[..., 1], hk * slope[..., 0] + kk * slope[..., 1]
    marginal = conditional + slope[..., 0] * mixed_h + slope[..., 1] * mixed_k
    first, second = np.zeros_like(share), marginal * share
    for side in (-0.5, 0.5):
        sign = -2 * side
        density, mean = _edge(hh, hk, kk, offset[0] + side, offset[1])
        first += sign * mixed_h * density
        second += sign * mixed_h * density * (slope[..., 0] * (offset[0] + side) + slope[..., 1] * mean)
        density, mean = _edge(kk, hk, hh, offset[1] + side, offset[0])
        first += sign * mixed_k * density
        second += sign * mixed_k * density * (slope[..., 1] * (offset[1] + side) + slope[..., 0] * mean)
    # a share that is lost in rounding has no moments of its own: the centre of the pixel stands for it
    centre = slope[..., 0] * offset[0] + slope[..., 1] * offset[1]
    counts = share > 1e-7
    safe = np.where(counts, share, 1.0)
    mean = np.where(counts, first / safe, centre)
    variance = np.where(counts, second / safe - mean**2, conditional)
    return mean, np.maximum(variance, conditional)


def _edge(
    across: np.ndarray, mixed: np.ndarray, along: np.ndarray, position: float, centre: int
) -> tuple[np.ndarray, np.ndarray]:
    """Density of the momentum on one edge of a pixel, and the mean position along the edge.

    The edge is at `position` of the coordinate with variance `across`, and half a pixel to each side of `centre` of
    the one with variance `along`.
    """
    from scipy.special import ndtr

    normal = np.exp(-0.5 * position**2 / across) / np.sqrt(2 * np.pi * across)
    middle, width = mixed / across * position, np.sqrt(along - mixed**2 / across)
    low, high = (centre - 0.5 - middle) / width, (centre + 0.5 - middle) / width
    inside = ndtr(high) - ndtr(low)
    bell = (np.exp(-0.5 * high**2) - np.exp(-0.5 * low**2)) / np.sqrt(2 * np.pi)
    mean = np.where(inside > 0, middle - width * bell / np.where(inside > 0, inside, 1.0), centre)
    return normal * inside, mean
