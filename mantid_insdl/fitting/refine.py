"""From starting values to the parameters of the largest likelihood, with error bars."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import qmc

from mantid_insdl.errors import InstabilityError, MaterialError
from mantid_insdl.fitting.blocks import blocks_of, difference_of
from mantid_insdl.fitting.calculation import Calculation, Measurement, calculation_for
from mantid_insdl.fitting.covariance import covariance_of
from mantid_insdl.fitting.likelihood import STEP, USUAL, Likelihood, Point, robust_weight
from mantid_insdl.fitting.remarks import reviewed
from mantid_insdl.fitting.results import Fit, Fitted
from mantid_insdl.maps import Map
from mantid_insdl.materials import Material
from mantid_insdl.materials.relaxing import lower_order, near_boundary
from mantid_insdl.progress import Progress, ignore_progress

FULL = (*USUAL, "twin")
"""Nuisances that are fitted with full effort, or to a spectrum."""
DRAWS = 16
"""Parameter sets drawn for each free parameter, where no start is given."""
KEPT = {"fast": 2, "full": 5}
"""Starts that are followed to their minimum."""
ALIKE = 1.0
"""Distance in error bars within which two minima are one."""
POSSIBLE = 2.0
"""Standard errors of a difference of log-likelihood within which another minimum is not ruled out."""
UNDETERMINED = 0.8
"""Error bar, in standard deviations of a flat prior over the parameter's range, from which the map tells nothing."""
BORDER, BORDER_ROUNDS = 0.005, 3
"""Step, relative to the distance between the bounds,
that tells whether a parameter is at the border of what is stable; rounds there.
"""
LEAST_STEP = 0.01
"""Of the distance between the bounds: first step of the differences that error bars are made of."""
MARGIN = 1e-3  # of the bounds, for a start
FAINT = 1e-6
"""Intensity in 1/meV per magnetic ion below which there are no spin waves in a map, only the tails of their widths."""
ROUGH, COARSE, FINE = (1e-2, 1e-2), (1e-4, 1e-3), (2e-6, 1e-4)
"""Relative gain in cost, and relative step, at which least squares stop."""
BEHIND = 0.05
"""Of the cost: how far a log-likelihood is below that of others where a fit is given up after its `ROUGH` steps."""


class _TimeIsUpError(Exception):
    """The time limit of a fit has come."""


class _FarBehindError(Exception):
    """Other materials explain the map far better."""


