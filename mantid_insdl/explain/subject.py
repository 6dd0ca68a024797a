"""What is explained: one number that the networks of a bundle give of a user's map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mantid_insdl.errors import BundleError, require_known
from mantid_insdl.explain.scoring import Scorer, feature_mean, scorer
from mantid_insdl.maps import Map
from mantid_insdl.networks.bundles import Bundle, load_bundle
from mantid_insdl.networks.encoder import LAST_CONVOLUTION
from mantid_insdl.networks.measured import EXCHANGED, MeasuredMaps, turned
from mantid_insdl.networks.prediction import ensemble_probabilities, logits_of
from mantid_insdl.networks.preparation import Prepared, on_axes_of, open_question


@dataclass(frozen=True, eq=False)
class Subject:
    """One score of a map, and the networks that give it.

    Attributes
    ----------
    map
        The user's.
    bundle, prepared
        The model, and the map as its networks see it.
    target
        What the score is of: a class of a classifier, or a parameter of an exchange model.
    index
        Its place among the bundle's outputs.
    networks
        What gives the score of maps (`explain.scoring`), one for each of the ensemble.
    """

    map: Map
    bundle: Bundle
    prepared: Prepared
    target: str
    index: int
    networks: tuple[Scorer, ...]

    @property
    def signed(self) -> bool:
        """Whether the score can be pulled both ways: of a parameter; of a class only what speaks for it is asked."""
        return self.bundle.card.task == "exchange"

    @property
    def shown(self) -> np.ndarray:
        """The slices of the map that the networks are given, (slice, qh, qk, 2): normalised intensity, and 1 where known."""
        return self.prepared.inputs.stack[0, self.prepared.places]

    def versions(self, shown: np.ndarray) -> MeasuredMaps:
        """Maps (n, slice, qh, qk, 2) that show this instead, all else the same."""
        inputs = self.prepared.inputs
        stack = np.zeros((len(shown), *inputs.stack.shape[1:]), inputs.stack.dtype)
        stack[:, self.prepared.places] = shown
        rest = (np.repeat(array, len(shown), axis=0) for array in (inputs.windows, inputs.used))
        return MeasuredMaps(stack, inputs.scale, inputs.signal, *rest)

    @property
    def turns(self) -> tuple[int, ...]:
        """Orientations of the map (`networks.measured.turned`) over which the answer is averaged: of a classifier both."""
        return (0,) if self.signed else (0, EXCHANGED)

    def turned(self, turn: int) -> Subject:
        """What the networks are asked about the map in another orientation."""
        return replace(self, prepared=replace(self.prepared, inputs=turned(self.prepared.inputs, turn)))

    def against(self, first: str, second: str) -> Subject:
        """Why the first class rather than the second: the same map, and as its score the difference of their logits."""
        names = self.bundle.card.materials
        index, rival = names.index(first), names.index(second)
        networks = tuple(scorer(one, "classify", len(names), index, rival) for one in self.bundle.models)
        return replace(self, target=first, index=index, networks=networks)

    def averaged(self, ask: Callable[[Scorer, int], np.ndarray]) -> np.ndarray:
        """The mean of what `ask` finds of each network in each orientation, as the answer is one."""
        return np.mean([ask(network, turn) for network in self.networks for turn in self.turns], axis=0)

    def scores(self, shown: np.ndarray) -> np.ndarray:
        """The score of each of the maps (n, slice, qh, qk, 2), averaged over networks and orientations: (n,)."""
        versions = self.versions(shown)
        return self.averaged(lambda network, turn: network.scores(turned(versions, turn)))

    def support(self, shown: np.ndarray) -> np.ndarray:
        """How much each of the maps supports the answer, (n,): the score of a class; of a parameter less, the further its value moves."""
        scores = self.scores(shown)
        return -np.abs(scores - self.scores(self.shown[None])) if self.signed else scores

    def gradients(self, shown: np.ndarray) -> np.ndarray:
        """Of the score with respect to the intensity of each pixel, (n, slice, qh, qk), at maps (n, slice, qh, qk, 2)."""
        versions = self.versions(shown)
        found = self.averaged(lambda network, turn: upright(network.slopes(turned(versions, turn)), turn))
        return found[:, self.prepared.places]

    def on_map(self, importance: np.ndarray, note: str, unit: str = "importance") -> Map:
        """Numbers on the pixels of the networks, (slice, qh, qk), as a map on the axes of the user's, masked where that is."""
        gridded, used = self.prepared.gridded, self.prepared.used
        pixels = np.broadcast_to(~used[:, None, None], gridded.shape)
        result = gridded.replace(intensity=np.where(pixels, 0.0, importance), error=None, mask=pixels, intensity_unit=unit)
        return on_axes_of(self.map.replace(intensity_unit=unit), result, self.prepared, self.bundle.identity, note)


