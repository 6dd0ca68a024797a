"""Train and test a regressor of exchange constants."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mantid_insdl.maps import Slices
from mantid_insdl.materials import load_material
from mantid_insdl.networks import architectures
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.prediction import combine_gaussians, predict
from mantid_insdl.networks.preprocessing import incident_energy_groups
from mantid_insdl.networks.trained_range import Familiarity, TrainedRange
from mantid_insdl.progress import Progress
from mantid_insdl.simulation.slices import SliceSimulator
from mantid_insdl.training import baselines, metrics
from mantid_insdl.training.datasets import SimulatedMaps
from mantid_insdl.training.fitting import fit, gaussian_loss
from mantid_insdl.training.measurement import Measurer
from mantid_insdl.training.outcome import (
    CALIBRATION,
    FEATURE_MAPS,
    FEATURES,
    SIMULATED,
    TEST,
    Outcome,
    sizes,
    some,
    template_maps,
    test_figure,
)
from mantid_insdl.training.recipes import FixedSlices, Recipe

WINDOW_TEMPLATES, WINDOW_MAPS = 1000, 100  # simulated for every map anew: a thousand a second


def train_regressor(recipe: Recipe, data: SimulatedMaps, measurer: Measurer, kept: Path, report: Progress) -> Outcome:
    keras = import_keras()
    (material,) = recipe.materials
    parameters = load_material(material).parameters
    _, slices, *shape = data.intensity.shape
    train, validation, calibration, test = (data.indices(s, material) for s in ("train", "validation", "calibration", "test"))
    values = data.parameters[:, : len(parameters)]
    mean, spread = values[train].mean(axis=0), values[train].std(axis=0)
    fixed = isinstance(recipe.dataset.slices, FixedSlices)
    members = []
    for member in range(recipe.fit.members):
        seed = recipe.fit.seed + member
        keras.utils.set_random_seed(seed)
        if fixed:
            model = architectures.stack_regressor(slices, tuple(shape), len(parameters))
        else:
            model = architectures.window_regressor(tuple(shape), len(parameters), slices)

        def step(fraction: float, text: str, member: int = member) -> None:
            report((member + fraction) / recipe.fit.members, f"network {member + 1}: {text}")

        def target(_: MeasuredMaps, indices: np.ndarray) -> np.ndarray:
            return ((values[indices] - mean) / spread).astype(np.float32)

        keep = kept / f"member-{member + 1}.weights.h5"
        fit(model, gaussian_loss(keras), measurer, target, train, validation, recipe.fit, seed=seed, keep=keep, progress=step)
        members.append(model)
    measurer.forget()

    both = [architectures.with_embedding(model) for model in members]

    def answer(maps: MeasuredMaps) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        results = [predict(model, maps) for model in both]
        centre, sigma = combine_gaussians(np.stack([r[0] for r in results]))
        return mean + spread * centre, spread * sigma, [r[1] for r in results]

    *_, features = answer(measurer.measure(some(train, FEATURE_MAPS), FEATURES))
    trained = TrainedRange([Familiarity.of(f, np.zeros(len(f), int)) for f in features])

    maps = measurer.measure(calibration, CALIBRATION)
    centre, sigma, features = answer(maps)
    # One factor a parameter makes 68.27 % of the calibration values lie within one error bar.
    factor = np.quantile(np.abs(centre - values[calibration]) / sigma, 0.6827, axis=0)
    trained.calibrate(maps.stack, features)

    maps, truth = measurer.measure(test, TEST), values[test]
    centre, sigma, features = answer(maps)
    sigma = sigma * factor
    baseline_name, baseline = _regression_baseline(data, measurer, train, maps, values, fixed)
    tests = []
    for i, parameter in enumerate(parameters):
        error = np.abs(centre[:, i] - truth[:, i])
        other = np.abs(baseline[:, i] - truth[: len(baseline), i])
        tests.append(
            test_figure(
                recipe,
                f"{parameter.name}: rms error ({parameter.unit})",
                float(np.sqrt(np.mean(error**2))),
                test.size,
                f"{SIMULATED}; values spread by {spread[i]:.3g} {parameter.unit}; baseline: {baseline_name}",
                interval=metrics.bootstrap(error, lambda e: float(np.sqrt(np.mean(e**2)))),
                baseline=float(np.sqrt(np.mean(other**2))),
                baseline_interval=metrics.bootstrap(other, lambda e: float(np.sqrt(np.mean(e**2)))),
            )
        )
        for width, wanted in ((1, "0.683"), (2, "0.954")):
            value, interval = metrics.proportion((error < width * sigma[:, i]).sum(), test.size)
            metric = f"{parameter.name}: fraction within {width} error bar{'s' * (width > 1)} ({wanted} expected)"
            tests.append(test_figure(recipe, metric, value, test.size, SIMULATED, interval=interval))
    value, interval = metrics.proportion(trained.outside(maps.stack, features).sum(), test.size)
    tests.append(test_figure(recipe, "fraction called out of range", value, test.size, SIMULATED, interval=interval))
    return Outcome(
        models={f"member-{i + 1}.keras": model for i, model in enumerate(members)},
        arrays={
            "mean": mean,
            "spread": spread,
            "sigma_factor": factor,
            **trained.arrays,
        },
        calibration={**trained.calibration, **_window_ranges(recipe)},
        tests=tests,
        outputs=[
            {"name": p.name, "unit": p.unit, "low": float(values[train, i].min()), "high": float(values[train, i].max())}
            for i, p in enumerate(parameters)
        ],
        used=sizes(train=train, validation=validation, calibration=calibration, test=test),
    )


def _window_ranges(recipe: Recipe) -> dict[str, tuple[float, float]]:
    windows = recipe.dataset.slices
    if isinstance(windows, FixedSlices):
        return {}
    return {"ei_range": windows.ei, "energy_range": (windows.lower_cut[0], windows.upper_cut[1])}


def _regression_baseline(
    data: SimulatedMaps, measurer: Measurer, train: np.ndarray, maps: MeasuredMaps, values: np.ndarray, fixed: bool
) -> tuple[str, np.ndarray]:
    """Parameters of the templates that fit best: of the training maps, or, where every map has other windows, simulated on its own."""
    if fixed:
        groups = incident_energy_groups(data.slices(0))
        misfit = baselines.template_misfit(maps, template_maps(data, train, groups), groups)
        return "mean of the 5 training maps that fit best", baselines.nearest_parameters(misfit, values[train])
    sets = values[train[:WINDOW_TEMPLATES]]
    names = [p.name for p in load_material(data.materials[0]).parameters]
    result = []
    for row in range(min(WINDOW_MAPS, maps.stack.shape[0])):
        used = maps.used[row, :, 0] > 0
        low, high, log_ei = maps.windows[row, used].T
        slices = Slices(10.0**log_ei, 10 * low, 10 * high)
        simulator = SliceSimulator(data.materials[0], slices, measurer.qh, measurer.qk)
        templates, _ = simulator.intensity(dict(zip(names, sets.T, strict=True)))
        one = MeasuredMaps(maps.stack[row : row + 1, used], *(np.empty(0),) * 4)
        misfit = baselines.template_misfit(one, templates, incident_energy_groups(slices))
        result.append(baselines.nearest_parameters(misfit, sets)[0])
    return f"mean of the 5 that fit best of {len(sets)} sets simulated on the map's own slices, for the first {len(result)} maps", np.array(
        result
    )