class Refinement:
    """Least squares from any number of starts, with a time limit and progress.

    Parameters
    ----------
    likelihood
        What is made largest.
    time_limit
        In seconds; None for none.
    progress
        Called with fraction and text; may raise to stop.
    """

    def __init__(self, likelihood: Likelihood, time_limit: float | None = None, progress: Progress = ignore_progress):
        self.likelihood, self.evaluations = likelihood, 0
        self._begin, self._limit, self._progress = time.monotonic(), time_limit, progress
        self._stage, self._done = (0.0, 1.0, ""), 0.0
        self.best: Point | None = None
        self.finished = True

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begin

    def stage(self, begin: float, end: float, text: str) -> None:
        """Name what comes next, and between which fractions of the whole it lies."""
        self._stage = (begin, end, text)
        self._done = max(self._done, begin)
        self._progress(self._done, text)

    def screen(self, thetas: np.ndarray, keep: int, *, every_order: bool = False) -> list[np.ndarray]:
        """The best of many places: stable ones, and where the calculation resembles the map (else
        nothing would pull the parameters).

        With `every_order` the best place of every magnetic order among them as well.
        """
        found: list[Point] = []
        pieces = np.array_split(thetas, max(1, len(thetas) // 8))
        for number, piece in enumerate(pieces):
            self._check(number / len(pieces))
            self.evaluations += len(piece)
            found += [point for point in self.likelihood.points(piece) if point is not None]
        self._remember(found)
        found = [point for point in found if np.any(point.scale > 0)] or found
        best = [point.theta for point in sorted(found, key=lambda point: point.cost)]
        kept = set(range(min(keep, len(best))))
        if every_order and best:
            kept |= set(np.unique(self.likelihood.orders(np.array(best)), return_index=True)[1].tolist())
        return [best[index] for index in sorted(kept)]

    def descend(self, theta: np.ndarray, tolerance: tuple[float, float]) -> Point:
        """The minimum that least squares reach from a stable place:
        within the bounds, what is stable, and the order of the place.
        """
        everything = np.ones(theta.size, bool)
        point, crossed = self._least_squares(self.inside(theta), everything, tolerance)
        for _ in range(BORDER_ROUNDS if crossed else 0):
            # at the border of what is stable every step that crosses it is taken back, until steps are too short to
            # gain: begin anew, and what points across waits while the rest moves on
            free = ~self._across_the_border(point)
            if not free.any():
                break
            before = point.cost
            if not free.all():
                point, _ = self._least_squares(point.theta, free, tolerance)
            point, crossed = self._least_squares(point.theta, everything, tolerance)
            if not crossed or before - point.cost < tolerance[0] * abs(before):
                break
        return point

    def _least_squares(self, theta: np.ndarray, free: np.ndarray, tolerance: tuple[float, float]) -> tuple[Point, bool]:
        """The minimum along the parameters `free`, and whether a step was taken back:
        the order was unstable or another one there.
        """
        likelihood = self.likelihood
        own = likelihood.orders(theta[None])
        last: dict[bytes, Point | None] = {}
        calls, crossed = 0, False

        def whole(x: np.ndarray) -> np.ndarray:
            full = np.array(theta, float)
            full[free] = x
            return full

        def point_at(x: np.ndarray) -> Point | None:
            if x.tobytes() not in last:
                last.clear()
                self.evaluations += 1
                place = whole(x)[None]
                (last[x.tobytes()],) = likelihood.points(place) if likelihood.orders(place) == own else [None]
                self._remember([last[x.tobytes()]])
            return last[x.tobytes()]

        def residuals(x: np.ndarray) -> np.ndarray:
            nonlocal calls, crossed
            calls += 1
            self._check(1 - 1 / (1 + calls / 4))
            point = point_at(x)
            if point is None:  # worse than any other place, so that the step is taken back
                crossed = True
                return np.full(likelihood.data.size + theta.size, 1e6)
            return np.concatenate([point.residual, likelihood.prior(whole(x))])

        def jacobian(x: np.ndarray) -> np.ndarray:
            point = point_at(x)
            self.evaluations += len(x)
            rows = -likelihood.profiled(point, likelihood.slopes(point)) / likelihood.sigma
            return np.concatenate([rows, np.diag(1 / likelihood.deviation)], axis=1)[free].T

        gain, step = tolerance
        solved = least_squares(
            residuals,
            np.array(theta, float)[free],
            jac=jacobian,
            bounds=(likelihood.low[free], likelihood.high[free]),
            x_scale=(likelihood.high - likelihood.low)[free],
            loss=partial(_students_loss, likelihood.freedom),
            ftol=gain,
            xtol=step,
        )
        return point_at(solved.x), crossed

    def _across_the_border(self, point: Point) -> np.ndarray:
        """Parameters that the likelihood pulls to where the order is unstable or another, (free,) bool."""
        there = self._beside(point)
        other = self.likelihood.orders(there) != self.likelihood.orders(point.theta[None])
        other[~other] = [one is None for one in self.likelihood.points(there[~other])]
        self.evaluations += len(there)
        return other

    def _beside(self, point: Point) -> np.ndarray:
        """Places (free, free) a small step away, each along the one parameter and in the direction of its pull."""
        likelihood = self.likelihood
        weighted = robust_weight(point.residual, likelihood.freedom) * point.residual / likelihood.sigma
        pull = np.sign(likelihood.profiled(point, likelihood.slopes(point)) @ weighted)
        self.evaluations += len(pull)
        steps = np.diag(pull * BORDER * (likelihood.high - likelihood.low))
        return np.clip(point.theta + steps, likelihood.low, likelihood.high)

    def beyond(self, point: Point) -> list[np.ndarray]:
        """Places (free,) next to a minimum where there is another order, one for each that it is pulled to."""
        step = np.diag(BORDER * (self.likelihood.high - self.likelihood.low))
        own = self.likelihood.orders(point.theta[None])
        if np.all(self.likelihood.orders(np.concatenate([point.theta + step, point.theta - step])) == own):
            return []
        there = self._beside(point)
        orders = self.likelihood.orders(there)
        _, first = np.unique(orders, return_index=True)
        return [there[index] for index in first if orders[index] != own]

    def inside(self, theta: np.ndarray) -> np.ndarray:
        """The place next to `theta` within the bounds, and not on one."""
        margin = MARGIN * (self.likelihood.high - self.likelihood.low)
        return np.clip(theta, self.likelihood.low + margin, self.likelihood.high - margin)

    def by_convention(self, point: Point) -> Point:
        """The same place by the names that `Likelihood.by_convention` gives it;
        calculated again only where they are others.
        """
        theta = self.likelihood.by_convention(point.theta)
        if np.array_equal(theta, point.theta):
            return point
        (renamed,) = self.likelihood.points(theta[None])
        return renamed

    def _remember(self, points: Iterable[Point | None]) -> None:
        for point in points:
            if point is not None and (self.best is None or point.cost < self.best.cost):
                self.best = point

    def _check(self, fraction: float) -> None:
        begin, end, text = self._stage
        self._done = max(self._done, begin + (end - begin) * fraction)
        self._progress(self._done, text)
        if self._limit is not None and self.seconds > self._limit and self.best is not None:
            raise _TimeIsUpError


def _students_loss(freedom: float, z: np.ndarray) -> np.ndarray:
    """Of squared residuals: twice the deviance and its derivatives, as `scipy.optimize.least_squares` wants them."""
    left = freedom + z
    return (freedom + 1) * np.stack([np.log1p(z / freedom), 1 / left, -1 / left**2])


def fit(
    m: Map,
    material: str | Path | Material,
    *,
    start: Mapping[str, float] | Sequence[Mapping[str, float]] | None = None,
    fixed: Mapping[str, float] | None = None,
    effort: str = "fast",
    nuisances: Sequence[str] | None = None,
    background: bool = True,
    measurement: Measurement | None = None,
    time_limit: float | None = None,
    progress: Progress | None = None,
) -> Fit:
    r"""The parameters of a material that explain a map best, with error bars that hold for an imperfect model.

    Parameters
    ----------
    m
        Constant-energy slices, a cut or a powder map, as measured.
    material
        Name, file or `Material`.
    start
        Where to begin, in meV: parameters by name, or several such sets; those not named begin at the material's
        values. By default the material's values and sets drawn from its ranges.
    fixed
        Values of parameters and nuisances that are not fitted.
    effort
        ``fast``, or ``full``: more starts, and more nuisances.
    nuisances
        Names of the nuisances that are fitted, of `mantid_insdl.fitting.calculation.NUISANCES`; by
        default those of the effort.
    background
        Beside a constant background for each Ei, fit terms in \|Q\|^2 and energy.
    measurement
        Instrument, energy width, temperature, beam.
    time_limit
        In seconds. What is best then is returned, with `Fit.finished` false.
    progress
        Called with fraction and text; may raise to stop.

    Raises
    ------
    UnsuitableMapError
        If too little of the map is known.
    MaterialError
        For an unknown material, parameter or nuisance.
    InstabilityError
        If the magnetic order is stable at none of the starts.
    """
    if effort not in KEPT:
        raise MaterialError(f"there is no effort '{effort}'", fix="use fast or full")
    return fit_calculation(
        calculation_for(m, material, measurement),
        start=start,
        fixed=fixed,
        effort=effort,
        nuisances=nuisances,
        background=background,
        time_limit=time_limit,
        progress=progress,
    )


def fit_calculation(
    calculation: Calculation,
    *,
    start: Mapping[str, float] | Sequence[Mapping[str, float]] | None = None,
    fixed: Mapping[str, float] | None = None,
    effort: str = "fast",
    nuisances: Sequence[str] | None = None,
    background: bool = True,
    time_limit: float | None = None,
    bar: float | None = None,
    progress: Progress | None = None,
) -> Fit:
    """As `fit`, of a calculation that is there; given up after some steps if its likelihood is then far below `bar`."""
    if nuisances is None:
        nuisances = FULL if effort == "full" or calculation.map.kind != "slices" else USUAL
    likelihood = Likelihood(calculation, fixed=fixed, nuisances=nuisances, background=background)
    run = Refinement(likelihood, time_limit, progress or ignore_progress)
    warnings = [*calculation.map.warnings, *likelihood.warnings]
    others: list[Point] = []
    behind = False
    try:
        best, others = _search(run, _starts(run, start, effort, warnings), bar)
    except _TimeIsUpError:
        run.finished, best = False, run.best
        warnings.append(f"The fit was stopped after {run.seconds:.0f} s, its time limit, and may not be at its best.")
    except _FarBehindError:
        run.finished, best, behind = False, run.best, True
        warnings.append(
            f"The fit of {calculation.material.name} was given up far behind others: its values and errors are rough."
        )
    return _report(run, best, others, warnings, behind)


def _starts(
    run: Refinement, start: Mapping[str, float] | Sequence[Mapping[str, float]] | None, effort: str, warnings: list
) -> list:
    """Places to begin, best first."""
    likelihood, material = run.likelihood, run.likelihood.calculation.material
    run.stage(0.0, 0.2, f"Looking for a start of {material.name}")
    if start is not None:
        given = [start] if isinstance(start, Mapping) else list(start)
        thetas = np.array([likelihood.theta(one) for one in given])
        found = run.screen(np.array([run.inside(theta) for theta in thetas]), KEPT[effort])
        if found:
            return found
        warnings.append(
            f"{material.name} is not stable at the values to start from: others were drawn from its ranges."
        )
    free = likelihood.parameters
    drawn = np.tile(likelihood.start, (1 + DRAWS * free, 1))
    if free:
        sample = qmc.LatinHypercube(free, rng=np.random.default_rng(0)).random(DRAWS * free)
        ranges = np.array([(p.low, p.high) for p in material.parameters if p.name in likelihood.names])
        drawn[1:, :free] = ranges[:, 0] + sample * (ranges[:, 1] - ranges[:, 0])
    found = run.screen(np.array([run.inside(theta) for theta in drawn]), KEPT[effort], every_order=True)
    if not found:
        raise InstabilityError(
            f"the magnetic order of {material.name} is stable at none of {len(drawn)} sets of values from its ranges",
            fix=material.remedy(material.defaults),
        )
    return found


def _search(run: Refinement, starts: list[np.ndarray], bar: float | None) -> tuple[Point, list[Point]]:
    """The minimum of all starts, and other minima that the data do not rule out."""
    likelihood, name = run.likelihood, run.likelihood.calculation.material.name
    (first,) = likelihood.points(starts[0][None])
    if not likelihood.names:
        likelihood.weigh(first)
        return likelihood.points(starts[0][None])[0], []
    likelihood.weigh(first)
    run.best = None  # of another weight
    found: list[Point] = []
    if bar is not None:
        run.stage(0.2, 0.4, f"Fitting {name}: is it far behind?")
        rough = [run.descend(theta, ROUGH) for theta in starts]
        likelihood.weigh(min(rough, key=lambda point: point.cost))
        (run.best,) = likelihood.points(run.best.theta[None])
        if bar - likelihood.log_likelihood(run.best).sum() > BEHIND * run.best.cost:
            raise _FarBehindError
        run.best, starts = None, [point.theta for point in rough]

    def follow(places: Sequence[np.ndarray], begin: float, end: float, what: str) -> None:
        for number, theta in enumerate(places):
            of = (end - begin) / len(places)
            run.stage(
                begin + of * number, begin + of * (number + 1), f"Fitting {name}: {what} {number + 1} of {len(places)}"
            )
            found.append(run.descend(theta, COARSE))

    follow(starts, 0.2 if bar is None else 0.4, 0.6, "start")
    best = min(found, key=lambda point: point.cost)
    exchanged = _stable(likelihood, likelihood.exchanged(best.theta))
    follow([run.inside(theta) for theta in exchanged], 0.6, 0.65, "exchanged values")
    follow(_stable(likelihood, run.beyond(best)), 0.65, 0.7, "another order")
    found.sort(key=lambda point: point.cost)
    likelihood.weigh(found[0])
    run.best = None
    run.stage(0.7, 0.9, f"Fitting {name}: last steps")
    best = run.by_convention(run.descend(run.by_convention(found[0]).theta, FINE))
    run.stage(0.9, 0.95, f"Fitting {name}: other minima")
    return best, _others(run, best, found[1:])


def _stable(likelihood: Likelihood, places: list[np.ndarray]) -> list[np.ndarray]:
    """Those where the magnetic order is stable."""
    return [point.theta for point in likelihood.points(np.array(places)) if point is not None] if places else []


def _others(run: Refinement, best: Point, candidates: list[Point]) -> list[Point]:
    """Minima apart from the best that the data do not rule out."""
    if not candidates:
        return []
    likelihood = run.likelihood
    blocks = blocks_of(likelihood.calculation)
    deviation = np.sqrt(np.diag(covariance_of(likelihood, best, likelihood.slopes(best), blocks).robust))
    others: list[Point] = []

    def new(point: Point) -> bool:
        distances = [np.abs((point.theta - one.theta) / deviation)[: likelihood.parameters] for one in (best, *others)]
        return all(one.size and one.max() > ALIKE for one in distances)

    for candidate in candidates:
        start = run.by_convention(candidate)
        if not new(start):
            continue
        point = run.by_convention(run.descend(start.theta, FINE))
        gain = likelihood.log_likelihood(best) - likelihood.log_likelihood(point)
        if new(point) and difference_of(gain, blocks).z < POSSIBLE:
            others.append(point)
    return others


def _error_bars(run: Refinement, best: Point, rough: bool) -> tuple[np.ndarray, np.ndarray]:
    """Slopes (free, pixel) and covariance (free, free) at a minimum, for a model that bends within its error bars.

    Derivatives at the very place would make a parameter sure of itself where a gap closes, and differences across the
    error bars would where parameters make up for one another along a bent valley: each error bar is the larger of both,
    but for `rough` ones.
    """
    likelihood = run.likelihood
    span = likelihood.high - likelihood.low
    if not likelihood.names:
        return np.empty((0, likelihood.data.size)), np.empty((0, 0))
    slopes = likelihood.slopes(best)
    covariance = covariance_of(likelihood, best, slopes).robust
    if rough:
        return slopes, covariance
    steps = LEAST_STEP * span
    for _ in range(2):
        across = 0.5 * (likelihood.slopes(best, steps) + likelihood.slopes(best, -steps))
        wide = np.diag(covariance_of(likelihood, best, across).robust)
        steps = np.clip(np.sqrt(wide), STEP * span, 0.25 * span)
    run.evaluations += 5 * len(steps)
    growth = np.sqrt(np.maximum(1.0, wide / np.diag(covariance)))
    return slopes, covariance * np.outer(growth, growth)


def _remarks(likelihood: Likelihood, best: Point, parameters: Sequence[Fitted]) -> list[str]:
    """What a user should know of an answer, in sentences."""
    said = []
    if best.image.max() < FAINT:
        energies = likelihood.calculation.energy
        said.append(
            f"{likelihood.calculation.material.name} has no spin waves at the energies of this map, "
            f"{energies.min():.4g} to {energies.max():.4g} meV, for any values that were tried. "
            "The parameters mean nothing."
        )
    elif not np.any(best.scale > 0):
        said.append("The calculation nowhere resembles the map: no scale above zero fits. The parameters mean nothing.")
    low, high = (dict(zip(likelihood.names, bound, strict=True)) for bound in (likelihood.low, likelihood.high))
    for one in parameters:
        if one.fixed:
            continue
        if not one.determined:
            said.append(
                f"The map does not determine {one.name}: its error bar is no smaller than its range, {_range(one)}."
            )
        elif min(one.value - low[one.name], high[one.name] - one.value) < 2 * MARGIN * (high[one.name] - low[one.name]):
            said.append(f"{one.name} ended at the bound of the fit: its true value may lie beyond.")
        elif not one.low <= one.value <= one.high:
            said.append(f"{one.name} lies outside the material's range, {_range(one)}.")
    return said


def _range(one: Fitted) -> str:
    return f"{one.low:.4g} to {one.high:.4g} {one.unit}"


def _report(run: Refinement, best: Point, others: list[Point], warnings: list[str], rough: bool) -> Fit:
    likelihood, calculation = run.likelihood, run.likelihood.calculation
    material, m = calculation.material, calculation.map
    run.stage(0.95, 1.0, f"Error bars of {material.name}")
    slopes, covariance = _error_bars(run, best, rough)
    errors = dict(zip(likelihood.names, np.sqrt(np.diag(covariance)), strict=True))
    values, nuisances = (x[0] for x in likelihood.table(best.theta[None]))
    parameters = []
    for p, value in zip(material.parameters, values, strict=True):
        error = float(errors.get(p.name, 0.0))
        determined = error < UNDETERMINED * (p.high - p.low) / np.sqrt(12) or p.high == p.low
        parameters.append(
            Fitted(p.name, float(value), error, p.unit, p.low, p.high, bool(determined), p.name not in errors)
        )
    fitted_nuisances = tuple(
        Fitted(n.name, float(value), float(errors.get(n.name, 0.0)), n.unit, n.low, n.high, True, n.name not in errors)
        for n, value in zip(calculation.nuisances.values(), nuisances, strict=True)
    )
    warnings += _remarks(likelihood, best, parameters)
    named = dict(zip(material.defaults, values.tolist(), strict=True))
    warnings += filter(None, [lower_order(material, named), near_boundary(material, named, errors)])
    difference = (likelihood.data - best.model) / likelihood.data_sigma
    freedom = max(likelihood.data.size - len(likelihood.design(best, slopes)), 1)
    described = material.describe(
        {name: float(f"{value:.4g}") for name, value in zip(material.defaults, values, strict=True)}
    )
    model = m.replace(
        intensity=calculation.full(best.model),
        error=calculation.full(likelihood.sigma),
        mask=~calculation.known,
        material=material.name,
        note=f"fit of {material.name}: {described}, with a scale and a background for each Ei",
    )
    found = Fit(
        material=material.name,
        parameters=tuple(parameters),
        nuisances=fitted_nuisances,
        free=likelihood.names,
        covariance=covariance,
        incident_energies=tuple(float(calculation.ei[group[0]]) for group in calculation.groups),
        scale=tuple(float(x) for x in best.scale),
        background=tuple(float(x[0]) for x in best.background),
        log_likelihood=float(likelihood.log_likelihood(best).sum()),
        pixels=likelihood.data.size,
        chi_squared=float(np.sum(difference**2) / freedom),
        error_scale=likelihood.error_scale,
        model_error=likelihood.model_error,
        error_source=likelihood.error_source,
        model=model,
        data=m,
        others=tuple(dict(zip(likelihood.names, (float(x) for x in one.theta), strict=True)) for one in others),
        finished=run.finished,
        seconds=run.seconds,
        evaluations=run.evaluations,
    )
    run.stage(1.0, 1.0, f"Fitted {material.name}")
    return reviewed(found, material, warnings)