def upright(pixels: np.ndarray, turn: int) -> np.ndarray:
    """What was found of the `turned` map, (..., qh, qk), on the map as it is."""
    return np.swapaxes(pixels, -1, -2) if turn == EXCHANGED else pixels


def open_subject(m: Map, model: str | Path | None = None, target: str | None = None) -> Subject:
    """The score of a map that is to be explained.

    Parameters
    ----------
    model
        Bundle of a classifier or an exchange model; by default the classifier for the map's material.
    target
        A class, by default the most probable one; or a parameter, which has to be named.

    Raises
    ------
    BundleError
        If the bundle gives no score, has no such class or parameter, or no bundle fits.
    UnsuitableMapError
        If the map is not what the model was trained on.
    """
    task = "classify" if model in (None, "") else load_bundle(model).card.task
    if task == "denoise":
        raise BundleError(
            f"model '{load_bundle(model).card.name}' gives no score that could be explained",
            "it denoises: every pixel of the map has an answer of its own",
            "name a classifier or an exchange model",
        )
    bundle, prepared = open_question(task, m, model)
    names = list(bundle.card.materials if task == "classify" else (output.name for output in bundle.card.outputs))
    kind = "class" if task == "classify" else "parameter"
    if target in (None, ""):
        if kind == "parameter":
            listed = f"its parameters are {', '.join(names)}"
            raise BundleError(f"model '{bundle.card.name}' gives several parameters", listed, "name the one to explain")
        target = _most_probable(bundle, prepared.inputs)
    require_known(
        target,
        names,
        f"model '{bundle.card.name}' has no {kind} '{target}'",
        listed="its classes are" if kind == "class" else "its parameters are",
        fix="name one" + (", or none for the predicted" if kind == "class" else ""),
        error=BundleError,
    )
    index = names.index(target)
    return Subject(m, bundle, prepared, target, index, tuple(scorer(network, task, len(names), index) for network in bundle.models))


def _most_probable(bundle: Bundle, inputs: MeasuredMaps) -> str:
    """The class that the verdict is about."""
    logits, _ = logits_of(bundle, inputs)
    probabilities, _ = ensemble_probabilities(logits[..., : len(bundle.card.materials)], bundle.card.calibration["temperature"])
    return bundle.card.materials[int(probabilities[0].argmax())]


def of_feature(subject: Subject, feature: int) -> Subject:
    """The same map, and as its score the mean of one feature of the last convolution over all pixels."""
    layer = convolution_named(subject.bundle, None)
    networks = tuple(Scorer(feature_mean(one, layer, feature)) for one in subject.bundle.models)
    return replace(subject, target=f"feature {feature}", networks=networks)


def convolutions(network: Any) -> list[str]:
    """Names of the layers whose output keeps slices and pixels, first to last."""
    return [layer.name for layer in network.layers if "convolution" in layer.name]


def convolution_named(bundle: Bundle, layer: str | None) -> str:
    """A convolution of a bundle's networks; the last where none is named.

    Raises
    ------
    BundleError
        If there is no such layer, or none at all.
    """
    layers = convolutions(bundle.models[0])
    if not layers:
        raise BundleError(f"the networks of model '{bundle.card.name}' have no convolutions", "their features have no place in a map", "")
    layer = layer or (LAST_CONVOLUTION if LAST_CONVOLUTION in layers else layers[-1])
    fix = "name one, or none for the last"
    require_known(layer, layers, f"model '{bundle.card.name}' has no convolution '{layer}'", listed="it has", fix=fix, error=BundleError)
    return layer
