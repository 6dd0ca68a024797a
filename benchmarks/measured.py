"""The measured map of PCSMO at three incident energies beside calculations: what averages over pixels change.

    python benchmarks/measured.py [--plot FOLDER] [--networks] [--margin N] DATA

DATA is a folder with `measured.npz` (`intensity` (ei, window, qh, qk), `ei`, `energy_edges`, `q`), `detector_gaps.npz` (`gap`, `ei`) and
maybe `resolution.npz`, a table of resolution ellipsoids.
Printed are the correlation of each model with the data for each Ei, at the published constants, and the constants of a plain least-squares
fit; each with values at the centres of pixels, as version 0.1.0 took them, with averages over pixels, and with those times kf/ki. With
--plot, pictures of data, fit and residuals; with --networks, only what the shipped networks answer, in
seconds; with --margin, without the N pixels beside each gap. A few minutes.

The fit: of each pixel outside the gaps the residual is (data - scale * model - background) / sqrt(smooth + 0.3), where `smooth` is the mean
of the data outside the gaps in the 5 x 5 pixels around; scale (not negative) and background are those of least squares for each Ei, the
constants those of the smallest sum of 2 (sqrt(1 + residual^2) - 1), the cost. Deviations are naive: those of independent pixels.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from pixels import point_samples
from scipy.ndimage import binary_dilation, uniform_filter
from scipy.optimize import least_squares

from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.materials import load_material
from mantid_insdl.simulation.slices import SliceSimulator

MODELS = ("pcsmo-goodenough", "pcsmo-dimer")
CALCULATIONS = {"centres": (True, False), "centres, kf/ki": (True, True), "integrated": (False, False), "integrated, kf/ki": (False, True)}
"""Name: values at the centres of pixels in place of averages; times kf/ki."""
FITTED = ("centres", "integrated", "integrated, kf/ki")
FLOOR = 0.3
"""Of the variance, in the unit of the data."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Data (ei, window, qh, qk), which of it was measured, and the axes."""

    intensity: np.ndarray
    known: np.ndarray
    ei: np.ndarray
    slices: Slices
    qh: Axis
    qk: Axis

    @classmethod
    def read(cls, folder: Path, margin: int = 0) -> Measured:
        """Of a folder, less `margin` pixels on all sides of each gap."""
        with np.load(folder / "measured.npz") as data, np.load(folder / "detector_gaps.npz") as gaps:
            gap = gaps["gap"][np.isin(gaps["ei"], data["ei"])]
            known = ~(binary_dilation(gap, np.ones((1, 1, 3, 3)), iterations=margin) if margin else gap)
            slices = Slices.from_bins(data["ei"], data["energy_edges"])
            return cls(data["intensity"], known, data["ei"], slices, Axis("qh", RLU, data["q"]), Axis("qk", RLU, data["q"]))

    def simulator(self, model: str, calculation: str) -> SliceSimulator:
        centres, kf_over_ki = CALCULATIONS[calculation]
        with point_samples() if centres else nullcontext():
            return SliceSimulator(model, self.slices, self.qh, self.qk, kf_over_ki=kf_over_ki)

    def correlations(self, simulator: SliceSimulator, blur: float | None = None) -> list[float]:
        """Of each Ei, at the published constants."""
        found = simulator.intensity({}, q_sigma_pixels=blur, dtype=float)[0].reshape(self.intensity.shape)
        return [float(np.corrcoef(one[k], data[k])[0, 1]) for one, data, k in zip(found, self.intensity, self.known, strict=True)]


