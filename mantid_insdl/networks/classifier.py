"""The network that tells magnetic models apart."""

from __future__ import annotations

from typing import Any

from mantid_insdl.networks import encoder
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.preprocessing import BINS, GROUPS

LOGITS = "logits"


def classifier(shape: tuple[int, int], classes: int, groups: int = GROUPS, bins: int = BINS) -> Any:
    """Logits of each class and, last, of none of them, (n, `classes` + 1),
    from maps of up to `groups` incident energies.

    One linear layer weighs the feature maps' averages over all known pixels (standardised by numbers of the training
    maps, which is linear, too), so that a logit is the sum of what the pixels say: feature maps through both are its
    class activation maps [B. Zhou et al., CVPR 2016].
    """
    keras = import_keras()
    given = encoder.inputs(shape, groups * bins)
    averages = encoder.mean(encoder.encode(given, bins))
    return keras.Model(list(given), keras.layers.Dense(classes + 1, name=LOGITS)(averages), name="classifier")
