"""What a denoiser is worth beside classical filters, and what it does to the constants that are fitted afterwards.

    python benchmarks/denoising.py BUNDLE [--data FOLDER] [--maps N] [--fits N] [--write] [--json FILE]

On N maps of the bundle's test set, of the slices that most maps have (its recipe's data set is simulated into FOLDER if it is not there),
measured at a tenth of the counts of the measured maps of PCSMO, at as many, and at ten times as many: peak signal-to-noise ratio and
structural similarity over the known pixels of the mixture of network and best linear estimate that DenoiseINS gives, of its network alone,
and of

- Gaussian smoothing over the known pixels, within the slices, and over the energies of an Ei as well
- non-local means, total variation and (with PyWavelets) wavelets of scikit-image, slice by slice
- principal components of maps simulated with constants from the prior on the same slices, fitted to the known pixels

Each filter has the setting that is best for 30 validation maps at that count. A filter cannot know what of a map is background; so that
this does not decide, every estimate, the denoiser's too, is compared after its best constant for each slice (and without, in brackets).

Then on the first of the maps (--fits) all constants are fitted to the noisy map and to the denoised one, from the truth. Printed is how far
denoising moves them, in error bars of the fit of the noisy map; and what the calculation of that fit, with the right model, is worth as a
denoised map.

--write puts the figures on the bundle's card.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from mantid_insdl.fitting.refine import fit as fit_map
from mantid_insdl.maps import Map
from mantid_insdl.networks.bundle_writing import rewrite_card
from mantid_insdl.networks.bundles import Bundle, load_bundle
from mantid_insdl.networks.cards import CardTest
from mantid_insdl.networks.denoiser import denoised
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.preprocessing import noise_level
from mantid_insdl.simulation.ensembles import Ensemble
from mantid_insdl.training import baselines, metrics
from mantid_insdl.training.datasets import SimulatedMaps, load_or_generate
from mantid_insdl.training.denoising import Joint, drawn_ensemble, simulated_at
from mantid_insdl.training.layouts import axes
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.recipes import Recipe

COUNTED = 2.5
"""Neutrons a known pixel in the measured maps of PCSMO: mean intensity over that of one neutron (benchmarks/fit.py) at 25, 50, 100 meV."""
LEVELS = (0.1, 1.0, 10.0)
CHOICE = 30  # validation maps that choose the settings of the filters
COMPONENTS, SIMULATED = 64, 750  # of parameter sets, each measured twice
BATCH = 20

Filter = Callable[[MeasuredMaps], np.ndarray]


def filled(stack: np.ndarray) -> np.ndarray:
    """The intensity with its gaps filled by their surroundings, for filters that know no mask."""
    near = baselines.smooth(stack, 2.0)
    return np.where(stack[..., 1] > 0, stack[..., 0], near)


def over_energy(maps: MeasuredMaps, pixels: float, bins: float) -> np.ndarray:
    """Gaussian smoothing within the slices and over the slices of an Ei."""
    from scipy.ndimage import gaussian_filter

    result = np.zeros(maps.stack.shape[:-1], np.float32)
    for row in range(len(result)):
        ei = np.where(maps.used[row, :, 0] > 0, maps.windows[row, :, 2], np.nan)
        for one in np.unique(ei[np.isfinite(ei)]):
            group = np.flatnonzero(ei == one)
            widths = (bins, pixels, pixels)
            known = maps.stack[row, group, ..., 1]
            weight = gaussian_filter(known, widths, mode="nearest")
            total = gaussian_filter(maps.stack[row, group, ..., 0] * known, widths, mode="nearest")
            result[row, group] = total / np.maximum(weight, 1e-3)
    return result


def slice_by_slice(one: Callable[[np.ndarray, float], np.ndarray]) -> Filter:
    """A filter of pictures as one of stacks; it is given each slice and its noise."""

    def whole(maps: MeasuredMaps) -> np.ndarray:
        intensity, noise = filled(maps.stack), noise_level(maps.stack)
        for row in range(intensity.shape[0]):
            for place in np.flatnonzero(maps.used[row, :, 0] > 0):
                intensity[row, place] = one(intensity[row, place], float(noise[row, place]))
        return intensity

    return whole


def classical() -> dict[str, list[Filter]]:
    """Filters by name, each with the settings it may have."""
    from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, denoise_wavelet

    def means(strength: float) -> Filter:
        options = {"patch_size": 5, "patch_distance": 9, "fast_mode": True}
        return slice_by_slice(lambda x, s: denoise_nl_means(x, h=strength * s + 1e-6, sigma=s, **options))

    def variation(strength: float) -> Filter:
        return slice_by_slice(lambda x, s: denoise_tv_chambolle(x, weight=strength * s + 1e-6))

    def wavelet(strength: float) -> Filter:
        return slice_by_slice(lambda x, s: denoise_wavelet(x, sigma=strength * s + 1e-6, method="BayesShrink", rescale_sigma=False))

    filters = {
        "Gaussian": [lambda m, w=w: baselines.smooth(m.stack, w) for w in (0.5, 0.7, 1.0, 1.4, 2.0, 3.0)],
        "Gaussian over energies": [lambda m, w=w, b=b: over_energy(m, w, b) for w in (0.5, 0.7, 1.0, 1.4, 2.0) for b in (0.4, 0.8)],
        "non-local means": [means(strength) for strength in (0.4, 0.7, 1.0)],
        "total variation": [variation(strength) for strength in (0.3, 0.6, 1.0, 1.6)],
    }
    if find_spec("pywt"):
        filters["wavelets"] = [wavelet(strength) for strength in (0.7, 1.0, 1.5)]
    return filters


class PrincipalComponents:
    """Noise-free maps as a mean and a few principal components, fitted to the known pixels of a measurement by ridge regression."""

    def __init__(self, noise_free: np.ndarray):
        centred = np.nan_to_num(noise_free.astype(np.float32)).reshape(len(noise_free), -1)
        self.mean = centred.mean(0)
        centred -= self.mean
        values, vectors = np.linalg.eigh(centred @ centred.T)  # maps x maps: far smaller than pixels x pixels
        values, vectors = np.maximum(values[::-1][:COMPONENTS], 1e-12), vectors[:, ::-1][:, :COMPONENTS]
        self.basis = (vectors.T @ centred) / np.sqrt(values)[:, None]
        self.variance = values / len(noise_free)

    def __call__(self, maps: MeasuredMaps) -> np.ndarray:
        result = np.empty((len(maps.stack), self.mean.size), np.float32)
        for row, one in enumerate(maps.stack):
            y, known = one[..., 0].ravel(), one[..., 1].ravel() > 0
            basis = self.basis[:, known]
            normal = basis @ basis.T + np.diag(1 / self.variance)
            result[row] = self.mean + np.linalg.solve(normal, basis @ (y[known] - self.mean[known])) @ self.basis
        return np.maximum(result, 0).reshape(maps.stack.shape[:-1])


def without_constant(maps: MeasuredMaps, estimate: np.ndarray) -> np.ndarray:
    """The estimate after its best constant for each slice."""
    known = known_pixels(maps)
    difference = np.where(known, np.nan_to_num(maps.signal) - estimate, 0).sum((2, 3)) / np.maximum(known.sum((2, 3)), 1)
    return estimate + difference[..., None, None]


def known_pixels(maps: MeasuredMaps) -> np.ndarray:
    return (maps.stack[..., 1] > 0) & np.isfinite(maps.signal)


def peak_signal_to_noise(maps: MeasuredMaps, estimate: np.ndarray) -> np.ndarray:
    """In dB over the known pixels of each map, (n,); the peak is the largest true intensity."""
    known = known_pixels(maps)
    truth = np.where(known, maps.signal, 0)
    mean_square = (np.where(known, estimate - truth, 0) ** 2).sum((1, 2, 3)) / known.sum((1, 2, 3))
    return 10 * np.log10(truth.max((1, 2, 3)) ** 2 / mean_square)


def similarity(maps: MeasuredMaps, estimate: np.ndarray) -> np.ndarray:
    """Structural similarity of each map (Wang et al. 2004), mean over its known pixels, (n,)."""
    from skimage.metrics import structural_similarity

    known = known_pixels(maps)
    truth, found = (np.where(known, x, 0).astype(float) for x in (maps.signal, estimate))
    result = []
    for row in range(len(truth)):
        values = []
        for place in np.flatnonzero(known[row].any((1, 2))):
            one, other, of = truth[row, place], found[row, place], known[row, place]
            if one.max() > 0:
                _, each = structural_similarity(one, other, data_range=truth[row].max(), full=True)
                values.append(each[of].mean())
        result.append(np.mean(values))
    return np.array(result)


def best_setting(filters: list[Filter], maps: MeasuredMaps) -> Filter:
    """Of one kind of filter, the setting with the highest median ratio."""
    return max(filters, key=lambda f: np.median(peak_signal_to_noise(maps, without_constant(maps, f(maps)))))


def usual(data: SimulatedMaps, split: str) -> np.ndarray:
    """Indices of maps with the slices that most maps have: principal components need the same slices for all."""
    indices = data.indices(split)
    _, which, number = np.unique(np.nan_to_num(data.windows[indices]), axis=0, return_inverse=True, return_counts=True)
    return indices[which.ravel() == number.argmax()]


def evenly(indices: np.ndarray, number: int) -> np.ndarray:
    """So many of the indices, evenly spread, so that all materials are among them."""
    return indices[np.linspace(0, indices.size - 1, min(number, indices.size)).round().astype(int)]


def table(bundle: Bundle, recipe: Recipe, data: SimulatedMaps, number: int) -> list[dict]:
    (model,) = bundle.models
    chosen = evenly(usual(data, "test"), number)
    many = drawn_ensemble(recipe.model_copy(update={"ensemble": SIMULATED}))
    components = PrincipalComponents(simulated_at(many, data, int(chosen[0]), *axes(recipe.dataset.grid)))
    ensemble = Ensemble.from_arrays(bundle.card.materials, bundle.arrays)
    rows = []
    for level in LEVELS:
        measurer = Measurer(data, recipe.dataset, at_counts(recipe, level).measurement, keep_signal=True)
        validation = measurer.measure(evenly(usual(data, "validation"), CHOICE), (1003,), kind="")
        joint = Joint(ensemble, recipe.family, data, measurer, model, bundle.card.calibration)
        methods: dict[str, Filter] = {
            "its network alone": lambda m: denoised(model, m)[0],
            "no denoising": lambda m: m.stack[..., 0],
        }
        methods |= {name: best_setting(filters, validation) for name, filters in classical().items()}
        methods |= {"principal components": components}
        figures: dict[str, list[np.ndarray]] = {name: [] for name in ("denoiser", *methods)}
        for part in np.array_split(chosen, max(1, chosen.size // BATCH)):
            maps = measurer.measure(part, (1002,), kind="")
            whole = np.stack([joint.answer(maps.one(row), int(index)).intensity for row, index in enumerate(part)])
            for name, estimate in {"denoiser": whole, **{name: method(maps) for name, method in methods.items()}}.items():
                level_one = without_constant(maps, estimate)
                figures[name].append(
                    np.stack([peak_signal_to_noise(maps, level_one), peak_signal_to_noise(maps, estimate), similarity(maps, estimate)])
                )
        for name, parts in figures.items():
            ratio, as_it_is, alike = np.concatenate(parts, axis=1)
            gain = np.concatenate(figures["denoiser"], axis=1)[0] - ratio
            rows.append(
                {
                    "counts": level,
                    "method": name,
                    "psnr": float(np.median(ratio)),
                    "psnr_interval": metrics.bootstrap(ratio, lambda v: float(np.median(v))),
                    "psnr_as_it_is": float(np.median(as_it_is)),
                    "ssim": float(np.median(alike)),
                    "gain": float(np.median(gain)),
                    "gain_interval": metrics.bootstrap(gain, lambda v: float(np.median(v))),
                    "maps": int(ratio.size),
                }
            )
            r = rows[-1]
            print(
                f"{level:5g} x counts  {name:24s} {r['psnr']:6.2f} dB ({r['psnr_as_it_is']:6.2f})  SSIM {r['ssim']:.3f}  "
                f"denoiser gains {r['gain']:+.2f} dB ({r['gain_interval'][0]:+.2f} to {r['gain_interval'][1]:+.2f})",
                flush=True,
            )
    return rows


def at_counts(recipe: Recipe, level: float) -> Recipe:
    """The recipe with one exposure for all maps."""
    settings = recipe.measurement.model_copy(update={"counts_per_pixel": (level * COUNTED, level * COUNTED)})
    return recipe.model_copy(update={"measurement": settings})


def shifts(bundle: Bundle, recipe: Recipe, data: SimulatedMaps, number: int) -> list[dict]:
    """By how many error bars denoising moves each fitted constant."""
    chosen = evenly(usual(data, "test"), number)
    (model,), ensemble = bundle.models, Ensemble.from_arrays(bundle.card.materials, bundle.arrays)
    rows = []
    for level in LEVELS:
        measurer = Measurer(data, recipe.dataset, at_counts(recipe, level).measurement, keep_signal=True)
        joint = Joint(ensemble, recipe.family, data, measurer, model, bundle.card.calibration)
        moved, off, ratios = [], [], []
        for index in chosen:
            maps = measurer.measure(np.array([index]), (1002,), kind="")
            places = np.flatnonzero(maps.stack[0, ..., 1].any((1, 2)))
            slices = data.slices(int(index))[places]
            material = data.materials[data.material[index]]
            known = maps.stack[0, places, ..., 1] > 0
            answer = joint.answer(maps, int(index))
            estimate, error = answer.intensity[places], answer.error[places]
            noisy = Map(
                np.where(known, maps.stack[0, places, ..., 0], np.nan), (measurer.qh, measurer.qk), slices=slices, material=material
            )
            clean = noisy.replace(intensity=np.where(known, estimate, np.nan), error=np.where(known, error, np.nan))
            names = [p.name for p in noisy_parameters(material)]
            truth = dict(zip(names, data.parameters[index], strict=False))
            found = [fit_map(one, material, start=truth) for one in (noisy, clean)]
            fits = [{p.name: p for p in one.parameters} for one in found]
            of_fit = np.zeros(maps.stack.shape[:-1])
            of_fit[0, places] = np.nan_to_num(found[0].model.intensity)
            ratios.append([peak_signal_to_noise(maps, without_constant(maps, one)).item() for one in (answer.intensity[None], of_fit)])
            for name in names:
                if fits[0][name].error > 0:
                    moved.append((fits[1][name].value - fits[0][name].value) / fits[0][name].error)
                    off.append((fits[0][name].value - truth[name]) / fits[0][name].error)
        size = np.abs(moved)
        rows.append(
            {
                "counts": level,
                "constants": len(moved),
                "median_shift": float(np.median(size)),
                "below_a_third": float(np.mean(size < 1 / 3)),
                "largest": float(size.max()),
                "noisy_off_truth": float(np.median(np.abs(off))),
                "psnr_denoiser": float(np.median([one for one, _ in ratios])),
                "psnr_fit": float(np.median([one for _, one in ratios])),
            }
        )
        print(
            f"{level:5g} x counts  {len(moved)} constants of {number} maps: denoising moves them by a median of {np.median(size):.2f} "
            f"error bars, {np.mean(size < 1 / 3):.0%} by less than a third, at most {size.max():.1f}; "
            f"denoiser {rows[-1]['psnr_denoiser']:.2f} dB, calculation of the fit to the noisy map {rows[-1]['psnr_fit']:.2f} dB",
            flush=True,
        )
    return rows


def noisy_parameters(material: str) -> tuple:
    from mantid_insdl.training.sampling import magnet

    return magnet(material).parameters


def card_tests(rows: list[dict], moved: list[dict]) -> list[CardTest]:
    command = "python benchmarks/denoising.py BUNDLE --write"
    tests = [
        CardTest(
            metric="median peak signal-to-noise ratio (dB)",
            value=next(r["psnr"] for r in rows if r["method"] == "denoiser" and r["counts"] == row["counts"]),
            n=row["maps"],
            interval=next(r["psnr_interval"] for r in rows if r["method"] == "denoiser" and r["counts"] == row["counts"]),
            baseline=row["psnr"],
            baseline_interval=row["psnr_interval"],
            conditions=f"{row['counts']:g} times the counts of the measured maps; baseline: {row['method']}",
            command=command,
        )
        for row in rows
        if row["method"] != "denoiser"
    ]
    return tests + [
        CardTest(
            metric="fraction of fitted constants that denoising moves by less than a third of an error bar",
            value=row["below_a_third"],
            n=row["constants"],
            conditions=f"{row['counts']:g} times the counts of the measured maps; median shift {row['median_shift']:.2f} error bars",
            command=command,
        )
        for row in moved
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--data", type=Path, default=Path("training-data"))
    parser.add_argument("--maps", type=int, default=200)
    parser.add_argument("--fits", type=int, default=10)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    recipe = Recipe.model_validate_json(bundle.card.training.recipe)
    data = load_or_generate(recipe.dataset, options.data, parts=["validation", "test"])
    rows = table(bundle, recipe, data, options.maps) if options.maps else []
    moved = shifts(bundle, recipe, data, options.fits) if options.fits else []
    if options.json:
        options.json.write_text(json.dumps({"filters": rows, "shifts": moved}, indent=2) + "\n")
    if options.write:
        command = "python benchmarks/denoising.py BUNDLE --write"
        kept = tuple(t for t in bundle.card.test if t.command != command)
        rewrite_card(bundle.path, test=[*kept, *card_tests(rows, moved)])


if __name__ == "__main__":
    main()
