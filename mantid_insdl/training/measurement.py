"""Make a simulated map look measured: twins, background, counting noise, gaps, hot pixels, missing incident energies."""

from __future__ import annotations

import numpy as np

from mantid_insdl.instrument.gaps import DetectorLayout
from mantid_insdl.instrument.temperature import bose
from mantid_insdl.maps import Axis, Slices
from mantid_insdl.materials import load_material
from mantid_insdl.networks.background import backgrounds_left
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.preprocessing import incident_energy_groups, normalise, window_features
from mantid_insdl.simulation.ensembles import mix_twins, slice_efficiencies
from mantid_insdl.training import foreign
from mantid_insdl.training.backgrounds import BACKGROUNDS, Background, Scene, mean_level
from mantid_insdl.training.datasets import SimulatedMaps
from mantid_insdl.training.layouts import axes
from mantid_insdl.training.negatives import KINDS, MAGNET, NONE, Source, turn, warped
from mantid_insdl.training.recipes import Dataset, Measurement

_ALWAYS = ("flat", "rising")
_NORMAL = 10.0  # neutrons from which on a Poisson distribution is drawn as a rounded normal one, which is faster


def counted(level: np.ndarray, neutron: float | np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Counting statistics of an expected intensity, of which `neutron` is that of one neutron; NaN stays."""
    expected = np.maximum(np.nan_to_num(level / neutron), 0)
    few = expected < _NORMAL
    drawn, many = np.empty(expected.shape, np.float32), expected[~few]
    drawn[few] = rng.poisson(expected[few])
    drawn[~few] = np.rint(many + np.sqrt(many) * rng.standard_normal(many.shape, np.float32))
    return np.where(np.isfinite(level), drawn * neutron, np.nan)


def exposure(scene: Scene, gaps: np.ndarray, uneven: float, rng: np.random.Generator) -> np.ndarray:
    """How long each pixel was measured, about one, (slice, qh, qk): smooth across the map, uneven from pixel to pixel, less beside gaps.

    Pixels gather what several detectors saw in several runs, each with a share of its own; so the intensity of one neutron differs.

    Parameters
    ----------
    uneven
        Largest standard deviation of its logarithm.
    """
    wave, turned = rng.uniform(0.2, 1, 2), rng.uniform(0, 2 * np.pi, 2)
    smooth = np.cos(2 * np.pi * wave[0] * scene.h + turned[0]) * np.cos(2 * np.pi * wave[1] * scene.k + turned[1])
    logarithm = rng.uniform(0, uneven) * rng.standard_normal(gaps.shape, np.float32) + rng.uniform(0, uneven) * smooth
    beside = np.zeros_like(gaps)
    for axis in (1, 2):
        beside |= np.roll(gaps, 1, axis) | np.roll(gaps, -1, axis)
    logarithm[beside] += 2 * uneven * np.log(rng.uniform(0.1, 1))
    return np.exp(logarithm).astype(np.float32)


def measure(
    expected: np.ndarray,
    slices: Slices,
    qh: Axis,
    qk: Axis,
    reciprocal: tuple[float, float],
    settings: Measurement,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """One simulated measurement.

    Parameters
    ----------
    expected : (slice, qh, qk)
        Noise-free intensity, NaN where the kinematics do not reach.
    reciprocal
        Length of the two in-plane reciprocal-lattice vectors, 1/angstrom.

    Returns
    -------
    intensity : (slice, qh, qk)
        NaN where masked. Each incident energy is in units of its own mean expected intensity.
    signal : (slice, qh, qk)
        The magnetic intensity in it before noise, in the same unit, also in the gaps; NaN where nothing was measured.
    """
    measured, true = (np.full(expected.shape, np.nan, np.float32) for _ in range(2))
    scene = Scene(slices, qh, qk, reciprocal)
    groups = incident_energy_groups(slices)
    expected = _misaligned(expected.astype(np.float32), scene, settings, rng)
    if settings.foreign:
        expected = foreign.resolution(expected, groups, rng)
    if rng.random() < settings.warm:
        expected = expected * bose(slices.centres, np.exp(rng.uniform(*np.log(settings.temperature))))[:, None, None].astype(np.float32)
    gaps = np.zeros(expected.shape, bool)
    if rng.random() < settings.gaps:
        gaps = foreign.gaps(scene, rng) if settings.foreign else DetectorLayout.random(rng).gaps(slices, qh, qk, reciprocal)
    # What is the same at all incident energies: how the reduction was done, and what the sample's surroundings are made of.
    left = settings.background_left > 0 and rng.random() < settings.background_left
    cut = rng.random() < settings.negatives_cut
    clipped = rng.random() < settings.clipped
    kinds = [kind for name, kind in BACKGROUNDS.items() if name in _ALWAYS or rng.random() < settings.structured_background]
    kinds += [one for one in foreign.BACKGROUNDS.values() if settings.foreign]
    counts = np.exp(rng.uniform(*np.log(settings.counts_per_pixel)))
    exposed = exposure(scene, gaps, settings.uneven, rng) if settings.uneven else np.ones((len(expected), 1, 1), np.float32)
    for group in _measured_groups(groups, settings, rng):
        efficiency = slice_efficiencies(slices[group], settings.slice_scale, rng)
        signal = expected[group] * efficiency[:, None, None].astype(np.float32)
        mean = np.nanmean(signal)
        if mean > 0:
            signal /= mean  # else the windows are above the band, and the background is all there is
        true[group] = signal
        background = _background(Scene(slices[group], qh, qk, reciprocal), kinds, settings, rng)
        spread = np.exp(rng.uniform(-1, 1) * np.log(settings.counts_between_ei))
        level = signal + background
        neutron = float(np.nanmean(level)) / (counts * spread)
        intensity = counted(level, np.float32(neutron) / exposed[group], rng) if neutron > 0 else level
        # What a reduction took for the background: something flat below all of it, or nearly all.
        intensity -= rng.uniform(0, 1) * background.min() if left else background * (1 + rng.normal(0, settings.background_residual))
        if clipped:
            intensity = np.minimum(intensity, np.nanquantile(intensity, 1 - np.exp(rng.uniform(np.log(3e-4), np.log(0.03)))))
        measured[group] = intensity
    hot = rng.random(measured.shape, np.float32) < rng.uniform(0, settings.hot_pixels)
    measured[hot] *= rng.uniform(3, 10)
    if cut:
        measured = np.maximum(measured, 0)
    left_open = rng.random(measured.shape, np.float32) < rng.uniform(0, settings.unmasked_gap_pixels)
    gaps &= np.isfinite(measured)
    measured[gaps] = np.nan
    measured[gaps & left_open] = 0
    return measured, true


def _misaligned(expected: np.ndarray, scene: Scene, settings: Measurement, rng: np.random.Generator) -> np.ndarray:
    if not rng.random() < settings.misaligned:
        return expected
    angle, (stretch, other), shift = rng.normal(0, 1.0), rng.normal(0, 0.01, 2), rng.normal(0, 0.02, 2)
    matrix = turn(angle) * (1 + np.array([[stretch], [other]]))
    return np.where(np.isfinite(expected), warped(np.nan_to_num(expected), scene, matrix, shift), np.nan)


def _measured_groups(groups: list[np.ndarray], settings: Measurement, rng: np.random.Generator) -> list[np.ndarray]:
    kept = np.ones(len(groups), bool)
    if len(groups) > 1 and rng.random() < settings.missing_ei:
        kept[rng.permutation(len(groups))[: rng.integers(1, len(groups))]] = False
    return [group for group, keep in zip(groups, kept, strict=True) if keep]


def _background(scene: Scene, kinds: list[Background], settings: Measurement, rng: np.random.Generator) -> np.ndarray:
    """Its mean is that which the recipe says; the kinds share it at random."""
    total = rng.uniform(*settings.background)
    shares = rng.dirichlet(np.ones(len(kinds)))
    shape = np.zeros((scene.slices.size, scene.qh.size, scene.qk.size), np.float32)
    for kind, share in zip(kinds, shares, strict=True) if total > 0 else ():
        one = kind(scene, rng)
        shape += share * one / mean_level(one)
    return np.float32(total) * shape


class Measurer:
    """Makes measurements of the maps of a data set.

    Parameters
    ----------
    data, spec, settings
        The maps, what they are, and how to measure them.
    keep_signal
        Whether the noise-free signal is wanted; else `MeasuredMaps.signal` is empty.
    """

    def __init__(self, data: SimulatedMaps, spec: Dataset, settings: Measurement, *, keep_signal: bool = False):
        self.data, self.spec, self.settings, self.keep_signal = data, spec, settings, keep_signal
        self.qh, self.qk = axes(spec.grid)
        self.reciprocal = load_material(data.materials[0]).in_plane_reciprocal
        magnets = [MAGNET + name for name in data.materials[len(data.own) :]]
        self.kinds = (*KINDS, *magnets)
        """All kinds of maps that show none of the materials, trained and held out."""
        self.trained_kinds = tuple(kind for kind in self.kinds if kind.removeprefix(MAGNET) not in settings.held_out)

    def measure(self, indices: np.ndarray, seed: tuple[int, ...], *, kind: str | None = None) -> MeasuredMaps:
        """Measure the maps at `indices`; the same `seed` gives the same measurement.

        Parameters
        ----------
        kind
            Make all of them maps of none of the materials, of this kind (see `kinds`); "" for none of them. By default the recipe's
            share, of the kinds that are not held out.
        """
        shape = (indices.size, *self.data.intensity.shape[1:])
        stack, scale = np.zeros((*shape, 2), np.float32), np.ones(shape[:2], np.float32)
        signal = np.full(shape, np.nan, np.float32) if self.keep_signal else np.empty(0)
        windows, used = np.zeros((*shape[:2], 3), np.float32), np.zeros((*shape[:2], 1), np.float32)
        label, kinds = np.empty(indices.size, int), []
        for row, index in enumerate(indices):
            rng = np.random.default_rng((*seed, int(index)))
            made = self._kind(rng) if kind is None else kind
            shown = int(index) if not made.startswith(MAGNET) else self._other(int(index), made.removeprefix(MAGNET), rng)
            slices, places = self.data.slices(shown), self.data.places(shown)
            expected = self.data.intensity[shown][places].astype(np.float32)
            if made in KINDS:
                scene, groups = Scene(slices, self.qh, self.qk, self.reciprocal), incident_energy_groups(slices)
                source = Source(scene, groups, expected, lambda i=shown, r=rng, p=places: self._partner(i, r)[p].astype(np.float32))
                expected = KINDS[made](source, rng)
            value, known, one, truth = self._measure_one(expected, slices, rng)
            there = places[known.any(axis=(1, 2))]  # not those of incident energies that were not measured
            stack[row, places, ..., 0], stack[row, places, ..., 1], scale[row, places] = value, known, one
            if self.keep_signal:
                signal[row, places] = truth
            windows[row, there], used[row, there] = window_features(slices)[known.any(axis=(1, 2))], 1
            label[row] = NONE if made else self.data.material[index]
            kinds.append(made)
        return MeasuredMaps(stack, scale, signal, windows, used, label, np.array(kinds))

    def _kind(self, rng: np.random.Generator) -> str:
        if not rng.random() < self.settings.negatives:
            return ""
        return self.trained_kinds[rng.integers(len(self.trained_kinds))]

    def _other(self, index: int, magnet: str, rng: np.random.Generator) -> int:
        """A map of another magnet, of the same part of the split where there is one."""
        every = np.flatnonzero(self.data.material == self.data.materials.index(magnet))
        same = every[self.data.split[every] == self.data.split[index]]
        return int(rng.choice(same if same.size else every))

    def _partner(self, index: int, rng: np.random.Generator) -> np.ndarray:
        """A map of another one of the materials, on the same slices and of the same part."""
        data = self.data
        alike = (data.scene == data.scene[index]) & (data.material != data.material[index]) & (data.material < len(data.own))
        found = np.flatnonzero(alike & (data.split == data.split[index]))
        return data.intensity[int(rng.choice(found)) if found.size else index]

    def _measure_one(self, expected: np.ndarray, slices: Slices, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        twinned = mix_twins(expected, rng.uniform(*self.settings.twin_fraction))
        measured, signal = measure(twinned, slices, self.qh, self.qk, self.reciprocal, self.settings, rng)
        groups = incident_energy_groups(slices)
        if self.settings.background_left > 0 and self.spec.slices.kind == "fixed":  # as before an answer
            measured -= backgrounds_left(measured, groups)[:, None, None].astype(np.float32)
        stack, scale = normalise(measured[None], groups)
        return stack[0, ..., 0], stack[0, ..., 1] > 0, scale[0], signal / scale[0, :, None, None]
