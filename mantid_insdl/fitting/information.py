r"""What a map can tell: Fisher information for a material's parameters and for the difference of two models,
pixel by pixel.

A pixel tells about a parameter what nothing else in the fit can imitate: from its derivative is taken what
scales, backgrounds, nuisances and the other parameters, refitted, would make of it. Information adds over
pixels and over measurements.

With the residuals of `fitting.likelihood`, Student's t with n degrees, the mean of a pixel has the information
(n + 1) / (n + 3) / sigma^2. [K. L. Lange, R. J. A. Little and J. M. G. Taylor, J. Am. Stat. Assoc. 84, 881 (1989)]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mantid_insdl.errors import MaterialError
from mantid_insdl.fitting.calculation import Calculation
from mantid_insdl.fitting.likelihood import Likelihood, Point
from mantid_insdl.fitting.results import Fit, Fitted
from mantid_insdl.maps import Map

TIED = 0.05
"""Variance of a combination of parameters, in units of its parts' error bars, from which they are known by it alone:
of two that is a correlation of 0.95."""
PART = 0.3
"""Smallest part of a parameter in such a combination, whose parts have squares that add to 1."""
ROUNDS, HALVINGS, ENOUGH = 8, 4, 0.01
"""Of a refit: Gauss-Newton steps at most, lengths of each that are tried,
and the relative gain from which no more is made.
"""
VAGUE = 0.5
"""Relative error bar from which a value is known by little more than its size."""


@dataclass(frozen=True, eq=False)
class Information:
    """Fisher information of a map for the free parameters of a material, its scales,
    backgrounds and nuisances marginalised.

    Attributes
    ----------
    names, units
        Of the parameters.
    matrix : (parameter, parameter)
        Fisher information, in one over the units of both.
    flat : (parameter,)
        Standard deviation of a flat prior between the bounds of a fit.
    share : (parameter, pixel)
        Of each known pixel in the information on each parameter, the other parameters marginalised: where a
        perfect observer would look. In one over the unit squared. The sum over the pixels is 1 / `errors` squared
        but for what the priors tell.
    calculation
        Whose map it is.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    matrix: np.ndarray
    flat: np.ndarray
    share: np.ndarray
    calculation: Calculation

    @property
    def covariance(self) -> np.ndarray:
        """Smallest possible covariance (Cramer-Rao) with the flat prior, (parameter, parameter)."""
        return covariance_from(self.matrix, self.flat)

    @property
    def errors(self) -> np.ndarray:
        """Smallest possible standard deviations, (parameter,):
        for a calculation that is true, and pixels that are independent.
        """
        return np.sqrt(np.diag(self.covariance))

    def where(self, name: str) -> Map:
        """The pixels' share in the information on one parameter, as a map.

        Raises
        ------
        MaterialError
            If no parameter of that name is free.
        """
        if name not in self.names:
            raise MaterialError(
                f"there is no free parameter '{name}'", f"free are {', '.join(self.names)}", "use one of these"
            )
        index = self.names.index(name)
        return _map_of(self.calculation, self.share[index], f"information on {name}", f"1/({self.units[index]})^2")


def information_of(likelihood: Likelihood, point: Point) -> Information:
    """The information of a map at a point, the largest likelihood as a rule:
    as it is to be expected there, not as the data fell.
    """
    free = likelihood.parameters
    slopes = likelihood.slopes(point)
    rows, prior = expected_rows(likelihood, point, slopes), likelihood.prior_information
    others, prior = rows[free:], np.diag(np.concatenate([prior[free:], np.zeros(len(rows) - len(slopes))]))
    imitated = solve(others @ others.T + prior, others @ rows[:free].T)
    own = rows[:free] - imitated.T @ others
    matrix = own @ own.T + imitated.T @ prior @ imitated
    flat = likelihood.flat_deviation[:free]
    covariance = covariance_from(matrix, flat)
    share = (covariance @ own / np.diag(covariance)[:, None]) ** 2
    return Information(likelihood.names[:free], likelihood.units[:free], matrix, flat, share, likelihood.calculation)


