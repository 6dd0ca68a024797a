"""A mixture of the two models of PCSMO, of which the networks are sure."""

from __future__ import annotations

import numpy as np
import pytest

import mantid_insdl as insdl
from mantid_insdl.analysis.evidence import Comparison
from mantid_insdl.analysis.rival import Fitted, objection, share_of_second
from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.materials import load_material
from mantid_insdl.networks.bundles import find_bundle, read_card
from mantid_insdl.networks.preparation import prepare
from mantid_insdl.simulation.slices import simulate

MODELS = ("pcsmo-goodenough", "pcsmo-dimer")
EI = (25.0, 50.0, 100.0)


def mixture(share, ei=EI, neutrons=10.0, seed=0):
    """Counts of `share` of the Dimer model and else the Goodenough model, both at the published constants."""
    axes = {name: Axis(name, RLU, np.linspace(-1, 1, 40)) for name in ("qh", "qk")}
    slices = Slices.from_bins(ei, [np.linspace(0.1 * e, 0.7 * e, 11) for e in ei])
    one, other = (simulate(name, {}, slices=slices, **axes) for name in MODELS)
    signal = np.nan_to_num((1 - share) * one.intensity + share * other.intensity)
    counts = np.random.default_rng(seed).poisson(neutrons * signal / signal.mean()).astype(float)
    return one.replace(intensity=counts, mask=one.mask | other.mask, material="pcsmo")


def both(m, factor=1.0, steps=5):
    fitted = []
    for name in MODELS:
        card = read_card(find_bundle(f"{name}-exchange"))
        ranges = {output.name: (output.low, output.high) for output in card.outputs}
        defaults = load_material(name).defaults
        values = np.array([factor * defaults[one] for one in ranges])
        fitted.append(Fitted(Comparison(prepare(m, card), name), values, ranges).descend(steps=steps))
    return fitted


def test_a_mixture_is_objected_to_and_one_magnet_is_not():
    for share, mixed in ((0.5, True), (0.0, False), (1.0, False)):
        first, second = both(mixture(share, ei=(50.0, 100.0)), steps=1)
        found, said = share_of_second(first, second), objection(first, second)
        assert found.value == pytest.approx(share, abs=0.1) and found.error < 0.1
        assert ("looks like a mixture" in said and "pcsmo-dimer" in said) if mixed else said == ""


def test_least_squares_bring_a_magnet_to_the_map():
    m = mixture(0.0, ei=(100.0,))
    (far, _), (near, _) = both(m, factor=1.08), both(m)
    assert far.misfit < 1.05 * near.misfit


@pytest.mark.tensorflow
def test_a_mixture_gets_no_verdict():
    assert insdl.classify(mixture(0.5)).verdict not in MODELS
    assert insdl.classify(mixture(0.0)).verdict == "pcsmo-goodenough"
