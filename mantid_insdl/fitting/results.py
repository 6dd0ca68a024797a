"""What fits answer, as plain records that can be written as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mantid_insdl.maps import Map

if TYPE_CHECKING:
    from mantid_insdl.materials import Parameter

UNDECIDED = "undecided"
"""Verdict where the data do not reach, or where no answer may be given."""
NONE_OF_THESE = "none of these"
"""Verdict where no magnet that was asked for explains the map."""
BEYOND = 0.5
"""Of its range, how far a parameter may go beyond it on either side:
a range says where values were looked for, not where they can be.
"""
CONFIDENCE = 2.0
"""Standard errors by which an unexplained share must keep to the limit."""


def fit_bounds(parameter: Parameter) -> tuple[float, float]:
    """How far a fit may take a parameter of a material: to half of its range beyond it (`BEYOND`)."""
    margin = BEYOND * (parameter.high - parameter.low)
    return parameter.low - margin, parameter.high + margin


@dataclass(frozen=True)
class Fitted:
    """A fitted quantity: value, error bar (one standard deviation) and unit; the range it was looked for in.

    ``determined`` is false where the map tells no more about it than that range did; ``fixed`` where it was not fitted.
    """

    name: str
    value: float
    error: float
    unit: str
    low: float
    high: float
    determined: bool = True
    fixed: bool = False

    @property
    def at_bound(self) -> bool:
        """Whether a parameter ended where the fit could go no further (`BEYOND`)."""
        span = self.high - self.low
        return not self.fixed and not self.low - 0.99 * BEYOND * span < self.value < self.high + 0.99 * BEYOND * span


@dataclass(frozen=True, eq=False)
class Fit:
    """One material fitted to one map.

    Parameters
    ----------
    material
        Its name.
    parameters, nuisances
        What the material and the measurement have; fixed ones among them, with an error of 0.
    covariance : (free, free)
        Of the free parameters, then of the free nuisances, in the order of `free`: robust against correlated residuals
        and an imperfect model (`fitting.covariance`).
    free
        Names of what was fitted.
    scale, background
        For each incident energy (rising; NaN where unknown): the factor from 1/meV per magnetic ion to the unit of the
        map, and the mean background in that unit.
    log_likelihood
        In the unit of the map.
    pixels
        Number of pixels compared.
    chi_squared
        Reduced, with the errors of the data alone.
    error_scale, model_error
        What the residuals say: factor on the errors of the data, and relative error of the
        calculation; both are in the error bars.
    model
        Calculation with scale and background, on the axes of the map; its error is the standard
        deviation of a pixel about it.
    data
        The map.
    others
        Parameters of other minima that the data do not rule out, best first.
    finished
        False where the time limit came first, or the fit was given up far behind others: then it is the best so far.
    seconds, evaluations
        Time, and maps calculated.
    warnings
        In sentences.
    """

    material: str
    parameters: tuple[Fitted, ...]
    nuisances: tuple[Fitted, ...]
    free: tuple[str, ...]
    covariance: np.ndarray
    incident_energies: tuple[float, ...]
    scale: tuple[float, ...]
    background: tuple[float, ...]
    log_likelihood: float
    pixels: int
    chi_squared: float
    error_scale: float
    model_error: float
    error_source: str
    model: Map
    data: Map
    others: tuple[Mapping[str, float], ...] = ()
    finished: bool = True
    seconds: float = 0.0
    evaluations: int = 0
    warnings: tuple[str, ...] = field(default=())

    @property
    def values(self) -> dict[str, float]:
        """Value of each parameter of the material."""
        return {one.name: one.value for one in self.parameters}

    @property
    def errors(self) -> dict[str, float]:
        """Standard deviation of each parameter of the material."""
        return {one.name: one.error for one in self.parameters}

    @property
    def normalised_covariance(self) -> np.ndarray:
        """Correlations in per cent, as Mantid's Fit gives them, (free, free)."""
        deviation = np.sqrt(np.diag(self.covariance))
        return 100 * self.covariance / np.outer(deviation, deviation)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        plain = ("material", "free", "log_likelihood", "pixels", "chi_squared")
        plain += ("error_scale", "model_error", "error_source")
        return {
            **{name: getattr(self, name) for name in plain},
            "parameters": [vars(one) for one in self.parameters],
            "nuisances": [vars(one) for one in self.nuisances],
            "covariance": self.covariance.tolist(),
            "incident_energies": _known(self.incident_energies),
            "scale": list(self.scale),
            "background": list(self.background),
            "others": [dict(one) for one in self.others],
            "finished": self.finished,
            "seconds": round(self.seconds, 2),
            "evaluations": self.evaluations,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class Evidence:
    """How much of a map's structure the spin waves of one material at given constants leave
    unexplained (`fitting.unexplained`).

    Parameters
    ----------
    material, parameters
        What was simulated; constants in meV.
    unexplained, uncertainty
        Share of the structure left in the residual, 0 (nothing) to 1 (all of it, or there is
        none), and its standard error.
    incident_energies, unexplained_by_ei, uncertainty_by_ei
        The same for each incident energy, meV.
    limit
        Largest `figure` with which the map counts as explained, from the card of a network, or
        `fitting.unexplained.LIMIT`.
    """

    material: str
    parameters: dict[str, float]
    unexplained: float
    uncertainty: float
    incident_energies: tuple[float, ...]
    unexplained_by_ei: tuple[float, ...]
    uncertainty_by_ei: tuple[float, ...]
    limit: float

    @property
    def figure(self) -> float:
        """What is held against the limit: the whole share with its error added, or, where it is more,
        a single Ei's with it taken off.
        """
        each = [u - CONFIDENCE * s for u, s in zip(self.unexplained_by_ei, self.uncertainty_by_ei, strict=True)]
        return max(self.unexplained + CONFIDENCE * self.uncertainty, *each)

    @property
    def explained(self) -> bool:
        """Whether an answer may be given."""
        return self.figure <= self.limit

    @property
    def refuted(self) -> bool:
        """Whether too much is left for certain; of what has no structure at all, nothing is certain."""
        shares = zip(
            (self.unexplained, *self.unexplained_by_ei), (self.uncertainty, *self.uncertainty_by_ei), strict=True
        )
        return any(u - CONFIDENCE * s > self.limit for u, s in shares if s > 0)

    def reason(self) -> str:
        """Why the map is not explained, as a sentence."""
        constants = ", ".join(f"{name} = {value:.4g}" for name, value in self.parameters.items())
        start = f"Spin waves of {self.material} with {constants} meV do not explain the map: "
        wrong = [
            f"{ei:g} meV ({u:.0%})"
            for ei, u, s in zip(self.incident_energies, self.unexplained_by_ei, self.uncertainty_by_ei, strict=True)
            if u - CONFIDENCE * s > self.limit
        ]
        if self.unexplained - CONFIDENCE * self.uncertainty > self.limit or not wrong:
            found = f"{self.unexplained:.0%} +- {self.uncertainty:.0%} of what is not smooth in it is left over"
        else:
            found = f"of what is not smooth at Ei {', '.join(wrong)} too much is left over"
        return f"{start}{found}, the limit is {self.limit:.0%}. Do not rely on the answer."

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Evidence:
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in content.items()})