@dataclass(frozen=True, eq=False)
class Separation:
    """Expected difference of the log-likelihoods of a true model and of another one that is refitted to it.

    Attributes
    ----------
    pixels : (pixel,)
        Of each known pixel.
    elsewhere
        What the other model loses on the measurements that are there already, by moving away from its best fit of them.
    calculation
        Whose map it is.
    """

    pixels: np.ndarray
    elsewhere: float
    calculation: Calculation

    @property
    def total(self) -> float:
        return float(self.pixels.sum()) + self.elsewhere

    def where(self) -> Map:
        """The pixels' share, as a map: where a perfect observer would look to tell the two models apart."""
        return _map_of(self.calculation, self.pixels, "expected difference of log-likelihood", "per pixel")


def separation_of(truth: np.ndarray, other: Likelihood, point: Point, known: np.ndarray | None = None) -> Separation:
    """How well a map tells a true model from another one, all of whose parameters, nuisances,
    scales and backgrounds are refitted to it.

    Parameters
    ----------
    truth : (pixel,)
        Intensity by the true model, in the unit of the map.
    other, point
        The other model and where it fits the measurements that are there already; its standard
        deviations are those of the map.
    known : (parameter, parameter)
        What those tell about its parameters (`Information.matrix`); without it the flat prior between its bounds.
    """
    free, begin = other.parameters, point.theta
    other = other.with_data(truth, other.sigma)
    prior = np.diag(other.prior_information)
    if known is not None:
        prior[:free, :free] += known

    pixel = of_a_pixel(other)

    def cost(there: Point) -> float:
        move = there.theta - begin
        return 0.5 * (pixel * float(there.residual @ there.residual) + float(move @ prior @ move))

    (best,) = other.points(begin[None])
    for _ in range(ROUNDS):
        slopes = other.slopes(best)
        rows = expected_rows(other, best, slopes)
        normal = rows @ rows.T
        normal[: begin.size, : begin.size] += prior
        pull = rows @ (np.sqrt(pixel) * best.residual)
        pull[: begin.size] -= prior @ (best.theta - begin)
        step = solve(normal, pull)[: begin.size]
        # all of the step, or a part where that leads up again or to where the order is not stable
        tried = other.points(np.clip(best.theta + np.outer(0.5 ** np.arange(HALVINGS), step), other.low, other.high))
        better = min((one for one in tried if one is not None), key=cost, default=best)
        gained = cost(best) - cost(better)
        best = better if gained > 0 else best
        if gained < ENOUGH * cost(best):
            break
    move = (best.theta - begin)[:free]
    elsewhere = 0.0 if known is None else 0.5 * float(move @ known @ move)
    return Separation(0.5 * pixel * best.residual**2, elsewhere, other.calculation)


def likelihood_as_fitted(found: Fit, calculation: Calculation, *, background: bool = True) -> Likelihood:
    """With the free parameters and nuisances of a fit, the others fixed where they were."""
    fixed = {one.name: one.value for one in (*found.parameters, *found.nuisances) if one.fixed}
    return Likelihood(calculation, fixed=fixed, nuisances=found.free, background=background)


def at_fit(found: Fit, calculation: Calculation, *, background: bool = True) -> tuple[Likelihood, Point]:
    """The likelihood and its point where a fit ended, with the fit's weights."""
    fitted = {one.name: one.value for one in (*found.parameters, *found.nuisances)}
    likelihood = likelihood_as_fitted(found, calculation, background=background)
    likelihood.sigma = found.model.error[calculation.known]
    likelihood.error_scale, likelihood.model_error = found.error_scale, found.model_error
    (point,) = likelihood.points(likelihood.theta(fitted)[None])
    return likelihood, point


def as_importance(share: Map) -> Map:
    """A share, as `Information.where` and `Separation.where` give it, between 0 and 1:
    over that of all pixels but one in 500.

    For `mantid_insdl.plotting.plot_slices`, and beside what a network looks at (`mantid_insdl.grad_cam`).
    """
    values = share.intensity
    top = np.percentile(values[~share.mask], 99.8) or 1.0
    return share.replace(intensity=np.clip(values / top, 0, 1), intensity_unit="")


# ---- in words


