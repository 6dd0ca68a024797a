"""Denoise a map."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mantid_insdl.maps import Map
from mantid_insdl.networks.bundles import Bundle
from mantid_insdl.networks.denoiser import denoised
from mantid_insdl.networks.joint_estimate import CALIBRATED_JOINTLY, joint_estimate
from mantid_insdl.networks.likely import likely_magnets
from mantid_insdl.networks.preparation import Prepared, on_axes_of, open_question
from mantid_insdl.networks.stein import rings
from mantid_insdl.progress import Progress, ignore_progress, share_of
from mantid_insdl.simulation.ensembles import Ensemble, at_places, expected_maps


def denoise(
    m: Map,
    model: str | Path | None = None,
    *,
    fill_gaps: bool = False,
    simulations: bool = True,
    progress: Progress | None = None,
) -> Map:
    """The magnetic intensity in a noisy map.

    The network's answer is mixed with the best linear estimate from maps that are simulated on the same slices, with constants from all of
    the network's training range and with some that the other networks of the family hold likely; how far each is believed the map itself
    decides (`mantid_insdl.networks.joint_estimate`).

    Parameters
    ----------
    m
        Constant-energy slices.
    model
        Bundle name or path; default: the denoiser for the map's material.
    fill_gaps
        Also say what pixels would show that are masked in a slice with data: what the rest of the map tells of them, with the larger error
        bars that it has. `filled_pixels` tells which they are. Else they stay masked.
    simulations
        Off: the network's answer alone, in less than a second and somewhat farther from the truth.

    Returns
    -------
    Map
        On the axes of `m`, with its unit, and with its mask but for filled gaps. Errors are calibrated on simulated measurements;
        neighbouring pixels are correlated. How much of it is from the network and how much from simulations says its provenance. What
        the model cannot say (a slice it was not trained on) is masked.

    Raises
    ------
    UnsuitableMapError
        If the map is not what the model was trained on.
    BundleError
        If no model fits, or it is damaged.
    """
    report = progress or ignore_progress
    report(0.0, "loading the denoiser")
    bundle, prepared = open_question("denoise", m, model)
    estimate, sigma, shares = _answer(bundle, prepared, simulations, share_of(report, 0.2, 0.95))
    scale = prepared.inputs.scale[0, prepared.places, None, None]
    # Known and unknown pixels alike have an estimate, but slices without data do not: nothing is invented.
    unknown = np.broadcast_to(~prepared.used[:, None, None], prepared.gridded.shape)
    result = prepared.gridded.replace(intensity=estimate * scale, error=sigma * scale, mask=unknown)
    note = f"denoised with {bundle.identity.name} {bundle.identity.version}{shares}"
    result = on_axes_of(m, result, prepared, bundle.identity, note, keep_mask=not fill_gaps)
    if fill_gaps and (share := filled_pixels(m, result).mean()):
        result = result.replace(note=f"{share:.1%} of the pixels were not measured, and are filled with what the others tell of them")
    report(1.0, "denoised")
    return result


def _answer(bundle: Bundle, prepared: Prepared, simulations: bool, progress: Progress) -> tuple[np.ndarray, np.ndarray, str]:
    """Intensity and error (slice, qh, qk) on the slices of the map, normalised; and in words what they are made of."""
    (network,), calibration = bundle.models, bundle.card.calibration
    # A bundle from before there were simulations beside the network, and slices of unknown incident energy, which cannot be simulated.
    if not simulations or CALIBRATED_JOINTLY[0] not in calibration or not np.isfinite(prepared.gridded.require_slices().ei).all():
        progress(0.0, "denoising")
        intensity, error = denoised(network, prepared.inputs, calibration)
        return intensity[0, prepared.places], error[0, prepared.places], ""
    members = _simulated(bundle, prepared, share_of(progress, 0.0, 0.8))
    progress(0.8, "denoising")
    backgrounds = rings(*(axis.centres for axis in prepared.gridded.axes))
    answer = joint_estimate(network, prepared.inputs, members, backgrounds, calibration)
    words = f" ({answer.of_network:.0%} from the network, {answer.of_simulations:.0%} from simulations on the same slices)"
    return answer.intensity[prepared.places], answer.error[prepared.places], words


_kept: dict[tuple[str, bytes], np.ndarray] = {}
"""The last ensemble that was simulated: maps of one measurement, and settings tried on one map, have the same slices."""


def _simulated(bundle: Bundle, prepared: Prepared, progress: Progress) -> np.ndarray:
    """What the magnets that the network was trained on show on the slices of a map, and magnets that it is likely of, at their places."""
    inputs, places, gridded = prepared.inputs, prepared.places[prepared.used], prepared.gridded
    ensemble = Ensemble.from_arrays(bundle.card.materials, bundle.arrays)

    def shown(of: Ensemble, progress: Progress) -> np.ndarray:
        maps = expected_maps(of, gridded.require_slices()[prepared.used], *gridded.axes, progress)
        return at_places(maps, places, inputs.stack.shape[1])

    key = bundle.identity.sha256, inputs.windows.tobytes()
    if key not in _kept:
        found = shown(ensemble, share_of(progress, 0.0, 0.75))
        _kept.clear()
        _kept[key] = found
    likely = shown(likely_magnets(ensemble, inputs, bundle.card.family, gridded.axes), share_of(progress, 0.75, 1.0))
    return np.concatenate([_kept[key], likely])


def filled_pixels(m: Map, result: Map) -> np.ndarray:
    """Which pixels of a denoised map were not measured, bool of its shape."""
    return m.mask & ~result.mask
