"""All views of one answer together: each is made once, and what one needs of another is shared."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mantid_insdl.errors import InsdlError, require_known
from mantid_insdl.explain import attribution, between
from mantid_insdl.explain.activations import activations, dead_filters, visible_layer
from mantid_insdl.explain.codes import Codes, codes_of
from mantid_insdl.explain.faithfulness import Faithfulness, References, faithfulness_of, references_of
from mantid_insdl.explain.filters import Filters, filters_of
from mantid_insdl.explain.gallery import Gallery, gallery_of
from mantid_insdl.explain.maximisation import Maximised, maximised, physical_maps
from mantid_insdl.explain.neurons import Neuron, neurons_of
from mantid_insdl.explain.physicist import ENOUGH, Agreement, Difference, agreement, where_models_differ
from mantid_insdl.explain.subject import Subject, convolution_named, convolutions, of_feature, open_subject
from mantid_insdl.maps import Map
from mantid_insdl.parallel import beside
from mantid_insdl.progress import Progress, ignore_progress, share_of

ORDER = ("activations", "weights", "codes", "atlas", "neurons", "maximisation", *attribution.METHODS, "physicist", "between")
"""In which views are made: what another needs comes first. The fits of the physicist run beside all that comes after the codes."""
VIEWS = (*attribution.METHODS, *(one for one in ORDER if one not in attribution.METHODS))
NEEDS_GALLERY = ("activations", "neurons", "maximisation", "codes", "atlas")
NEEDS_CLASSES = ("cam", "physicist", "between")
"""Views of a classifier only."""
COST = {"gallery": 12, "atlas": 0.1, "weights": 0.1, "codes": 0.5, "maximisation": 7, "physicist": 20, "occlusion-patch": 12}
"""About how many seconds a view takes, for the progress; the others `USUAL`."""
USUAL = 2


TOO_LITTLE = (
    "The map cannot tell {} from {}: their fits differ by an expected log-likelihood of {:.1f} only. So the explanation is held against no "
    "physicist."
)


@dataclass(frozen=True, eq=False)
class Attribution:
    """One way to ask which pixels decided.

    Attributes
    ----------
    importance
        0 to 1 on the axes of the user's map.
    faithfulness
        Whether it can be believed.
    agreement
        With where the models differ, of the question why the one rather than the other; None where that was not asked.
    """

    importance: Map
    faithfulness: Faithfulness
    agreement: Agreement | None = None


@dataclass(eq=False)
class Explanation:
    """What was found; None for views that were not asked for.

    Attributes
    ----------
    subject
        What is explained.
    score
        Of the map.
    attributions
        By method.
    references
        What they are held against.
    activations
        Of the layer, one map a filter.
    dead
        Filters of each layer that no training map activates.
    maximised
        The maps that show the class, and the feature of the first neuron, most.
    gallery, filters, neurons, codes, difference, line
        See their modules.
    rival
        The question why the one of the two models rather than the other, that is held against the physicist; None where that was not
        asked, or the map cannot tell them apart.
    warnings
        Why an answer or a view should not be believed.
    seconds
        That each view took; ``fits`` those of the physicist, which run beside other views, ``physicist`` what is left of them and the
        questions that they are held against.
    """

    subject: Subject
    score: float
    layer: str = ""
    references: References | None = None
    attributions: dict[str, Attribution] = field(default_factory=dict)
    activations: list[Map] = field(default_factory=list)
    dead: dict[str, list[int]] = field(default_factory=dict)
    filters: list[Filters] = field(default_factory=list)
    neurons: list[Neuron] = field(default_factory=list)
    maximised: dict[str, Maximised] = field(default_factory=dict)
    codes: Codes | None = None
    atlas: bool = False
    gallery: Gallery | None = None
    difference: Difference | None = None
    rival: Subject | None = None
    line: between.Line | None = None
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def check_views(views: Sequence[str]) -> None:
    """Raise `InsdlError` for a view that there is not."""
    for view in views:
        require_known(view, VIEWS, f"there is no view '{view}'", fix="name some of these")


def explain_answer(
    m: Map,
    model: str | Path | None = None,
    *,
    views: Sequence[str] = VIEWS,
    target: str | None = None,
    layer: str | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Why a network says what it says of a map.

    Parameters
    ----------
    m
        Constant-energy slices. A map out of the network's range is explained, too, and marked by a warning.
    model, target
        As of `mantid_insdl.importance`.
    views
        Some of `VIEWS`; those that a network or a map does not have are left out with a warning.
    layer
        Whose activations are shown: the first convolution by default; of attributions the last.

    Raises
    ------
    InsdlError
        If there is no such view.
    BundleError
        If there is no such class, parameter or layer, or no model fits.
    UnsuitableMapError
        If the map is not what the model was trained on.
    """
    report = progress or ignore_progress
    check_views(views)
    report(0.0, "loading the network")
    subject = open_subject(m, model, target)
    if layer is not None:
        visible_layer(subject.bundle, layer)
    found = Explanation(subject, float(subject.scores(subject.shown[None])[0]))
    found.warnings += subject.prepared.warnings
    views = _possible(subject, views, found.warnings)
    shares = _shares(views)

    @contextmanager
    def view(name: str) -> Iterator[Progress]:
        begin = time.monotonic()
        first, last = shares[name]
        report(first, f"{name}: begins")
        yield share_of(report, first, last)
        found.seconds[name] = round(time.monotonic() - begin, 2)

    with ExitStack() as until_the_end:
        if any(one in NEEDS_GALLERY for one in views):
            with view("gallery") as inner:
                gallery = found.gallery = gallery_of(subject.bundle, progress=inner)
        if "codes" in views or "atlas" in views:
            with view("codes"):
                found.codes, found.atlas = codes_of(subject, gallery), "atlas" in views
            if found.codes.own_distance > found.codes.limit:
                found.warnings.append("The map is out of the network's range, further from its classes than 95 % of the training maps.")
        if "physicist" in views:
            fits = until_the_end.enter_context(beside(lambda told: _difference(found, told)))
        if "activations" in views:
            with view("activations"):
                found.layer = layer or convolution_named(subject.bundle, None)
                found.activations = activations(subject, found.layer)
                found.dead = dead_filters(subject.bundle, gallery.maps)
        if "weights" in views:
            with view("weights"):
                found.filters = filters_of(subject.bundle)
        if "neurons" in views:
            with view("neurons"):
                found.neurons = neurons_of(subject.bundle, gallery)
        if "maximisation" in views:
            with view("maximisation") as inner:
                physical = physical_maps(subject, gallery, share_of(inner, 0.0, 0.3))
                found.maximised[subject.target] = maximised(subject, physical, share_of(inner, 0.3, 0.65))
                if found.neurons:
                    feature = of_feature(subject, int(found.neurons[0].name.removeprefix("feature ")))
                    found.maximised[feature.target] = maximised(feature, physical, share_of(inner, 0.65, 1.0))
        for method in attribution.METHODS:
            if method in views:
                with view(method) as inner:
                    found.attributions[method] = _attribution(subject, method, layer, found, inner)
        if "physicist" in views:
            with view("physicist") as inner:
                try:
                    found.difference = fits(share_of(inner, 0.0, 0.6))
                except InsdlError as error:
                    if set(views) <= {"physicist", "between"}:
                        raise
                    found.warnings.append(f"There is no physicist to hold it against. {error}")
                else:
                    _ask_as_the_physicist(found, layer, share_of(inner, 0.6, 1.0))
        if "between" in views and found.difference is not None:
            with view("between"):
                found.line = _line(subject, found)
    report(1.0, "explained")
    return found


