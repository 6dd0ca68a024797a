"""Can the views of the classifier be believed? Figures over test maps, beside an untrained network and one trained on shuffled labels.

    python benchmarks/explain.py views [--maps N] [--methods NAME ...] [--model BUNDLE] [--json FILE]
    python benchmarks/explain.py physicist [--maps N] [--methods NAME ...] [--model BUNDLE]
    python benchmarks/explain.py controls [--maps N] [--methods NAME ...] [--epochs N] [--sets N]

views: of N test maps (simulated again from the seeds of the bundle's card, never trained on, measured as its recipe says) the mean area
under the deletion and insertion curves of each way to ask which pixels decided, beside random and the brightest pixels, with the standard
error of the difference; the rank correlation with the explanation by shuffled weights and with that of the map with more noise; and the
share of the maps whose explanation may be believed by `mantid_insdl.explain.faithfulness`.

physicist: of N test maps of Goodenough and of the Dimer, those that the network calls by their names and that can tell the two apart, how
far each points where the true model and the other one, refitted, differ: rank correlation of pixels, top tenth in common, rank correlation
of slices; asked why this model rather than all others, and why rather than the other of the two.

controls: an untrained network of the shape of the shipped one, and one that is trained for some epochs on maps whose labels were shuffled:
of every view a figure that tells them apart. Of attributions that is how many test maps are told right from the fifth of their pixels alone
that the explanation of the network's own answer points at.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from mantid_insdl.explain.activations import dead_filters
from mantid_insdl.explain.attribution import METHODS, as_importance, attribution
from mantid_insdl.explain.between import line_between
from mantid_insdl.explain.codes import nearest
from mantid_insdl.explain.deletion import ranked, without
from mantid_insdl.explain.faithfulness import References, faithfulness_of, references_of
from mantid_insdl.explain.filters import filters_of
from mantid_insdl.explain.gallery import Gallery, gallery_of
from mantid_insdl.explain.maximisation import maximised, physical_maps
from mantid_insdl.explain.neurons import neurons_of
from mantid_insdl.explain.physicist import ENOUGH, agreement
from mantid_insdl.explain.scoring import scorer
from mantid_insdl.explain.subject import Subject, open_subject
from mantid_insdl.fitting.calculation import calculation_for
from mantid_insdl.fitting.information import separation_of
from mantid_insdl.fitting.likelihood import Likelihood
from mantid_insdl.materials import load_material
from mantid_insdl.networks.backend import import_keras
from mantid_insdl.networks.bundles import Bundle, load_bundle
from mantid_insdl.networks.prediction import in_both_orientations, logits_of, predict, with_embedding

RIVAL = {"pcsmo-goodenough": "pcsmo-dimer", "pcsmo-dimer": "pcsmo-goodenough"}


def test_maps(bundle, number: int) -> Gallery:
    """Test maps of a bundle: chunks of its card's recipe that were never trained on."""
    materials = len(bundle.card.materials)
    return gallery_of(bundle, max(1, -(-number // (20 * materials))), split="test")


def chosen(gallery: Gallery, number: int) -> np.ndarray:
    """As many maps of each material, in turn."""
    each = [np.flatnonzero(gallery.data.material == i) for i in range(len(gallery.materials))]
    return np.array([one[i] for i in range(min(map(len, each))) for one in each])[:number]


@dataclass
class Asked:
    """The maps of a gallery as subjects; networks are compiled once for each class."""

    bundle: Bundle
    gallery: Gallery
    compiled: dict[str, Subject] = field(default_factory=dict)
    shuffled: dict[str, Subject] = field(default_factory=dict)

    def subject(self, index: int) -> Subject:
        found = open_subject(self.gallery.measured(int(index)).replace(material=self.bundle.card.family), self.bundle.path)
        return replace(found, networks=self.compiled.setdefault(found.target, found).networks)

    def against(self, subject: Subject, rival: str) -> Subject:
        key = f"{subject.target}, not {rival}"
        if key not in self.compiled:
            self.compiled[key] = subject.against(subject.target, rival)
        return replace(subject, networks=self.compiled[key].networks)

    def references(self, subject: Subject) -> References:
        found = references_of(subject, self.shuffled.get(subject.target))
        self.shuffled.setdefault(subject.target, found.shuffled)
        return found


def views(arguments: argparse.Namespace) -> None:
    bundle = load_bundle(arguments.model)
    gallery = test_maps(bundle, arguments.maps)
    asked = Asked(bundle, gallery)
    rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in arguments.methods}
    seconds = dict.fromkeys(arguments.methods, 0.0)
    for done, index in enumerate(chosen(gallery, arguments.maps), 1):
        subject = asked.subject(index)
        references = asked.references(subject)
        for name in arguments.methods:
            begin = time.process_time()
            own = attribution(subject, name)
            seconds[name] += time.process_time() - begin
            tested = faithfulness_of(subject, lambda one, name=name: attribution(one, name), references, own=own)
            areas = (*tested.explained.areas, *tested.random.areas, *tested.brightest.areas)
            rows[name].append((*areas, tested.randomised, tested.stability, float(not tested.warnings)))
        if done % 10 == 0:
            print(f"{done} maps", flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(rows))
    table(rows, seconds)


def table(rows: dict[str, list[tuple[float, ...]]], seconds: dict[str, float]) -> None:
    number = len(next(iter(rows.values())))
    print(f"\n{number} test maps; areas under the curves (logits); the differences with their standard errors")
    heads = ("deletion", "less random", "insertion", "over random", "over brightest", "shuffled", "noise", "believed", "s")
    print(f"{'':22}" + "".join(f"{head:>16}" for head in heads))
    for name, figures in rows.items():
        d, i, rd, ri, _, bi, shuffled, noise, believed = np.array(figures).T
        means = (f"{d.mean():.2f}", pair(rd - d), f"{i.mean():.2f}", pair(i - ri), pair(i - bi), f"{shuffled.mean():.2f}")
        rest = (f"{noise.mean():.2f}", f"{believed.mean():.2f}", f"{seconds[name] / number:.2f}")
        print(f"{name:22}" + "".join(f"{text:>16}" for text in (*means, *rest)))


def pair(values: np.ndarray) -> str:
    return f"{values.mean():.2f} +- {values.std(ddof=1) / np.sqrt(values.size):.2f}"


def physicist(arguments: argparse.Namespace) -> None:
    bundle = load_bundle(arguments.model)
    gallery = test_maps(bundle, 3 * arguments.maps // 2)
    asked = Asked(bundle, gallery)
    rows: dict[str, list[tuple[float, ...]]] = {}
    wrong = blind = right = 0
    for index in chosen(gallery, 3 * arguments.maps // 2):
        name = gallery.materials[gallery.data.material[index]]
        if name not in RIVAL:
            continue
        subject = asked.subject(index)
        where = difference_at_the_truth(subject, name, gallery.parameters(int(index)))
        if where.intensity[~where.mask].sum() < ENOUGH:
            blind += 1
            continue
        if subject.target != name:
            wrong += 1  # it points where another model's signs are
            continue
        right += 1
        for question, one in (("", subject), (", not the other", asked.against(subject, RIVAL[name]))):
            for method in arguments.methods:
                importance = as_importance(one, attribution(one, method))
                found = agreement(one.on_map(importance, method), where)
                rows.setdefault(method + question, []).append((found.rank, found.overlap, found.slice_rank))
        print(f"{right} maps that it calls by their names, {wrong} that it does not, {blind} that cannot tell", flush=True)
        if right % 5 == 0:
            show(rows)
    show(rows)


def show(rows: dict[str, list[tuple[float, ...]]]) -> None:
    print(f"{'':38}{'pixels, rank':>18}{'top tenth':>18}{'slices, rank':>18}")
    for method, figures in rows.items():
        print(f"{method:38}" + "".join(f"{pair(one):>18}" for one in np.array(figures).T), flush=True)


def difference_at_the_truth(subject: Subject, name: str, parameters: dict[str, float]):
    """Where the true model and the other one, all of whose constants are refitted to it, differ on the map's pixels."""
    m = subject.map
    truth = calculation_for(m, name)
    exact = Likelihood(truth)
    (point,) = exact.points(exact.theta(parameters)[None])
    other = Likelihood(calculation_for(m, RIVAL[name]))
    other.sigma = exact.sigma
    start = load_material(RIVAL[name]).defaults | alike(name, parameters)
    (begin,) = other.points(other.theta(start)[None])
    return separation_of(point.model, other, begin).where()


def alike(name: str, p: dict[str, float]) -> dict[str, float]:
    """The constants of the other model that are most like those of one."""
    shared = {one: p[one] for one in ("Jperp", "D")}
    if name == "pcsmo-goodenough":
        return {"JFS": 1.1 * p["JF1"], "JFW": 0.9 * p["JF1"], "JA1": p["JA"], "JA2": p["JA"], **shared}
    return {"JF1": 0.5 * (p["JFS"] + p["JFW"]), "JA": 0.5 * (p["JA1"] + p["JA2"]), "JF2": 0.0, "JF3": 0.0, **shared}


def controls(arguments: argparse.Namespace) -> None:
    bundle = load_bundle(arguments.model)
    gallery = test_maps(bundle, max(arguments.maps, 180))
    shipped = bundle.models[0]
    networks = {"shipped": shipped, "shuffled labels": on_shuffled_labels(bundle, arguments), "untrained": untrained(shipped)}
    print(f"{'':50}" + "".join(f"{name:>18}" for name in networks))
    rows: dict[str, list[str]] = {}
    for network in networks.values():
        for what, figure in figures_of(bundle, network, gallery, arguments.maps, arguments.methods).items():
            rows.setdefault(what, []).append(figure)
    for what, figures in rows.items():
        print(f"{what:50}" + "".join(f"{figure:>18}" for figure in figures))


def untrained(network):
    return import_keras().models.clone_model(network)


def on_shuffled_labels(bundle, arguments: argparse.Namespace):
    """The shipped network's shape, trained on training maps whose labels have changed places."""
    keras = import_keras()
    maps = gallery_of(bundle, arguments.sets)
    network = untrained(bundle.models[0])
    label = np.random.default_rng(0).permutation(maps.data.material)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(optimizer=keras.optimizers.Adam(2e-3), loss=loss, metrics=["accuracy"])
    inputs = {tensor.name: getattr(maps.maps, tensor.name) for tensor in network.inputs}
    network.fit(inputs, label, batch_size=16, epochs=arguments.epochs, verbose=2)
    return network


def figures_of(bundle, network, gallery: Gallery, number: int, methods: Sequence[str]) -> dict[str, str]:
    """Of one network what each view says, of attributions those by `methods`."""
    names, materials = len(bundle.card.materials), gallery.data.material
    one = SimpleNamespace(models=[network], card=bundle.card, path=bundle.path, arrays={}, identity=bundle.identity)
    outputs, codes = in_both_orientations(partial(predict, with_embedding(network)), gallery.maps)
    seen = replace(gallery, outputs=outputs.mean(axis=0), codes=codes)
    z = (codes - codes.mean(axis=0)) / np.maximum(codes.std(axis=0), 1e-9)
    plane = z @ np.linalg.svd(z, full_matrices=False)[2][:2].T
    filters = {found.layer: found for found in filters_of(one)}
    classes = {neuron.name: neuron for neuron in neurons_of(one, seen) if neuron.name in gallery.materials}
    driven = [materials[it.index] == gallery.materials.index(name) for name, neuron in classes.items() for it in neuron.maps]
    dead = dead_filters(one, gallery.maps)
    found = {
        "accuracy": f"{np.mean(told(outputs, names) == materials):.2f}",
        "activations: variance between models": f"{between_models(codes, materials):.2f}",
        "activations: dead filters": str(sum(len(one) for one in dead.values())),
        "weights: smoothness, first layer": f"{filters['convolution_1'].smoothness:.2f}",
        "weights: smoothness, last layer": f"{filters['convolution_4'].smoothness:.2f}",
        "neurons: maps that drive a class": f"{np.mean(driven):.2f}",
        "codes: neighbours of one model": f"{neighbours(z, materials):.2f}",
        "atlas: the same in its plane": f"{neighbours(plane, materials):.2f}",
    }
    right: dict[str, list[bool]] = {method: [] for method in (*methods, "random pixels")}
    asked, compiled, insertion, believed, turns = Asked(bundle, gallery), {}, [], [], []
    for index in chosen(gallery, number):
        answer = int(told(outputs[:, [index]], names)[0])
        if answer not in compiled:
            compiled[answer] = scorer(network, "classify", names, answer)
        subject = replace(asked.subject(index), bundle=one, networks=(compiled[answer],), index=answer, target=gallery.materials[answer])
        for method in methods:
            values = attribution(subject, method)
            right[method].append(told_from_a_fifth(subject, values) == materials[index])
            if method == "grad-cam":
                tested = faithfulness_of(subject, lambda it: attribution(it, "grad-cam"), own=values)
                insertion.append(tested.explained.areas[1] - tested.brightest.areas[1])
                believed.append(not tested.warnings)
        right["random pixels"].append(told_from_a_fifth(subject, np.zeros(subject.shown.shape[:-1])) == materials[index])
        name = gallery.materials[materials[index]]
        if name in RIVAL:
            ends = [(name, gallery.parameters(int(index))), (RIVAL[name], alike(name, gallery.parameters(int(index))))]
            turns.append(np.isfinite(line_between(subject.against(name, RIVAL[name]), *ends, steps=5).turn))
    grown = maximised(subject, physical_maps(subject, seen), steps=20)
    found["maximisation: score, grown over nearest"] = f"{grown.score - grown.nearest_score:.1f}"
    found |= {f"{method}: told right from its fifth": f"{np.mean(values):.2f}" for method, values in right.items()}
    if insertion:
        found["grad-cam: insertion over brightest"] = pair(np.array(insertion))
        found["grad-cam: believed"] = f"{np.mean(believed):.2f}"
    found["between: lines on which it changes its mind"] = f"{np.mean(turns):.2f}"
    return found


def told(outputs: np.ndarray, names: int) -> np.ndarray:
    """The class that outputs (orientation, n, output) are for, (n,)."""
    return outputs.mean(axis=0)[:, :names].argmax(axis=1)


def told_from_a_fifth(subject: Subject, values: np.ndarray) -> int:
    """The class that the networks tell from the most important fifth of the pixels alone."""
    order = ranked(subject.shown, values, np.random.default_rng(0))
    logits, _ = logits_of(subject.bundle, subject.versions(without(subject.shown, order[round(0.2 * order.size) :])[None]))
    return int(told(logits, len(subject.bundle.card.materials))[0])


def between_models(codes: np.ndarray, materials: np.ndarray) -> float:
    """Share of the variance of the last layer's features that lies between the maps of different models: the mean over those that vary."""
    means = np.stack([codes[materials == one].mean(axis=0) for one in range(materials.max() + 1)])[materials]
    alive = codes.std(axis=0) > 1e-6 * codes.std(axis=0).max()
    return float(np.mean(means.var(axis=0)[alive] / codes.var(axis=0)[alive]))


def neighbours(points: np.ndarray, materials: np.ndarray) -> float:
    return float(np.mean(materials[nearest(points, points, own=True)] == materials[:, None]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("views", "physicist", "controls"))
    parser.add_argument("--maps", type=int, default=200)
    parser.add_argument("--methods", nargs="+", choices=METHODS, help="by default all, but for views and physicist occlusion by patch")
    parser.add_argument("--model", default="pcsmo-classifier")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--sets", type=int, default=12, help="chunks of training maps of each model")
    arguments = parser.parse_args()
    arguments.methods = arguments.methods or [name for name in METHODS if name != "occlusion-patch" or arguments.what == "controls"]
    {"views": views, "physicist": physicist, "controls": controls}[arguments.what](arguments)


if __name__ == "__main__":
    main()