@dataclass(frozen=True)
class Contest:
    """The material that explains a map best against another.

    Parameters
    ----------
    material
        The other.
    difference, deviation
        Log-likelihood of the best less that of the other, less `correction`, and its standard error
        by the scatter of the blocks.
    correction
        Schwarz's, for the parameters that the best has more; 0 where it has not.
    significance
        How far the difference lies from 0, as a standard normal deviate (`fitting.compare.significance_of`).
    share, share_error
        Share of the other in a mixture of both that fits the map best (`fitting.mixture`).
    """

    material: str
    difference: float
    deviation: float
    correction: float
    significance: float
    share: float
    share_error: float

    @property
    def z(self) -> float:
        """Vuong's: the difference in its standard errors; 0 where both are the same."""
        return self.difference / self.deviation if self.deviation > 0 else 0.0


@dataclass(frozen=True)
class Part:
    """What a slice, or a band of energy of a cut or powder map, says.

    Parameters
    ----------
    ei, energy_min, energy_max
        In meV; Ei is NaN where it is not known.
    pixels
        Number of pixels compared.
    differences
        Log-likelihood of the best material less that of each other, in the order of `Comparison.contests`.
    """

    ei: float
    energy_min: float
    energy_max: float
    pixels: int
    differences: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several materials on one map.

    Parameters
    ----------
    fits, probabilities
        One entry a material, in the order given: its fit, and the probability that the map shows it rather than one of
        the others, calibrated on simulated maps (`benchmarks/calibrate_comparison.py`).
    verdict
        A material; `UNDECIDED` where the data do not reach; `NONE_OF_THESE` where even the best leaves structure in the
        map, or two materials have a share in it.
    contests
        The best against each other, in the order given.
    parts
        Which slices decided.
    evidence
        What the best leaves unexplained.
    blocks
        Number of blocks that the differences scatter over.
    warnings
        In sentences; the last say why there is no verdict.
    """

    fits: tuple[Fit, ...]
    probabilities: tuple[float, ...]
    verdict: str
    contests: tuple[Contest, ...]
    parts: tuple[Part, ...]
    evidence: Evidence
    blocks: int
    warnings: tuple[str, ...] = ()

    @property
    def materials(self) -> tuple[str, ...]:
        """Names, in the order given."""
        return tuple(one.material for one in self.fits)

    @property
    def best(self) -> Fit:
        """Fit of the material that explains the map best, decided or not."""
        others = {one.material for one in self.contests}
        return next(one for one in self.fits if one.material not in others)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        evidence = vars(self.evidence) | {"incident_energies": _known(self.evidence.incident_energies)}
        return {
            "materials": list(self.materials),
            "probabilities": list(self.probabilities),
            "verdict": self.verdict,
            "best": self.best.material,
            "contests": [vars(one) | {"z": one.z} for one in self.contests],
            "parts": [
                vars(one) | {"ei": _known([one.ei])[0], "differences": list(one.differences)} for one in self.parts
            ],
            "evidence": {name: list(value) if isinstance(value, tuple) else value for name, value in evidence.items()},
            "blocks": self.blocks,
            "fits": [one.to_dict() for one in self.fits],
            "warnings": list(self.warnings),
        }


def _known(values: Iterable[float]) -> list[float | None]:
    """NaN is no JSON."""
    return [None if np.isnan(value) else value for value in values]
