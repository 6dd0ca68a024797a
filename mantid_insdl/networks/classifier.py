"""The network that tells magnetic models apart."""

from __future__ import annotations

from typing import Any

from mantid_insdl.networks import encoder
from mantid_insdl.networks.backend import import_keras

LOGITS = "logits"


def classifier(shape: tuple[int, int], classes: int) -> Any:
    """Logits of each class and, last, of none of them, (n, `classes` + 1), from maps of any incident energies.

    One linear layer weighs the feature maps' averages over all known pixels, so that a logit is the sum of what the pixels say: feature
    maps through that layer are its class activation maps [B. Zhou et al., CVPR 2016].
    """
    keras = import_keras()
    given = encoder.inputs(shape)
    averages = encoder.mean(encoder.encode(given))
    return keras.Model(list(given), keras.layers.Dense(classes + 1, name=LOGITS)(averages), name="classifier")
