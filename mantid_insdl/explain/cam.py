"""Class activation maps: what each pixel adds to a score that is a weighted mean of feature maps.

Behind global average pooling and a linear head the score is a sum over pixels, and its terms are no matter of interpretation. [B. Zhou et
al., CVPR 2016, arXiv:1512.04150]
"""

from __future__ import annotations

import numpy as np

from mantid_insdl.errors import BundleError
from mantid_insdl.explain.feature_maps import features_and_gradients
from mantid_insdl.explain.scoring import Scorer
from mantid_insdl.explain.subject import Subject


def class_activation(subject: Subject, network: Scorer, layer: str) -> np.ndarray:
    """What each coarse pixel adds to the score, (slice, row, column); their sum is the score but for a constant.

    Of a linear head the gradient is its weight whatever the map shows, and features times gradients are the terms themselves.

    Raises
    ------
    BundleError
        If the score is not linear in the feature maps of the layer.
    """
    features, gradients = features_and_gradients(subject, network, layer)
    fainter = subject.shown * np.array([0.5, 1.0], np.float32)
    _, others = features_and_gradients(subject, network, layer, fainter)
    if not np.allclose(gradients, others, rtol=1e-3, atol=1e-6 * np.abs(gradients).max()):
        raise BundleError(
            f"there is no class activation map of model '{subject.bundle.card.name}' at layer {layer}",
            "its score is no sum over the pixels of these feature maps",
            "ask for Grad-CAM, or for the last convolution of a classifier with global pooling",
        )
    return np.sum(features * gradients, axis=-1)
