r"""The likelihood of a map: a magnet's parameters and nuisances -> residuals, log-likelihood and their derivatives.

The model of a pixel of incident energy e is ``scale_e * calculation + background_e``. Scale (not below zero) and
background (constant, \|Q\|^2 and energy) are linear and are eliminated: for given parameters they are those of the
largest likelihood (variable projection). Residuals over their standard deviations follow Student's t with
`Likelihood.freedom` degrees: next to a normal distribution, but a hot pixel pulls ever less the further out it lies.
The standard deviation has a part in proportion to the calculation, the relative model error: what linear spin waves,
the resolution and the background do not describe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln

from mantid_insdl.errors import MaterialError
from mantid_insdl.fitting.calculation import Calculation
from mantid_insdl.fitting.results import fit_bounds
from mantid_insdl.fitting.uncertainty import Uncertainty, uncertainty_of
from mantid_insdl.materials import Material

FREEDOM, SKEWED = 30.0, 0.6
"""Degrees of freedom of Student's t, where counts are no more skewed than so."""
USUAL = ("width", "blur", "flux")
"""Nuisances that are fitted by default."""
_ROUNDS = 20  # of reweighted least squares for the linear part, from the last one's answer
STEP = 1e-3
"""Step of a derivative, relative to the distance between the bounds."""


@dataclass(frozen=True, eq=False)
class Point:
    """A place in the space of parameters.

    Attributes
    ----------
    theta : (free,)
        Free parameters, then free nuisances.
    image : (pixel,)
        The calculation, unscaled.
    scale : (ei,)
        Of each incident energy.
    background : (ei, term)
        Coefficients of the background's terms.
    model : (pixel,)
        In the unit of the map.
    residual : (pixel,)
        (data - model) / sigma.
    cost : float
        Minus the log-likelihood, and the priors, up to a constant.
    """

    theta: np.ndarray
    image: np.ndarray
    scale: np.ndarray
    background: np.ndarray
    model: np.ndarray
    residual: np.ndarray
    cost: float


