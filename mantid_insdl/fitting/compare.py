"""Which of several magnets does a map show? Each is fitted, and the fits are held against one another slice by slice.

The log-likelihoods of two fits differ, by slices: their sum says which is nearer to the map, their
scatter how sure that is, also where both are imperfect. [Q. H. Vuong, Econometrica 57, 307 (1989)] Three
things make it hold on real maps.

- One standard deviation for each pixel under all models, the geometric mean of what their fits found. Each with
  its own would be a likelihood, too, but a model that fits worse has the larger errors, and gains by them
  wherever all models are wrong.
- A model with more parameters pays for them by Schwarz's criterion, half the logarithm of the number of pixels each.
  That takes an advantage away, and makes none: of two models that are equally near, none is told because it has fewer.
- The distribution of the sum if neither were nearer comes from the blocks themselves, each with its sign drawn at
  random. A few slices hold most of the information, so that the sum over its standard error, Vuong's z, stays small
  even where every slice says the same.

A verdict further needs that the best fit leaves no structure in the map (`fitting.unexplained`), and that no other has
a share in it besides (`fitting.mixture`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import norm

from mantid_insdl.errors import MaterialError, UnsuitableMapError
from mantid_insdl.fitting.blocks import blocks_of, difference_of
from mantid_insdl.fitting.calculation import Calculation, Measurement, calculation_for
from mantid_insdl.fitting.likelihood import deviance, freedom_of, robust_weight
from mantid_insdl.fitting.mixture import Share, share_of
from mantid_insdl.fitting.refine import fit_calculation
from mantid_insdl.fitting.results import NONE_OF_THESE, UNDECIDED, Comparison, Contest, Evidence, Fit, Part
from mantid_insdl.fitting.uncertainty import uncertainty_of
from mantid_insdl.fitting.unexplained import LIMIT, evidence_of
from mantid_insdl.maps import Map
from mantid_insdl.materials import Material, load_material
from mantid_insdl.progress import Progress, ignore_progress

DECIDED = 0.95
"""Least probability of a verdict."""
SLOPE = 1.5
"""Of the logarithm of the odds against the significance (`benchmarks/calibrate_comparison.py`)."""
DRAWS = 2**14
"""Of signs of blocks."""
SAME_CELL = 0.08
"""Relative difference of the squared momenta that r.l.u. stand for, up to which two descriptions are of one cell:
4 % in length.
"""
BANDS = 10
"""Of energy that the table of a cut or powder map has."""


def compare(
    m: Map,
    materials: Sequence[str | Path | Material],
    *,
    start: Mapping[str, Mapping[str, float] | Sequence[Mapping[str, float]]] | None = None,
    effort: str = "fast",
    measurement: Measurement | None = None,
    nuisances: Sequence[str] | None = None,
    background: bool = True,
    time_limit: float | None = None,
    progress: Progress | None = None,
    fits: Sequence[Fit] = (),
    followed: int | None = None,
) -> Comparison:
    """Two or more materials on one map: which explains it best, how sure that is, and what decided.

    Parameters
    ----------
    m
        Constant-energy slices, a cut or a powder map, as measured.
    materials
        Names, files or `Material`, of the same cell (of any for a powder map).
    start
        Of each material's name, where its fit begins; see `fit`.
    effort, measurement, nuisances, background
        As of `fit`, for every material.
    time_limit
        In seconds, for all fits together.
    progress
        Called with fraction and text; may raise to stop.
    fits
        Of some of the materials to this map, where they are there already.
    followed
        Once so many are fitted, the fit of a material that is far behind all of them is given up, and its values and
        errors are rough: who wants to know about the best few only names these first. By default every material is
        fitted to the end.

    Raises
    ------
    MaterialError
        If there are fewer than two materials, or two are the same, or of different cells.
    UnsuitableMapError
        If too little of the map is known, or a given fit is of another map.
    InstabilityError
        As `fit`.
    """
    report = progress or ignore_progress
    loaded = [load_material(one) for one in materials]
    _check_materials(loaded, m)
    there = {one.material: one for one in fits}
    _check_fits(list(there.values()), loaded, m)
    calculations = _calculations(m, loaded, measurement, list(there.values()))
    remaining = [one for one in calculations if one.material.name not in there]
    for number, calculation in enumerate(remaining):
        spent = sum(there[one.material.name].seconds for one in remaining[:number])
        reached = sorted((one.log_likelihood for one in there.values()), reverse=True)
        there[calculation.material.name] = fit_calculation(
            calculation,
            start=(start or {}).get(calculation.material.name),
            effort=effort,
            nuisances=nuisances,
            background=background,
            time_limit=None if time_limit is None else max(time_limit - spent, 0.0) / (len(remaining) - number),
            bar=None if followed is None or len(reached) < followed else reached[followed - 1],
            progress=lambda f, t, done=number: report((done + f) / len(remaining), t),
        )
    report(1.0, "comparing")
    return compare_fits([there[one.material.name] for one in calculations], calculations[0])


def _check_materials(materials: Sequence[Material], m: Map) -> None:
    if len(materials) < 2:
        raise MaterialError(
            "there is nothing to compare", f"{len(materials)} material was given", "name two or more, or fit one"
        )
    for number, one in enumerate(materials):
        for other in materials[:number]:
            if one.name == other.name or _physics(one) == _physics(other):
                names = " and ".join(dict.fromkeys((other.name, one.name)))
                raise MaterialError(
                    f"two of the materials are the same, {names}", fix="name each once, and each file differently"
                )
            mine, theirs = _metric(one), _metric(other)
            if m.kind != "powder" and not np.allclose(mine, theirs, atol=SAME_CELL * np.abs(theirs).max()):
                raise MaterialError(
                    f"{other.name} and {one.name} have different cells",
                    "the map is in r.l.u., which stand for other momenta in each "
                    f"({_cell(other)} and {_cell(one)} 1/angstrom)",
                    "describe both in the cell that the map refers to",
                )


def _physics(material: Material) -> dict:
    return material.model_dump(exclude={"name", "title", "family", "sources"})


def _metric(material: Material) -> np.ndarray:
    """Scalar products of the momenta that r.l.u. along the axes of a map stand for."""
    return material.map_frame @ material.map_frame.T


def _cell(material: Material) -> str:
    return ", ".join(f"{x:.4g}" for x in np.sqrt(np.diag(_metric(material))))


def _check_fits(fits: Sequence[Fit], materials: Sequence[Material], m: Map) -> None:
    for one in fits:
        if one.material not in [material.name for material in materials]:
            raise MaterialError(
                f"a fit of {one.material} was given",
                "it is none of the materials to compare",
                "leave it out or name it",
            )
        if one.data.shape != m.shape or not np.array_equal(one.data.intensity, m.intensity, equal_nan=True):
            raise UnsuitableMapError(f"the fit of {one.material} is of another map", fix="fit this one")


def _calculations(
    m: Map, materials: Sequence[Material], measurement: Measurement | None, fits: Sequence[Fit]
) -> list[Calculation]:
    """Of each material, all of the same pixels: those that are known and in reach for all of them."""
    found = [calculation_for(m, one, measurement) for one in materials]
    common = np.logical_and.reduce([one.known for one in found])
    for one in fits:
        if not np.array_equal(~one.model.mask, common):
            raise UnsuitableMapError(
                f"the fit of {one.material} is of other pixels than those all materials reach", fix="leave the fit out"
            )
    if all(np.array_equal(one.known, common) for one in found):
        return found
    return [calculation_for(m.with_mask(~common), one, measurement) for one in materials]


def compare_fits(fits: Sequence[Fit], calculation: Calculation) -> Comparison:
    """As `compare`, of fits to the pixels of `calculation` (any of the materials')."""
    known, blocks = calculation.known, blocks_of(calculation)
    data, models, sigmas = (
        calculation.map.intensity[known],
        *(np.array([getattr(one.model, what)[known] for one in fits]) for what in ("intensity", "error")),
    )
    sigma = np.exp(np.mean(np.log(sigmas), axis=0))
    freedom = freedom_of(uncertainty_of(calculation.map), known)
    likelihoods = -deviance((data - models) / sigma, freedom)
    price = 0.5 * np.log(data.size) * np.array([len(one.free) for one in fits])
    corrected = likelihoods.sum(axis=1) - price
    best = int(np.argmax(corrected))
    weight = robust_weight((data - models.mean(axis=0)) / sigma, freedom) / sigma**2
    contests = []
    for number, other in enumerate(fits):
        if number == best:
            continue
        correction = max(float(price[best] - price[number]), 0.0)
        pixels = likelihoods[best] - likelihoods[number] - correction / data.size
        whole = difference_of(pixels, blocks)
        significance = max(significance_of(np.bincount(blocks, pixels)), 0.0)
        share = share_of(
            data, models[best], models[number], weight, blocks, calculation.groups, np.ones((data.size, 1))
        )
        contests.append(
            Contest(other.material, whole.total, whole.deviation, correction, significance, share.value, share.error)
        )
    odds = {one.material: odds_of(one.significance) for one in contests}
    probabilities = tuple(float(odds.get(one.material, 1.0) / (1 + sum(odds.values()))) for one in fits)
    evidence = evidence_of(fits[best], LIMIT)
    verdict, reasons = _verdict(fits[best], probabilities[best], contests, evidence)
    against = np.array([likelihoods[best] - likelihoods[i] for i in range(len(fits)) if i != best])
    return Comparison(
        fits=tuple(fits),
        probabilities=probabilities,
        verdict=verdict,
        contests=tuple(contests),
        parts=tuple(_parts(calculation, against)),
        evidence=evidence,
        blocks=int(blocks.max()) + 1,
        warnings=tuple(dict.fromkeys((*(w for one in fits for w in one.warnings), *reasons))),
    )


def significance_of(sums: np.ndarray) -> float:
    """How far the sum of the blocks' differences, (block,), lies above 0:
    as a standard normal deviate of the same probability.

    The distribution is that of the sums with signs drawn at random (the wild bootstrap, with Rademacher's weights):
    what would be found if each block were as likely to speak for the one as for the other. [R. Davidson and
    E. Flachaire, J. Econometrics 146, 162 (2008)]
    """
    signs = np.random.default_rng(0).choice((-1.0, 1.0), (DRAWS, sums.size))
    drawn, found = signs @ sums, sums.sum()
    tolerance = 1e-9 * np.abs(sums).sum()
    above, equal = np.mean(drawn > found + tolerance), np.mean(np.abs(drawn - found) <= tolerance)
    return float(norm.isf(np.clip(above + 0.5 * equal, 1 / DRAWS, 1 - 1 / DRAWS)))


def odds_of(significance: float) -> float:
    """Odds of the other material against the best, by simulation."""
    return float(np.exp(-SLOPE * significance))


def _verdict(best: Fit, probability: float, contests: Sequence[Contest], evidence: Evidence) -> tuple[str, list[str]]:
    """And why there is none, in sentences."""
    if not evidence.explained:
        return NONE_OF_THESE if evidence.refuted else UNDECIDED, [evidence.reason()]
    mixed = [one for one in contests if Share(one.share, one.share_error).mixed]
    if mixed:
        said = " and ".join(f"{one.share:.0%} +- {one.share_error:.0%} of {one.material}" for one in mixed)
        return NONE_OF_THESE, [f"The map looks like a mixture: besides {best.material} it shows {said}."]
    free = [one for one in best.parameters if not one.fixed]
    if free and not any(one.determined for one in free):
        return UNDECIDED, [
            f"The map determines no parameter of {best.material}: anything weak and broad would do as well."
        ]
    if beyond := [one.name for one in free if one.determined and one.at_bound]:
        return UNDECIDED, [
            f"The nearest is {best.material} with {', '.join(beyond)} beyond all that was looked for, "
            "which is no answer."
        ]
    if probability < DECIDED:
        rival = min(contests, key=lambda one: one.significance)
        return UNDECIDED, [f"This map cannot tell {best.material} from {rival.material}."]
    return best.material, []


def _parts(calculation: Calculation, against: np.ndarray) -> list[Part]:
    """Log-likelihood of the best less that of each other, by slices, or by bands of energy."""
    m, known = calculation.map, calculation.known
    if m.kind == "slices":
        which, windows = np.nonzero(known)[0], np.stack([m.slices.ei, m.slices.energy_min, m.slices.energy_max], axis=1)
    else:
        edges = m.axes[1].edges
        bands = np.array_split(np.arange(edges.size - 1), min(BANDS, edges.size - 1))
        which = np.searchsorted([band[-1] for band in bands], np.nonzero(known)[1])
        windows = np.array([(np.nan if m.ei is None else m.ei, edges[band[0]], edges[band[-1] + 1]) for band in bands])
    return [
        Part(
            *(float(x) for x in windows[one]),
            int(np.sum(which == one)),
            tuple(float(x) for x in against[:, which == one].sum(axis=1)),
        )
        for one in np.unique(which)
    ]
