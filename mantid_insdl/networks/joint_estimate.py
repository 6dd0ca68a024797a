"""The network and the best linear estimate, mixed: each map has the share of both that its own pixels find best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mantid_insdl.networks.denoiser import denoised, widened
from mantid_insdl.networks.linear_estimate import linear_estimate
from mantid_insdl.networks.measured import MeasuredMaps
from mantid_insdl.networks.preprocessing import noise_level
from mantid_insdl.networks.stein import shares

LEAST_NOISE = 0.02  # of the mean intensity: even a map without noise is not simulated better
LEAST_ERROR = 1e-3  # of the mean intensity
CALIBRATED_JOINTLY = ("joint_error_factor_known", "joint_error_factor_gap")
"""Entries of the card: what widens the error bars of the mixture in and beside gaps."""
PROBE = 0.3  # of the noise: how far each pixel is moved, at random up or down, to see how far the network follows it


@dataclass(frozen=True)
class JointEstimate:
    """What a noisy map would show without the noise.

    Parameters
    ----------
    intensity, error : (slice, qh, qk)
        Normalised as the stack; 0 at places without a slice.
    of_network, of_simulations : float
        Shares of the two estimates.
    """

    intensity: np.ndarray
    error: np.ndarray
    of_network: float
    of_simulations: float


def joint_estimate(
    model: Any,
    maps: MeasuredMaps,
    members: np.ndarray,
    backgrounds: np.ndarray,
    calibration: dict[str, float] | None,
) -> JointEstimate:
    """The estimate of one map.

    Parameters
    ----------
    members : (member, slice, qh, qk)
        Simulated maps at the places of `maps`, each incident energy in units of its mean.
    backgrounds : (background, qh, qk)
        What none of the estimates is believed for (see `stein.rings`).
    calibration
        What widens the error bars, from the card; None for uncalibrated ones.
    """
    if len(maps.stack) != 1:
        raise ValueError(f"{len(maps.stack)} maps; the estimate is of one")
    used = maps.used[0, :, 0] > 0
    stack, incident = maps.stack[0, used], maps.windows[0, used, 2]
    measured, known = stack[..., 0], stack[..., 1] > 0
    level = np.maximum(noise_level(maps.stack)[0, used], LEAST_NOISE)
    groups = [np.flatnonzero(incident == one) for one in np.unique(incident)]
    linear = linear_estimate(measured, known, level, groups, members[:, used])
    by_network, error = (x[0, used] for x in denoised(model, maps, calibration))

    away = np.random.default_rng(0).choice([-PROBE, PROBE], known.shape) * known
    moved = maps.stack.copy()
    moved[0, used, ..., 0] += away * level[:, None, None]
    followed = (
        (denoised(model, replace(maps, stack=moved))[0][0, used] - by_network)
        * away
        / (PROBE**2 * level[:, None, None])
    )
    estimates = np.stack([by_network, linear.intensity])
    judged = known & (np.abs(measured - linear.intensity) < 6 * linear.noise)
    sensitivities = np.stack([followed, linear.sensitivity])
    one, other = shares(measured, judged, linear.noise, estimates, sensitivities, backgrounds)

    # The variance of a mixture: of each part its own, and how far from the mean it is; the third part is nothing at
    # all.
    mean = one * by_network + other * linear.intensity
    parts = [(one, error**2, by_network), (other, linear.variance, linear.intensity), (1 - one - other, error**2, 0.0)]
    variance = sum(share * (own + (answer - mean) ** 2) for share, own, answer in parts)
    intensity, sigma = np.zeros((2, *maps.stack.shape[1:-1]))
    intensity[used], sigma[used] = mean, np.maximum(np.sqrt(variance), LEAST_ERROR)
    return JointEstimate(intensity, widened(sigma, maps.stack[0, ..., 1], calibration, CALIBRATED_JOINTLY), one, other)