class Fit:
    """Least squares of one model and calculation to the data: see the head of this file."""

    def __init__(self, data: Measured, model: str, calculation: str):
        self.data, self.names = data, list(load_material(model).defaults)
        self._simulator = data.simulator(model, calculation)
        reach = self._simulator.reach.reshape(data.intensity.shape)
        self._known = data.known & reach
        around = [uniform_filter(x, (1, 1, 5, 5)) for x in (data.intensity * data.known, data.known.astype(float))]
        self.weight = 1 / np.sqrt(around[0] / np.maximum(around[1], 1 / 25) + FLOOR)
        start = np.array(list(load_material(model).defaults.values()))
        self._steps = 1e-3 * np.maximum(np.abs(start), 0.1)
        self.published = self.cost(start)
        solved = least_squares(self._residuals, start, jac=self._jacobian, loss="soft_l1", x_scale=100 * self._steps, xtol=1e-4, ftol=1e-6)
        self.values, self.best = solved.x, 2 * solved.cost
        # the matrix that is returned is scaled by the loss: that of the squares it has near the minimum
        normal = solved.jac.T @ solved.jac
        self.deviations = np.sqrt(np.diag(np.linalg.inv(normal)) * self.best / (solved.fun.size - len(start)))

    def cost(self, values: np.ndarray) -> float:
        return float(2 * np.sum(np.sqrt(1 + self._residuals(values) ** 2) - 1))

    def fitted(self, sets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scaled models with their backgrounds, (set, ei, window, qh, qk), and which sets are stable."""
        found, stable = self._simulator.intensity(dict(zip(self.names, sets.T, strict=True)), dtype=float)
        found = found.reshape(-1, *self.data.intensity.shape)
        for one in np.flatnonzero(stable):
            for index, (data, known, weight) in enumerate(zip(self.data.intensity, self._known, self.weight, strict=True)):
                model = found[one, index]
                design = np.stack([model[known], np.ones(known.sum())], -1) * weight[known, None]
                scale, background = np.linalg.lstsq(design, data[known] * weight[known], rcond=None)[0]
                if scale < 0:
                    scale, background = 0.0, np.average(data[known], weights=weight[known] ** 2)
                found[one, index] = scale * model + background
        return found, stable

    def _residuals(self, values: np.ndarray) -> np.ndarray:
        return self._batch(values[None])[0]

    def _batch(self, sets: np.ndarray) -> np.ndarray:
        found, stable = self.fitted(sets)
        out = ((found - self.data.intensity) * self.weight)[:, self._known]
        out[~stable] = 100.0  # no minimum: the step is taken back
        return out

    def _jacobian(self, values: np.ndarray) -> np.ndarray:
        stepped = self._batch(np.concatenate([values + np.diag(self._steps), values - np.diag(self._steps)]))
        up, down = np.split(stepped, 2)
        return ((up - down) / (2 * self._steps[:, None])).T

    def plot(self, folder: Path, name: str) -> None:
        """Of each Ei a picture: data, fit and residual over its standard deviation, a column a window; masked pixels are grey."""
        from matplotlib import colormaps
        from matplotlib.figure import Figure

        found = self.fitted(self.values[None])[0][0]
        edges = (self.data.qk.edges[0], self.data.qk.edges[-1], self.data.qh.edges[0], self.data.qh.edges[-1])
        for index, ei in enumerate(self.data.ei):
            known, data, fit = self._known[index], self.data.intensity[index], found[index]
            top = np.percentile(data[known], 99)
            rows = {"data": (data, "viridis", 0, top), "fit": (fit, "viridis", 0, top)}
            rows["residual / error"] = ((data - fit) * self.weight[index], "RdBu_r", -4, 4)
            figure = Figure(figsize=(19, 6.4), layout="constrained")
            grid = figure.subplots(3, len(data), sharex=True, sharey=True)
            windows = self.data.slices[np.flatnonzero(self.data.slices.ei == ei)]
            for panels, (label, (values, colours, low, high)) in zip(grid, rows.items(), strict=True):
                palette = colormaps[colours].with_extremes(bad="0.6")
                for panel, image, seen in zip(panels, values, known, strict=True):
                    masked = np.ma.array(image, mask=~seen)
                    drawn = panel.imshow(masked, origin="lower", extent=edges, cmap=palette, vmin=low, vmax=high, interpolation="nearest")
                panels[0].set_ylabel(f"{label}\n$Q_h$ (r.l.u.)")
                figure.colorbar(drawn, ax=panels)
            for panel, low, high in zip(grid[0], windows.energy_min, windows.energy_max, strict=True):
                panel.set_title(f"{low:g}-{high:g} meV")
            grid[-1][len(data) // 2].set_xlabel("$Q_k$ (r.l.u.)")
            figure.suptitle(f"{name}, Ei = {ei:g} meV; masked pixels are grey")
            figure.savefig(folder / f"{name.replace('/', '').replace(', ', '-')}-{ei:g}meV.png", dpi=80)


def networks(folder: Path) -> None:
    """Print what the shipped networks answer about each choice of incident energies, without a fit, and what is left of it with one."""
    from mantid_insdl import classify, fit_exchange, load
    from mantid_insdl.analysis.estimate import ask_constants
    from mantid_insdl.networks.bundles import load_bundle
    from mantid_insdl.networks.preparation import prepare

    m = load(folder / "measured.npz", material="pcsmo", mask=folder / "detector_gaps.npz")
    bundle = load_bundle("pcsmo-goodenough-exchange")
    energies = np.unique(m.slices.ei)
    constants = "".join(f"{output.name:>14}" for output in bundle.card.outputs)
    print(f"{'Ei (meV)':14}{'verdict':20}{'Goodenough':>11}{'Dimer':>7}{'Zener':>7}{'strange':>9}{constants}")
    for number in range(energies.size, 0, -1):
        for chosen in combinations(energies, number):
            part = m.select(np.isin(m.slices.ei, chosen))
            answer = classify(part)
            values, errors, _ = ask_constants(bundle, prepare(part, bundle.card))
            shown = "".join(f"{f'{value:.2f} ({error:.2f})':>14}" for value, error in zip(values, errors, strict=True))
            first, second, third = answer.probabilities
            shares = f"{first:11.3f}{second:7.3f}{third:7.3f}{answer.strangeness:9.2f}"
            print(f"{', '.join(f'{ei:g}' for ei in chosen):14}{answer.verdict:20}{shares}{shown}", flush=True)
    found = fit_exchange(m)
    evidence = found.evidence
    print(f"fit_exchange: {found.material}, in range: {found.in_range}, unexplained {evidence.unexplained:.2f} of {evidence.limit:g}")
    for name, value, error in zip(found.names, found.values, found.errors, strict=True):
        print(f"  {name:6}{value:9.3f} +- {error:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--plot", type=Path, metavar="FOLDER")
    parser.add_argument("--networks", action="store_true")
    parser.add_argument("--margin", type=int, default=0, metavar="N")
    arguments = parser.parse_args()
    if arguments.networks:
        networks(arguments.data)
        return
    data = Measured.read(arguments.data, arguments.margin)
    table = arguments.data / "resolution.npz" if (arguments.data / "resolution.npz").is_file() else None

    def shown(model: str, calculation: str, values: list[float]) -> None:
        print(f"{model:18}{calculation:28}" + "".join(f"{value:7.3f}" for value in values), flush=True)

    print(f"{'correlation at the published constants':46}" + "".join(f"{ei:7g}" for ei in data.ei))
    for model in MODELS:
        for calculation in CALCULATIONS:
            shown(model, calculation, data.correlations(data.simulator(model, calculation)))
        for blur in (0.0, 0.6) if table is not None else ():
            for flux in (False, True):
                simulator = SliceSimulator(model, data.slices, data.qh, data.qk, ellipsoids=table, kf_over_ki=flux)
                shown(model, f"ellipsoids, blur {blur:g}" + ", kf/ki" * flux, data.correlations(simulator, blur))
    for model in MODELS:
        defaults = load_material(model).defaults
        print(f"\n{model:18}{'cost':>8}{'published':>11}" + "".join(f"{name:>16}" for name in defaults))
        for calculation in FITTED:
            fit = Fit(data, model, calculation)
            constants = "".join(f"{value:9.3f}({error:.3f})" for value, error in zip(fit.values, fit.deviations, strict=True))
            print(f"{calculation:18}{fit.best:8.0f}{fit.published:11.0f}{constants}", flush=True)
            if arguments.plot:
                arguments.plot.mkdir(parents=True, exist_ok=True)
                fit.plot(arguments.plot, f"{model}, {calculation}")
        print(f"{'published values':37}" + "".join(f"{value:9.3f}{'':7}" for value in defaults.values()))


if __name__ == "__main__":
    main()