def _possible(subject: Subject, views: Sequence[str], warnings: list[str]) -> list[str]:
    wanted = {*views, *(["physicist"] if "between" in views else [])}  # the line begins and ends at its fits
    kept = [one for one in VIEWS if one in wanted]
    if subject.bundle.card.task != "classify":
        left = [one for one in kept if one in NEEDS_CLASSES]
        if left:
            warnings.append(f"There is no view {', '.join(left)} of a model for exchange constants: it has no classes.")
        return [one for one in kept if one not in NEEDS_CLASSES]
    return kept


def _shares(views: Sequence[str]) -> dict[str, tuple[float, float]]:
    order = ["gallery", *(one for one in ORDER if one in views or one == "codes")]
    costs = np.cumsum([0.0, *(COST.get(one, USUAL) for one in order)])
    costs /= costs[-1]
    return {one: (float(costs[i]), float(costs[i + 1])) for i, one in enumerate(order)}


def _starts(codes: Codes | None, materials: Sequence[str]) -> Mapping[str, list[dict[str, float]]] | None:
    """The constants of the training map nearest to the user's, of each material; the nearest of them first."""
    if codes is None:
        return None
    gallery = codes.gallery
    away = np.sum((codes.components - codes.own_component) ** 2, axis=1)
    nearest = {}
    for name in materials:
        mine = np.flatnonzero(gallery.data.material == gallery.materials.index(name))
        nearest[name] = int(mine[np.argmin(away[mine])])
    return {name: [gallery.parameters(nearest[name])] for name in sorted(nearest, key=lambda name: away[nearest[name]])}