def what_it_tells(found: Fit) -> list[str]:
    """What the map of a fit tells of each parameter, in words, by the fit's robust covariance.

    ``JF1 to 2 %``; ``D: not determined (range 0 to 0.2 meV)``. Where a combination is known far better
    than its parts: ``JA and Jperp only together: JA + 0.83 Jperp to 3 %``, or ``best together`` if each is
    known to half of its value, too.
    """
    free = [one for one in found.parameters if not one.fixed]
    return [_of_one(one) for one in free] + _combinations(free, found.covariance[: len(free), : len(free)])


def _of_one(one: Fitted) -> str:
    if not one.determined:
        return f"{one.name}: not determined (range {one.low:.4g} to {one.high:.4g} {one.unit})"
    return f"{one.name} {_to(one.value, one.error, one.unit)}"


def _to(value: float, error: float, unit: str) -> str:
    """How well something is known: as a part of its value, unless that is too small for it."""
    if error < VAGUE * abs(value):
        return f"to {100 * error / abs(value):.2g} %"
    return f"to {error:.1g} {unit}, at a value of {value:.1g} {unit}" if error else "exactly"


def _combinations(free: list[Fitted], covariance: np.ndarray) -> list[str]:
    """Combinations of parameters that are known far better than these: small eigenvalues of the correlation matrix."""
    deviation = np.sqrt(np.diag(covariance))
    able = np.flatnonzero(deviation > 0)
    said = []
    values, vectors = np.linalg.eigh(covariance[np.ix_(able, able)] / np.outer(deviation[able], deviation[able]))
    for value, vector in zip(values, vectors.T, strict=True):
        members = np.flatnonzero(np.abs(vector) > PART)
        if value > TIED or members.size < 2:
            continue
        parts = [free[able[index]] for index in members]
        # from parts of error bars to factors on the parameters, that of the first one 1
        factors = vector[members] / deviation[able[members]]
        factors /= factors[0]
        spread = covariance[np.ix_(able[members], able[members])]
        combined = parts[0].name + "".join(
            f" {'-' if factor < 0 else '+'} {'' if abs(abs(factor) - 1) < 0.005 else f'{abs(factor):.2g} '}{part.name}"
            for factor, part in zip(factors[1:], parts[1:], strict=True)
        )
        total = float(factors @ [part.value for part in parts])
        known = _to(total, float(np.sqrt(max(factors @ spread @ factors, 0.0))), parts[0].unit)
        names = ", ".join(part.name for part in parts[:-1]) + f" and {parts[-1].name}"
        apart = all(part.determined and part.error < VAGUE * abs(part.value) for part in parts)
        said.append(f"{names} {'best' if apart else 'only'} together: {combined} {known}")
    return said


# ---- algebra


def expected_rows(likelihood: Likelihood, point: Point, slopes: np.ndarray) -> np.ndarray:
    """`Likelihood.design` in units in which each pixel has the information 1 about its mean, (fitted, pixel)."""
    return likelihood.design(point, slopes) * (np.sqrt(of_a_pixel(likelihood)) / likelihood.sigma)


def of_a_pixel(likelihood: Likelihood) -> float:
    """Information of a pixel about its mean, times the square of its sigma."""
    return (likelihood.freedom + 1) / (likelihood.freedom + 3)


def covariance_from(matrix: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Inverse of an information matrix and a flat prior's, (parameter, parameter)."""
    return np.linalg.inv((matrix + matrix.T) / 2 + np.diag(1 / flat**2))


def solve(normal: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solution of normal equations; unknowns that change nothing, or the same as others, get the smallest values."""
    size = np.sqrt(np.diag(normal))
    size = np.where(size > 0, size, 1.0)
    inverse = np.linalg.pinv(normal / np.outer(size, size), rcond=1e-12, hermitian=True)
    return inverse / np.outer(size, size) @ right


def _map_of(calculation: Calculation, pixels: np.ndarray, title: str, unit: str) -> Map:
    return calculation.map.replace(
        intensity=calculation.full(pixels),
        error=None,
        mask=~calculation.known,
        intensity_unit=unit,
        title=title,
        note=f"{title}, for {calculation.material.name}",
    )
