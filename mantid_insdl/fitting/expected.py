"""What a measurement that has not been made would tell, from fits of those that have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mantid_insdl.errors import InstabilityError, MaterialError
from mantid_insdl.fitting.blocks import blocks_of, difference_of
from mantid_insdl.fitting.calculation import Calculation, Measurement, calculation_for
from mantid_insdl.fitting.candidates import Candidate
from mantid_insdl.fitting.counting import Counting, counting_of, exposure
from mantid_insdl.fitting.information import (
    Information,
    at_fit,
    covariance_from,
    information_of,
    likelihood_as_fitted,
    separation_of,
)
from mantid_insdl.fitting.likelihood import Likelihood, Point
from mantid_insdl.fitting.results import Fit
from mantid_insdl.maps import Map, Slices
from mantid_insdl.materials import Material


@dataclass(frozen=True, eq=False)
class Known:
    """A material and what the map that was measured tells of it.

    Attributes
    ----------
    material, found
        And its fit.
    likelihood, point
        Where the fit ended.
    information
        Of the map.
    counting
        Its counting statistics, in units of the calculation.
    """

    material: Material
    found: Fit
    likelihood: Likelihood
    point: Point
    information: Information
    counting: Counting

    @classmethod
    def of(cls, found: Fit, material: Material, measurement: Measurement, hours: Sequence[float]) -> Known:
        likelihood, point = at_fit(found, calculation_for(found.data, material, measurement))
        counting = counting_of(likelihood, point, measurement.spectrometer, hours)
        return cls(material, found, likelihood, point, information_of(likelihood, point), counting)


@dataclass(frozen=True, eq=False)
class Prospect:
    """A candidate measurement if one material is the true one.

    Attributes
    ----------
    likelihood, point
        The material's on the candidate's pixels, at the fit's values: the data are the calculation, in its own unit,
        and the standard deviations those to be expected.
    limited : (pixel,)
        Part of each pixel's variance that longer counting lowers, the rest is the model's error.
    """

    likelihood: Likelihood
    point: Point
    limited: np.ndarray


class Setting:
    """A candidate on the axes of the map that was measured.

    Parameters
    ----------
    candidate
        What is to be measured.
    m, measurement, hours
        What was measured, how, and how long at each incident energy.
    coverage : (ei,)
        Part of the pixels in reach that the map knows, at each incident energy: the candidate's
        gaps are taken to be as many.
    """

    def __init__(
        self, candidate: Candidate, m: Map, measurement: Measurement, hours: Sequence[float], coverage: np.ndarray
    ):
        measured = m.slices
        self.candidate = candidate
        self.instrument, slices = candidate.spectrometer(measurement), candidate.slices(measured)
        self.hours = float(np.mean(hours)) if candidate.hours is None else candidate.hours
        self.measurement = replace(
            measurement, instrument=self.instrument, fwhm=None, beam=candidate.beam or measurement.beam
        )
        self.repeated = self._repeated(slices, measured, measurement)
        mask = np.zeros((slices.size, *m.shape[1:]), bool)
        again = self.repeated >= 0
        mask[again] = m.mask[self.repeated[again]]
        self.map = m.replace(intensity=np.zeros(mask.shape), error=None, mask=mask, slices=slices)
        share = float(np.interp(np.log(candidate.ei), np.log(measured.unique_ei), coverage))
        self._coverage = np.where(again, 1.0, share)
        self._before = dict(zip(measured.unique_ei, hours, strict=True)).get(candidate.ei, 0.0)
        self._calculations: dict[str, Calculation] = {}

    def _repeated(self, slices: Slices, measured: Slices, measurement: Measurement) -> np.ndarray:
        """For each slice the index of the measured one that is the same, at the same setting;
        -1 where there is none.
        """
        beam = measurement.beam if self.candidate.beam is None else self.candidate.beam
        if self.instrument != measurement.spectrometer or beam != measurement.beam:
            return np.full(slices.size, -1)
        same = np.all(
            [
                np.isclose(getattr(slices, name)[:, None], getattr(measured, name), rtol=1e-6)
                for name in ("ei", "energy_min", "energy_max")
            ],
            axis=0,
        )
        return np.where(same.any(axis=1), same.argmax(axis=1), -1)

    def likelihood(self, known: Known) -> Likelihood:
        """Of a material on the candidate's pixels, with the same free parameters and nuisances as in its fit;
        without data as yet.
        """
        name = known.material.name
        if name not in self._calculations:
            self._calculations[name] = calculation_for(self.map, known.material, self.measurement)
        return likelihood_as_fitted(known.found, self._calculations[name])

    def point(self, known: Known, likelihood: Likelihood) -> Point:
        """The fit's values, on the candidate.

        Raises
        ------
        InstabilityError
            If the order is not stable at its momenta.
        """
        (point,) = likelihood.points(known.point.theta[None])
        if point is None:
            raise InstabilityError(
                f"{known.material.name} is not stable at the momenta of Ei = {self.candidate.ei:g} meV"
            )
        return point

    def prospect(self, known: Known) -> Prospect:
        """What would be seen if `known` is the truth.

        Where the same pixel has been measured already counting adds up, but the model errs there as it
        did: that error is counted once.
        """
        likelihood = self.likelihood(known)
        calculation, image = likelihood.calculation, self.point(known, likelihood).image
        ei, slice_of = self.candidate.ei, np.nonzero(calculation.known)[0]
        again = self.repeated[slice_of] >= 0
        exposed = exposure(calculation, self.instrument, self.hours)
        counted = known.counting.variance(image, exposed, ei)
        wrong = (known.likelihood.model_error * image) ** 2
        precision = self._coverage[slice_of] / (counted + wrong)
        if again.any():
            earlier = known.counting.variance(image, exposed * self._before / self.hours, ei)
            together = counted * earlier / (counted + earlier)
            precision[again] = (1 / (together + wrong) - 1 / (earlier + wrong))[again]
        likelihood = likelihood.with_data(image, 1 / np.sqrt(precision))
        return Prospect(likelihood, self.point(known, likelihood), counted / (counted + wrong))


def coverage_of(known: Known, measurement: Measurement) -> np.ndarray:
    """Part of the pixels in reach that a map knows, at each incident energy, (ei,)."""
    calculation = known.likelihood.calculation
    whole = calculation_for(
        known.found.data.replace(intensity=np.zeros(calculation.known.shape), error=None, mask=None),
        known.material,
        measurement,
    )
    return np.array([mine.size / all_.size for mine, all_ in zip(calculation.groups, whole.groups, strict=True)])


@dataclass(frozen=True)
class Gain:
    """What a candidate is expected to add.

    Parameters
    ----------
    amount
        Separation: the log-likelihood by which the true model would gain on the other. Constants: the logarithm of the
        factor by which their error bars shrink, their mean.
    deviations
        Separation: that in standard errors, by the scatter between the blocks of the measured map (Vuong's z).
    factors
        Constants: error bar then over error bar now, by name.
    pays
        Between 0 and 1, the exponent with which more time pays: 1 where counting limits, 0
        where the model's error does.
    """

    amount: float
    deviations: float = 0.0
    factors: dict[str, float] | None = None
    pays: float = 1.0


def shrinkage(known: Known, setting: Setting, constants: Sequence[str]) -> Gain:
    """Of the error bars of some constants of a material."""
    prospect = setting.prospect(known)
    added = information_of(prospect.likelihood, prospect.point)
    now = known.information
    chosen = [now.names.index(name) for name in constants]
    before, after = (
        np.diag(covariance_from(matrix, now.flat))[chosen] for matrix in (now.matrix, now.matrix + added.matrix)
    )
    factors = np.sqrt(after / before)
    looked_at = (added.share[chosen] / np.maximum(added.share[chosen].sum(axis=1, keepdims=True), 1e-300)).sum(axis=0)
    return Gain(
        float(-np.log(factors).mean()),
        factors={name: float(factor) for name, factor in zip(constants, factors, strict=True)},
        pays=_mean(prospect.limited, looked_at),
    )


def separation(truth: Known, other: Known, setting: Setting) -> Gain:
    """Of two models, if the first is true and the second refitted to it, to what was measured and to the candidate."""
    prospect = setting.prospect(truth)
    likelihood = setting.likelihood(other)
    if not np.array_equal(likelihood.calculation.known, prospect.likelihood.calculation.known):
        raise MaterialError(
            f"{truth.material.name} and {other.material.name} cannot be compared",
            "the same pixel is another momentum in each",
            "name models of one lattice",
        )
    likelihood = likelihood.with_data(prospect.point.model, prospect.likelihood.sigma)
    point = setting.point(other, likelihood)
    found = separation_of(prospect.point.model, likelihood, point, other.information.matrix)
    # the difference has the variance 2 L for pixels that are independent
    z = np.sqrt(found.total / (2 * design_effect(truth, other)))
    return Gain(found.total, deviations=float(z), pays=_mean(prospect.limited, found.pixels))


def design_effect(one: Known, other: Known) -> float:
    """Variance of the measured difference of log-likelihood by its scatter between blocks,
    over that of independent pixels; 1 at least.
    """
    gain = one.likelihood.log_likelihood(one.point) - other.likelihood.log_likelihood(other.point)
    independent = gain.size * gain.var()
    if not independent > 0:
        return 1.0
    return max(1.0, difference_of(gain, blocks_of(one.likelihood.calculation)).deviation ** 2 / independent)


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    total = weights.sum()
    return float(values @ weights / total) if total > 0 else 0.0