def _line(subject: Subject, found: Explanation) -> between.Line | None:
    constants = {one.material: one.values for one in found.difference.comparison.fits}
    first, second = found.difference.seen_from(subject.target)
    asked = found.rival or subject.against(first, second)
    try:
        return between.line_between(asked, (first, constants[first]), (second, constants[second]))
    except InsdlError as error:
        found.warnings.append(str(error))
        return None


def _attribution(subject: Subject, method: str, layer: str | None, found: Explanation, progress: Progress) -> Attribution:
    at = _layer_for(subject, method, layer)
    values = attribution.attribution(subject, method, at, share_of(progress, 0.0, 0.3))
    importance = attribution.explained(subject, method, at, values)
    found.references = found.references or references_of(subject)
    later = share_of(progress, 0.3, 1.0)
    tested = faithfulness_of(subject, lambda one: attribution.attribution(one, method, at), found.references, later, values)
    found.warnings += [f"{attribution.heading(method)}: {one[0].lower()}{one[1:]}" for one in tested.warnings]
    return Attribution(importance, tested)


def _layer_for(subject: Subject, method: str, layer: str | None) -> str | None:
    """The layer that was named, where a method looks at one and it is one of those."""
    return layer if method in attribution.OF_A_LAYER and layer in convolutions(subject.bundle.models[0]) else None


def _difference(found: Explanation, progress: Progress) -> Difference:
    """Where fits say that the two best models differ."""
    begin, subject = time.monotonic(), found.subject
    materials = subject.bundle.card.materials
    starts = _starts(found.codes, materials)
    difference = where_models_differ(subject.map, materials if starts is None else tuple(starts), starts, progress)
    found.seconds["fits"] = round(time.monotonic() - begin, 2)
    return difference


def _ask_as_the_physicist(found: Explanation, layer: str | None, progress: Progress) -> None:
    """Hold every attribution against the fits: what it says of the question that they answer, why the one model rather than the other."""
    subject, difference = found.subject, found.difference
    first, second = difference.seen_from(subject.target)
    if difference.total < ENOUGH:
        found.warnings.append(TOO_LITTLE.format(first, second, difference.total))
        return
    rival = found.rival = subject.against(first, second)
    for number, (method, one) in enumerate(found.attributions.items()):
        progress(number / len(found.attributions), f"asking why {first} rather than {second}")
        values = attribution.as_importance(rival, attribution.attribution(rival, method, _layer_for(subject, method, layer)))
        found.attributions[method] = replace(one, agreement=agreement(rival.on_map(values, "importance"), difference.where))
