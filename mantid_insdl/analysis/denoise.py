"""Denoise a map."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mantid_insdl.analysis.preparation import Prepared, open_question
from mantid_insdl.maps import Map
from mantid_insdl.networks.bundles import BundleIdentity
from mantid_insdl.networks.components import PrincipalComponents
from mantid_insdl.networks.prediction import combine, denoised_error, predict, slice_noise
from mantid_insdl.progress import Progress, ignore_progress


def denoise(m: Map, model: str | Path | None = None, *, progress: Progress | None = None) -> Map:
    """The magnetic intensity in a noisy map.

    Parameters
    ----------
    m
        Constant-energy slices.
    model
        Bundle name or path; default: the denoiser for the map's material.

    Returns
    -------
    Map
        On the axes of `m`, with its mask and unit. Errors are the network's own, calibrated on simulated measurements; neighbouring pixels
        are correlated. What the model cannot say (a slice it was not trained on) is masked.

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
    calibration = bundle.card.calibration
    components = PrincipalComponents(*(bundle.arrays[f"components_{part}"] for part in ("mean", "basis", "variance")))
    (estimate,) = predict(network, prepared.inputs)
    estimate = combine(estimate, components.denoise(prepared.inputs.stack), calibration["network_weight"])
    sigma = denoised_error(estimate, slice_noise(prepared.inputs.stack, estimate), calibration)
    scale = prepared.inputs.scale[..., None, None]
    # Known and unknown pixels alike have an estimate, but slices without data do not: nothing is invented.
    unknown = np.broadcast_to(~prepared.used[:, None, None], prepared.gridded.shape)
    result = prepared.gridded.replace(intensity=(estimate * scale)[0], error=(sigma * scale)[0], mask=unknown)
    result = on_axes_of(m, result, prepared, bundle.identity, f"denoised with {bundle.identity.name} {bundle.identity.version}")
    report(1.0, "denoised")
    return result


def on_axes_of(m: Map, result: Map, prepared: Prepared, identity: BundleIdentity, note: str) -> Map:
    """A result on the training grid back on the pixels and slices of the user's map, with its mask and a record of the model."""
    # Slices first: a single slice with millions of pixels must not be made for all slices of the training grid.
    if not result.slices.matches(m.slices):
        result = result.regrid_slices(m.slices, ei_tolerance=0.05)
    if not all(a.matches(b, 1e-3) for a, b in zip(result.axes, m.axes, strict=True)):
        result = result.regrid(*m.axes)
    return m.replace(
        intensity=result.intensity,
        error=result.error,
        mask=m.mask | result.mask,
        provenance=(*m.provenance, *prepared.warnings, note),
        logs={**m.logs, **model_logs(identity)},
    )


def model_logs(identity: BundleIdentity) -> dict[str, tuple[str, str]]:
    """Sample logs by which a result can be traced to its model."""
    return {
        "insdl_model": (identity.name, ""),
        "insdl_model_version": (identity.version, ""),
        "insdl_model_sha256": (identity.sha256, ""),
    }
