"""Denoise a map."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mantid_insdl.maps import Map
from mantid_insdl.networks.denoiser import denoised
from mantid_insdl.networks.preparation import on_axes_of, open_question
from mantid_insdl.progress import Progress, ignore_progress


def denoise(m: Map, model: str | Path | None = None, *, fill_gaps: bool = False, progress: Progress | None = None) -> Map:
    """The magnetic intensity in a noisy map.

    Parameters
    ----------
    m
        Constant-energy slices.
    model
        Bundle name or path; default: the denoiser for the map's material.
    fill_gaps
        Also say what pixels would show that are masked in a slice with data: what the rest of the map tells of them, with the larger error
        bars that it has. `filled_pixels` tells which they are. Else they stay masked.

    Returns
    -------
    Map
        On the axes of `m`, with its unit, and with its mask but for filled gaps. Errors are the network's own, calibrated on simulated
        measurements; neighbouring pixels are correlated. What the model cannot say (a slice it was not trained on) is masked.

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
    (network,) = bundle.models
    report(0.4, "denoising")
    estimate, sigma = (x[0, prepared.places] for x in denoised(network, prepared.inputs, bundle.card.calibration))
    scale = prepared.inputs.scale[0, prepared.places, None, None]
    # Known and unknown pixels alike have an estimate, but slices without data do not: nothing is invented.
    unknown = np.broadcast_to(~prepared.used[:, None, None], prepared.gridded.shape)
    result = prepared.gridded.replace(intensity=estimate * scale, error=sigma * scale, mask=unknown)
    note = f"denoised with {bundle.identity.name} {bundle.identity.version}"
    result = on_axes_of(m, result, prepared, bundle.identity, note, keep_mask=not fill_gaps)
    if fill_gaps and (share := filled_pixels(m, result).mean()):
        result = result.replace(note=f"{share:.1%} of the pixels were not measured, and are filled with what the others tell of them")
    report(1.0, "denoised")
    return result


def filled_pixels(m: Map, result: Map) -> np.ndarray:
    """Which pixels of a denoised map were not measured, bool of its shape."""
    return m.mask & ~result.mask
