"""Gradient-weighted class activation maps: where the feature maps of a convolution are that the score follows."""

from __future__ import annotations

import numpy as np

from mantid_insdl.explain.feature_maps import features_and_gradients
from mantid_insdl.explain.scoring import Scorer
from mantid_insdl.explain.subject import Subject


def grad_cam(subject: Subject, network: Scorer, layer: str) -> np.ndarray:
    """Grad-CAM, (slice, row, column): feature maps weighed by the mean of the score's gradient over the pixels of a slice.

    [R. R. Selvaraju et al., ICCV 2017, arXiv:1610.02391; before its rectification]
    """
    features, gradients = features_and_gradients(subject, network, layer)
    return np.sum(gradients.mean(axis=(1, 2), keepdims=True) * features, axis=-1)


def grad_cam_plus_plus(subject: Subject, network: Scorer, layer: str) -> np.ndarray:
    """Grad-CAM++, (slice, row, column): as Grad-CAM, with a weight that counts several places of one pattern as one each.

    The weight of a feature map is the sum of its gradient's positive part, each pixel weighed by
    alpha = g^2 / (2 g^2 + g^3 sum(A)) over the pixels of the slice, A the feature map, g its gradient.
    [A. Chattopadhay et al., WACV 2018, arXiv:1710.11063, equation 19]
    """
    features, gradients = features_and_gradients(subject, network, layer)
    below = 2 * gradients**2 + gradients**3 * features.sum(axis=(1, 2), keepdims=True)
    alpha = np.divide(gradients**2, below, out=np.zeros_like(gradients), where=below != 0)
    weights = np.sum(alpha * np.maximum(gradients, 0), axis=(1, 2), keepdims=True)
    return np.sum(weights * features, axis=-1)