class Likelihood:
    """The likelihood of one map under one material.

    Parameters
    ----------
    calculation
        What the material gives.
    fixed
        Values of parameters and nuisances that are not fitted, by name.
    nuisances
        Names of those nuisances that are fitted, where the map has them and `fixed` does not; the
        others keep their usual values.
    background
        Fit |Q|^2 and energy terms beside the constant one.

    Attributes
    ----------
    names, units
        Of the free parameters, then of the free nuisances.
    start, low, high, deviation : (free,)
        Where a fit begins by default, its bounds, and the standard deviation of the prior (infinite for none). A
        parameter's bounds are its range and half as much again on either side (`fit_bounds`).
    flat_deviation, prior_information : (free,)
        Standard deviation of a flat prior between the bounds; information of the priors, where there
        is none that of the flat one.
    data, data_sigma : (pixel,)
        The map, and its standard deviation by `uncertainty_of` where what `weigh` was last given is expected.
    sigma : (pixel,)
        Standard deviation, model error included.
    freedom
        Degrees of freedom of Student's t.
    error_scale, model_error
        Factor on the errors of the data, and model error relative to the calculated intensity: see `weigh`.
    """

    def __init__(
        self,
        calculation: Calculation,
        *,
        fixed: Mapping[str, float] | None = None,
        nuisances: Sequence[str] = USUAL,
        background: bool = True,
    ):
        self.calculation = calculation
        material = calculation.material
        fixed = dict(fixed or {})
        _check_names(fixed, material, calculation)
        self._values = np.array([fixed.get(p.name, p.value) for p in material.parameters])
        self._nuisances = np.array([fixed.get(n.name, n.value) for n in calculation.nuisances.values()])
        parameters = [p for p in material.parameters if p.name not in fixed]
        chosen = [n for n in calculation.nuisances.values() if n.name in nuisances and n.name not in fixed]
        self._free = [list(material.defaults).index(p.name) for p in parameters]
        self._free_nuisances = [list(calculation.nuisances).index(n.name) for n in chosen]
        self.names = tuple(x.name for x in (*parameters, *chosen))
        self.units = tuple(x.unit for x in (*parameters, *chosen))
        self.parameters = len(parameters)
        bounds = [*map(fit_bounds, parameters), *((n.low, n.high) for n in chosen)]
        self.low, self.high = np.array(bounds, float).reshape(-1, 2).T
        self.start = np.array([x.value for x in (*parameters, *chosen)])
        self.deviation = np.array([np.inf] * len(parameters) + [n.deviation for n in chosen])
        self.flat_deviation = (self.high - self.low) / np.sqrt(12)
        self.prior_information = 1 / np.where(np.isfinite(self.deviation), self.deviation, self.flat_deviation) ** 2
        m = calculation.map
        self._uncertainty = uncertainty_of(m)
        self.error_source, self.warnings = self._uncertainty.source, self._uncertainty.warnings
        self.freedom = freedom_of(self._uncertainty, calculation.known)
        self.data = m.intensity[calculation.known]
        self.data_sigma = self._uncertainty.sigma()[calculation.known]
        self.error_scale, self.model_error = 1.0, 0.0
        self._logarithms = np.log([1.0, 1.0, 0.05])
        self.sigma = self.data_sigma
        self._terms = [
            _background(calculation.q_squared[g], calculation.energy[g], background, m.kind != "slices")
            for g in calculation.groups
        ]
        self._linear: list[np.ndarray | None] = [None] * len(calculation.groups)

    def with_data(self, data: np.ndarray, sigma: np.ndarray) -> Likelihood:
        """The same of other data and standard deviations, (pixel,) each."""
        other = copy(self)
        other.data, other.sigma, other._linear = data, sigma, [None] * len(self._linear)
        return other

    # ---- values

    def table(self, thetas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All parameters (n, parameter) and all nuisances (n, nuisance) of free ones (n, free)."""
        values, nuisances = (np.tile(x, (len(thetas), 1)) for x in (self._values, self._nuisances))
        values[:, self._free] = thetas[:, : self.parameters]
        nuisances[:, self._free_nuisances] = thetas[:, self.parameters :]
        return values, nuisances

    def theta(self, values: Mapping[str, float]) -> np.ndarray:
        """Free parameters, (free,): those of `values`, the others where a fit begins by default."""
        _check_names(values, self.calculation.material, self.calculation)
        return np.array([values.get(name, usual) for name, usual in zip(self.names, self.start, strict=True)], float)

    def by_convention(self, theta: np.ndarray) -> np.ndarray:
        """The same place, (free,): of interchangeable parameters the larger ones are named first,
        unless one is fixed.
        """
        theta = theta.copy()
        for one, other in self._interchangeable():
            if abs(theta[one[0]]) < abs(theta[other[0]]):
                theta[one + other] = theta[other + one]
        return theta

    def exchanged(self, theta: np.ndarray) -> list[np.ndarray]:
        """Places (free,) where one pair of interchangeable parameters alone has changed its values,
        not all pairs together.

        They are other magnets, but nearly the same where another pair is nearly equal: there the
        likelihood has a second maximum.
        """
        places = []
        for one, other in self._interchangeable():
            for pair in zip(one[1:], other[1:], strict=True):
                place = theta.copy()
                place[list(pair)] = theta[list(pair[::-1])]
                places.append(place)
        return places

    def _interchangeable(self) -> list[tuple[list[int], list[int]]]:
        """Where the parameters of each two interchangeable lists stand among the free ones;
        not those of which one is fixed.
        """
        free = [
            lists
            for lists in self.calculation.material.interchangeable
            if all(name in self.names for names in lists for name in names)
        ]
        return [tuple([self.names.index(name) for name in names] for names in lists) for lists in free]

    def orders(self, thetas: np.ndarray) -> np.ndarray:
        """Which magnetic order there is at places (n, free): see `Calculation.orders`."""
        return self.calculation.orders(self.table(thetas)[0])

    def points(self, thetas: np.ndarray) -> list[Point | None]:
        """The likelihood at places (n, free); None where the magnetic order is unstable."""
        images, stable = self.calculation.images(*self.table(np.asarray(thetas, float)))
        return [self._point(t, i) if ok else None for t, i, ok in zip(thetas, images, stable, strict=True)]

    def _point(self, theta: np.ndarray, image: np.ndarray) -> Point:
        model = np.empty_like(image)
        scales, backgrounds = [], []
        for number, (group, terms) in enumerate(zip(self.calculation.groups, self._terms, strict=True)):
            scale, background = self._linear_part(number, image[group], self.data[group], self.sigma[group], terms)
            model[group] = scale * image[group] + terms @ background
            scales.append(scale)
            backgrounds.append(background)
        residual = (self.data - model) / self.sigma
        cost = float(np.sum(deviance(residual, self.freedom)) + np.sum(deviance(self.prior(theta), self.freedom)))
        return Point(np.array(theta, float), image, np.array(scales), np.array(backgrounds), model, residual, cost)

    def _linear_part(
        self, number: int, image: np.ndarray, data: np.ndarray, sigma: np.ndarray, terms: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Scale and background of one incident energy, of the largest likelihood:
        iteratively reweighted least squares.
        """
        columns = np.column_stack((image, terms))
        precision = 1 / sigma**2
        guess = self._linear[number]
        for _ in range(_ROUNDS):
            weight = precision
            if guess is not None:
                weight = precision * robust_weight((data - columns @ guess) / sigma, self.freedom)
            found = _solve(columns, weight, data)
            if found[0] < 0:
                found = np.concatenate(([0.0], _solve(terms, weight, data)))
            if guess is not None and np.all(np.abs(found - guess) <= 1e-7 * np.abs(found).max()):
                break
            guess = found
        self._linear[number] = found
        return float(found[0]), found[1:]

    def prior(self, theta: np.ndarray) -> np.ndarray:
        return (theta - self.start) / self.deviation

    def log_likelihood(self, point: Point) -> np.ndarray:
        """Logarithm of the probability density of each pixel, (pixel,), in the unit of the map."""
        half = 0.5 * self.freedom
        normalisation = gammaln(half + 0.5) - gammaln(half) - 0.5 * np.log(np.pi * self.freedom)
        return normalisation - deviance(point.residual, self.freedom) - np.log(self.sigma)

    # ---- derivatives

    def slopes(self, point: Point, steps: np.ndarray | None = None) -> np.ndarray:
        """Derivative of the model by each free parameter at fixed scales and backgrounds, (free, pixel), in one batch.

        Differences over `steps` (free,), by default `STEP` of the distance between the bounds, in the
        direction in which they stay within the bounds, within what is stable and within the order of the
        point; 0 where neither does.
        """
        steps = STEP * (self.high - self.low) if steps is None else steps
        steps = steps * np.where((point.theta + steps > self.high) | (point.theta + steps < self.low), -1, 1)
        images, usable = self._images_beside(point, np.diag(steps))
        wrong = np.flatnonzero(~usable)
        if wrong.size:
            steps[wrong] *= -1
            images[wrong], usable[wrong] = self._images_beside(point, np.diag(steps)[wrong])
        slopes = (images - point.image) / steps[:, None] * self._per_pixel(point.scale)
        slopes[~usable] = 0.0
        return slopes

    def _images_beside(self, point: Point, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images at steps (n, free) from a point, and which of them are stable and of its order."""
        there = point.theta + steps
        images, stable = self.calculation.images(*self.table(there))
        return images, stable & (self.orders(there) == self.orders(point.theta[None]))

    def _per_pixel(self, by_ei: np.ndarray) -> np.ndarray:
        out = np.empty(self.data.size)
        for group, value in zip(self.calculation.groups, by_ei, strict=True):
            out[group] = value
        return out

    def _columns(self, point: Point) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Of each incident energy its pixels, and what its scale and background multiply, (pixel, term):
        no image where the scale is 0.
        """
        for group, terms, scale in zip(self.calculation.groups, self._terms, point.scale, strict=True):
            yield group, terms if scale == 0 else np.column_stack((point.image[group], terms))

    def design(self, point: Point, slopes: np.ndarray) -> np.ndarray:
        """Derivative of the model by all that is fitted, (free + linear, pixel):
        `slopes`, then scale and background of each Ei.
        """
        linear = []
        for group, columns in self._columns(point):
            rows = np.zeros((columns.shape[1], self.data.size))
            rows[:, group] = columns.T
            linear.append(rows)
        return np.concatenate([slopes, *linear])

    def profiled(self, point: Point, slopes: np.ndarray) -> np.ndarray:
        """Slopes less what scale and background of each incident energy can imitate, (free, pixel)."""
        out = slopes.copy()
        weight = robust_weight(point.residual, self.freedom) / self.sigma**2
        for group, columns in self._columns(point):
            for row in out:
                row[group] -= columns @ _solve(columns, weight[group], row[group])
        return out

    # ---- weights

    def weigh(self, point: Point) -> None:
        """Set the standard deviations by what `point` expects.

        `error_scale` and `model_error` are those of the largest likelihood of its residuals.
        """
        level = np.abs(self._per_pixel(point.scale) * point.image)
        known = self.calculation.known
        self.data_sigma = self._uncertainty.sigma(point.model, known)
        counted = self.data_sigma**2
        # errors that take an empty pixel for one neutron are right in proportion only; so are those
        # estimated from a map with sharp lines
        constant = np.maximum(self._uncertainty.constant[known], self._uncertainty.least[known])
        parts = np.stack([constant, np.maximum(counted - self._uncertainty.constant[known], 0.0), level**2])
        difference = self.data - point.model

        def variance(logarithms: np.ndarray) -> np.ndarray:
            return np.maximum(np.exp(2 * logarithms) @ parts, 1e-3 * counted)

        def cost(logarithms: np.ndarray) -> float:
            width = np.sqrt(variance(logarithms))
            return float(np.sum(deviance(difference / width, self.freedom) + np.log(width)))

        bounds = np.array([(-4, 3), (-3, 3), (np.log(1e-3), 0.7)])
        begin = np.clip(self._logarithms, *bounds.T)
        found = minimize(cost, begin, method="Nelder-Mead", bounds=bounds, options={"xatol": 0.01, "fatol": 0.01})
        self._logarithms = found.x
        self.sigma = np.sqrt(variance(found.x))
        self.model_error = float(np.exp(found.x[2]))
        noise = np.array([found.x[0], found.x[1], -np.inf])
        self.error_scale = float(np.sqrt(np.mean(variance(noise)) / np.mean(counted)))


def freedom_of(uncertainty: Uncertainty, known: np.ndarray) -> float:
    """Degrees of freedom for the known pixels of a map: the more, the more skewed its counts are.

    Most pixels of a map of few neutrons show none and a few show several times what is expected. A loss that forgives
    the latter takes the map for fainter than it is, most where it is faintest, and moves parameters by several error
    bars: a pixel pulls wrongly by its skewness over the degrees of freedom. These grow faster than the skewness, but
    not so fast that a hot pixel counts in full.
    """
    level, variance = np.maximum(uncertainty.level[known], 0), uncertainty.sigma()[known] ** 2
    skewness = float(np.median(uncertainty.slope[known] ** 2 * level / variance**1.5))
    return FREEDOM * max(1.0, (skewness / SKEWED) ** 3)


def deviance(residual: np.ndarray, freedom: float) -> np.ndarray:
    """Minus the logarithm of Student's density, less its value at zero."""
    return 0.5 * (freedom + 1) * np.log1p(residual**2 / freedom)


def robust_weight(residual: np.ndarray, freedom: float) -> np.ndarray:
    """Weight of a residual in reweighted least squares: about 1 at zero, less the larger it is."""
    return (freedom + 1) / (freedom + residual**2)


def robust_curvature(residual: np.ndarray, freedom: float) -> np.ndarray:
    """Second derivative of `deviance`: about 1 at zero, below zero for the largest residuals."""
    return (freedom + 1) * (freedom - residual**2) / (freedom + residual**2) ** 2


def _solve(columns: np.ndarray, weight: np.ndarray, data: np.ndarray) -> np.ndarray:
    """Weighted linear least squares; columns that are zero or alike get the smallest coefficients."""
    size = np.sqrt(weight @ columns**2)
    scaled = columns / np.where(size > 0, size, 1.0)
    normal = scaled.T @ (scaled * weight[:, None])
    found = np.linalg.lstsq(normal, scaled.T @ (weight * data), rcond=1e-9)[0]
    return np.where(size > 0, found / np.where(size > 0, size, 1.0), 0.0)


def _background(q_squared: np.ndarray, energy: np.ndarray, rich: bool, spectrum: bool) -> np.ndarray:
    """Terms of the background of one incident energy, (pixel, term): a constant; |Q|^2 and energy,
    of mean 0 and largest value 1.

    Under a spectrum with its many energies also energy squared, and the product of both.
    """
    q, e = (values - values.mean() for values in (q_squared, energy))
    largest = [np.abs(values).max() for values in (q, e)]
    q, e = (x / size if size > 1e-9 else np.zeros_like(x) for x, size in zip((q, e), largest, strict=True))
    terms = [np.ones_like(e)]
    if rich:
        terms += [q, e, e * e, q * e] if spectrum else [q, e]
    return np.stack(terms, axis=1)


def _check_names(values: Mapping[str, float], material: Material, calculation: Calculation) -> None:
    known = [*material.defaults, *calculation.nuisances]
    for name, value in values.items():
        if name not in known:
            raise MaterialError(
                f"there is nothing called '{name}' to fit or to fix",
                f"{material.name} on this map has {', '.join(known)}",
                "use one of these",
            )
        if not np.isfinite(value):
            raise MaterialError(f"{name} is {value}", "it must be a finite number")
