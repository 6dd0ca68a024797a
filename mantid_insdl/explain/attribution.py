"""Which pixels decided? Every way to ask a network, with one answer: importance on the axes of the user's map."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mantid_insdl.errors import BundleError, require_known
from mantid_insdl.explain import occlusion
from mantid_insdl.explain.cam import class_activation
from mantid_insdl.explain.deletion import IMPORTANT_LOG, RANDOM_LOG, score_falls
from mantid_insdl.explain.feature_maps import enlarged
from mantid_insdl.explain.grad_cam import grad_cam, grad_cam_plus_plus
from mantid_insdl.explain.integrated_gradients import integrated_gradients
from mantid_insdl.explain.scoring import Scorer
from mantid_insdl.explain.subject import Subject, convolution_named, open_subject, upright
from mantid_insdl.maps import Map
from mantid_insdl.progress import Progress, ignore_progress, share_of

Coarse = Callable[[Subject, Scorer, str], np.ndarray]
OF_A_LAYER: dict[str, Coarse] = {"cam": class_activation, "grad-cam": grad_cam, "grad-cam++": grad_cam_plus_plus}
"""What needs the feature maps of a convolution."""
TITLES = {
    "cam": "class activation map",
    "grad-cam": "Grad-CAM",
    "grad-cam++": "Grad-CAM++",
    "integrated-gradients": "integrated gradients",
    "occlusion-slice": "occlusion by slice",
    "occlusion-patch": "occlusion by patch",
}
METHODS = tuple(TITLES)
DEFAULT = "grad-cam"


def heading(method: str) -> str:
    """What a method is called, at the beginning of a sentence."""
    return TITLES[method][0].upper() + TITLES[method][1:]


def check_method(method: str) -> None:
    """Raise `BundleError` for a method that there is not."""
    summary = f"there is no method '{method}' to explain a verdict"
    require_known(method, METHODS, summary, fix="name one, or none for Grad-CAM", error=BundleError)


def attribution(subject: Subject, method: str = DEFAULT, layer: str | None = None, progress: Progress = ignore_progress) -> np.ndarray:
    """What each pixel does to the score, (slice, qh, qk), positive where it raises it; the mean over networks and orientations.

    The unit is the method's own. Zero in slices without data.

    Raises
    ------
    BundleError
        If there is no such method or layer, or the method does not fit the network.
    """
    check_method(method)
    if method in OF_A_LAYER:
        at, coarse = convolution_named(subject.bundle, layer), OF_A_LAYER[method]
        each = subject.averaged(lambda network, turn: upright(coarse(subject.turned(turn), network, at), turn))
        found = enlarged(each, subject.shown.shape[1:3])
    elif method == "integrated-gradients":
        found = integrated_gradients(subject)
    else:
        by = occlusion.by_slice if method == "occlusion-slice" else occlusion.by_patch
        found = by(subject, progress)
    return np.where(subject.prepared.used[:, None, None], found, 0.0)


def as_importance(subject: Subject, values: np.ndarray) -> np.ndarray:
    """Between 0 and 1 on the known pixels: of a class what speaks for it, of a parameter what moves it either way."""
    found = np.abs(values) if subject.signed else np.maximum(values, 0)
    peak = found[~subject.prepared.gridded.mask].max()
    return np.minimum(found / peak, 1) if peak > 0 else found


def explained(subject: Subject, method: str, layer: str | None, values: np.ndarray) -> Map:
    """Importance on the user's map, with the deletion test in its logs, of what `attribution` has found by a method."""
    found = as_importance(subject, values)
    what = "parameter" if subject.signed else "class"
    note = f"{heading(method)} of {subject.bundle.identity.name} {subject.bundle.identity.version} for {what} {subject.target}"
    if method in OF_A_LAYER:
        note += f" at layer {convolution_named(subject.bundle, layer)}"
    if not found[~subject.prepared.gridded.mask].any():
        note += f": no pixel speaks for this {what}"
    falls = score_falls(subject.support, subject.shown, found)
    result = subject.on_map(found, note)
    logs = {name: (fall, "") for name, fall in zip((IMPORTANT_LOG, RANDOM_LOG), falls, strict=True)}
    return result.replace(logs={**result.logs, **logs})


def slice_shares(importance: Map) -> list[tuple[float, float, float, float]]:
    """Of each slice its share of the importance of all, Ei, and both ends of its window in meV; the largest share first."""
    sums = np.where(importance.mask, 0, importance.intensity).sum(axis=(1, 2))
    slices = importance.slices
    shares = sums / sums.sum() if sums.any() else sums
    order = np.argsort(-shares, kind="stable")
    return [tuple(float(one[i]) for one in (shares, slices.ei, slices.energy_min, slices.energy_max)) for i in order]


def importance(
    m: Map,
    model: str | Path | None = None,
    *,
    method: str = DEFAULT,
    target: str | None = None,
    layer: str | None = None,
    progress: Progress | None = None,
) -> Map:
    """Importance of each pixel for a network's answer.

    Parameters
    ----------
    m
        Constant-energy slices.
    model
        Bundle name or path of a classifier or an exchange model; default: the classifier for the map's material.
    method
        One of `METHODS`.
    target
        The class to explain, by default the most probable one; of an exchange model the parameter ("what fixes JF2").
    layer
        Name of a convolution of the network, for the methods that look at one; default: the last.

    Returns
    -------
    Map
        Importance 0 to 1 on the axes of `m`, masked where it is masked; without error. Its logs ``insdl_score_fall_important`` and
        ``insdl_score_fall_random`` tell whether it can be believed (`explain.deletion.score_falls`).

    Raises
    ------
    BundleError
        If there is no such method, class, parameter or layer, or no model fits.
    UnsuitableMapError
        If the map is not what the model was trained on.
    """
    report = progress or ignore_progress
    check_method(method)
    report(0.0, "loading the network")
    subject = open_subject(m, model, target)
    report(0.2, "explaining")
    result = explained(subject, method, layer, attribution(subject, method, layer, share_of(report, 0.2, 0.9)))
    report(1.0, "explained")
    return result


def grad_cam(
    m: Map, model: str | Path | None = None, *, target: str | None = None, layer: str | None = None, progress: Progress | None = None
) -> Map:
    """`importance` by Grad-CAM, by the name that version 0.1 had for it."""
    return importance(m, model, method="grad-cam", target=target, layer=layer, progress=progress)
