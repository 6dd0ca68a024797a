"""What the shipped PCSMO networks, trained on values at the centres of pixels, answer for pixels that are averages.

    python benchmarks/networks.py [--maps N] [--seed SEED]

N simulated measurements (40 by default) at all six incident energies, half of each model, from the prior and with the twins, noise, gaps
and background of the classifier's recipe, are given to `classify` and, with the network of the true model, to `fit_exchange`: each once
with values at the centres of pixels, as version 0.1.0 took them, and once averaged over pixels. Printed are how many verdicts are right,
wrong and undecided, for how many maps constants are given (in range), how often one of those is within one and two of its bars (0.683 and
0.954 are right), and for each constant the factor that its bars should have had for 68.27 % of the values to be within one. Five minutes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from contextlib import nullcontext

import numpy as np
from pixels import point_samples

from mantid_insdl import classify, fit_exchange
from mantid_insdl.fitting.results import UNDECIDED
from mantid_insdl.maps import Map
from mantid_insdl.materials import load_material
from mantid_insdl.simulation.slices import SliceSimulator
from mantid_insdl.training.datasets import axes, fixed_slices
from mantid_insdl.training.measurement import measure, mix_twins
from mantid_insdl.training.recipes import load_recipe
from mantid_insdl.training.sampling import PRIORS

PIXELS = ("centres", "averages")


def measurements(model: str, number: int, seed: int) -> list[tuple[dict[str, float], dict[str, Map]]]:
    """Of each of `number` draws that are stable the constants, and the measurement with either kind of pixels."""
    recipe = load_recipe("pcsmo-classifier")
    spec, settings = recipe.dataset, recipe.measurement.model_copy(update={"missing_ei": 0.0})
    slices, (qh, qk), material = fixed_slices(spec.slices), axes(spec.grid), load_material(model)
    simulators = {}
    for pixels in PIXELS:
        with point_samples() if pixels == "centres" else nullcontext():
            simulators[pixels] = SliceSimulator(model, slices, qh, qk, twins=False)
    rng = np.random.default_rng(seed)
    found: list[tuple[dict[str, float], dict[str, Map]]] = []
    while len(found) < number:
        values = {name: float(value[0]) for name, value in PRIORS[spec.prior](model, 1, rng).items()}
        width, blur = rng.uniform(*spec.energy_width_scale), rng.uniform(*spec.q_sigma_pixels)
        fraction, noise = rng.uniform(*settings.twin_fraction), int(rng.integers(2**32))
        maps = {}
        for pixels, simulator in simulators.items():
            expected, stable = simulator.intensity(values, energy_width_scale=width, q_sigma_pixels=blur)
            if not stable[0]:
                break
            seen = mix_twins(expected[0], fraction)
            reciprocal = material.in_plane_reciprocal
            intensity, _ = measure(seen, slices, qh, qk, reciprocal, settings, np.random.default_rng(noise))
            maps[pixels] = Map(intensity=intensity, axes=(qh, qk), slices=slices, material=material.family, frame=material.frame)
        else:
            found.append((values, maps))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--maps", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    models = load_recipe("pcsmo-classifier").materials
    verdicts = {pixels: Counter() for pixels in PIXELS}
    ratios: dict[tuple[str, str], dict[str, list[float]]] = {}
    for model in models:
        for values, maps in measurements(model, arguments.maps // len(models), arguments.seed):
            for pixels, m in maps.items():
                verdict = classify(m).verdict
                verdicts[pixels]["undecided" if verdict == UNDECIDED else "right" if verdict == model else "wrong"] += 1
                fit = fit_exchange(m, f"{model}-exchange")
                if not fit.in_range:
                    continue
                verdicts[pixels]["given"] += 1
                of = ratios.setdefault((model, pixels), {name: [] for name in fit.names})
                for name, value, error in zip(fit.names, fit.values, fit.errors, strict=True):
                    of[name].append(abs(value - values[name]) / error)
    print(f"{'pixels':10}{'right':>10}{'wrong':>10}{'undecided':>10}{'given':>10}{'within 1':>10}{'within 2':>10}")
    for pixels in PIXELS:
        every = np.concatenate([np.concatenate(list(of.values())) for (_, which), of in ratios.items() if which == pixels])
        counts = "".join(f"{verdicts[pixels][kind]:10}" for kind in ("right", "wrong", "undecided", "given"))
        print(f"{pixels:10}{counts}{np.mean(every < 1):10.2f}{np.mean(every < 2):10.2f}")
    print("\nwithin two bars; factor that the bars should have had")
    for (model, pixels), of in ratios.items():
        shown = "".join(f"{name:>7} {np.mean(np.array(r) < 2):.2f} {np.quantile(r, 0.6827):.2f}" for name, r in of.items())
        print(f"{model:18}{pixels:10}{shown}")


if __name__ == "__main__":
    main()
