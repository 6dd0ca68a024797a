"""A network's answer refined by a fit, with answers of a network set by hand."""

import dataclasses
import json

import numpy as np
import pytest

from mantid_insdl.analysis import Evidence, ExchangeFit, analyse, fit_exchange
from mantid_insdl.analysis.refinement import OF_NETWORK, disagreements, refined, starts_by_networks, starts_of, without_network
from mantid_insdl.errors import BundleError, MaterialError
from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.materials import load_material
from mantid_insdl.networks.bundles import BundleIdentity
from mantid_insdl.simulation.slices import simulate

TRUE = {"J1": 0.7, "J2": 0.03, "D": -0.02}


@pytest.fixture(scope="module")
def m():
    q = np.linspace(-1, 1, 17)
    edges = np.linspace(1, 7, 5)
    axes = {name: Axis(name, RLU, q, is_edges=True) for name in ("qh", "qk")}
    return simulate("rb2mnf4", TRUE, slices=Slices(np.full(4, 25.0), edges[:-1], edges[1:]), **axes, counts=60_000, seed=4, background=0.05)


def by_network(values=(0.68, 0.02, -0.015), errors=(0.05, 0.02, 0.01), in_range=True, warnings=("said by the network",)):
    evidence = Evidence("rb2mnf4", dict(zip(TRUE, values, strict=True)), 0.2, 0.01, (25.0,), (0.2,), (0.01,), 0.3)
    return ExchangeFit("rb2mnf4", tuple(TRUE), values, errors, ("meV",) * 3, in_range, warnings, BundleIdentity("toy", "1", "0"), evidence)


def test_the_fit_decides_and_the_network_is_kept_beside(m):
    proposed = by_network()
    found = refined(m, proposed, "fast")
    assert (found.network_values, found.network_errors) == (proposed.values, proposed.errors)
    for name, value, error in zip(found.names, found.values, found.errors, strict=True):
        assert abs(value - TRUE[name]) < 4 * error
        assert (found.fit.values[name], found.fit.errors[name]) == (value, error)
    assert found.in_range and found.evidence.unexplained < 0.1 and found.evidence.parameters == pytest.approx(found.parameters)
    assert found.warnings == (OF_NETWORK + "said by the network",)
    json.dumps(found.to_dict())
    assert ExchangeFit.from_dict(json.loads(json.dumps(found.to_dict()))) == dataclasses.replace(found, fit=None)


def test_a_network_out_of_its_range_does_not_keep_the_fit_from_an_answer(m):
    assert refined(m, by_network(in_range=False), "fast").in_range


def test_what_is_not_decided_stays_without_an_answer(m):
    found = refined(m, by_network(), "fast", decided=False)
    assert not found.in_range
    assert any("that the map shows rb2mnf4 is not decided" in warning for warning in found.warnings)


def test_a_map_that_is_not_explained_gets_no_answer(m):
    noise = m.replace(intensity=np.random.default_rng(0).normal(1.0, 0.1, m.shape), error=np.full(m.shape, 0.1))
    assert not refined(noise, by_network(), "fast").in_range
    assert not without_network(noise, "rb2mnf4", "fast").in_range


def test_disagreement_is_said_where_the_error_bars_do_not_meet(m):
    found = refined(m, by_network(), "fast").fit
    value, error = found.values["J1"], found.errors["J1"]
    close, apart = (by_network(values=(value + f * (error + 0.05), 0.02, -0.015), errors=(0.05, 1.0, 1.0)) for f in (0.99, 1.01))
    assert disagreements(close, found) == []
    (said,) = disagreements(apart, found)
    assert said.startswith("Network and fit disagree on J1: ")


def test_a_magnet_without_a_network(m):
    found = fit_exchange(m, material="rb2mnf4")
    assert found.bundle is None and found.network_values == () and found.in_range
    assert found.parameters == found.fit.values
    assert ExchangeFit.from_dict(found.to_dict()) == dataclasses.replace(found, fit=None)
    with pytest.raises(BundleError, match="both named"):
        fit_exchange(m, "rb2mnf4-exchange", material="rb2mnf4")


@pytest.mark.parametrize("ask", [fit_exchange, analyse])
def test_an_unknown_refinement_is_refused(m, ask):
    with pytest.raises(MaterialError, match=r"no refinement 'some'; use off, fast, full"):
        ask(m, refine="some")


@pytest.mark.tensorflow
def test_network_and_fit_together(m):
    network, both = fit_exchange(m), fit_exchange(m, refine="fast")
    assert both.network_values == network.values and network.fit is None
    assert both.fit is not None and both.values != network.values and both.bundle == network.bundle


def test_a_fit_starts_from_the_network_its_draws_and_the_published_values():
    draws = tuple((float(number), -1.0) for number in range(20))
    exchange = ExchangeFit("square", ("J", "D"), (1.0, -0.1), (0.1, 0.1), ("meV", "meV"), True, (), None, None, draws=draws)
    starts = starts_of(exchange)
    assert starts[0] == {"J": 1.0, "D": -0.1} and starts[-1] == {}
    assert starts[1:-1] == [{"J": one, "D": other} for one, other in draws[:16]]


@pytest.mark.tensorflow
def test_fits_of_several_models_begin_where_their_networks_say():
    q, windows = np.linspace(-0.975, 0.975, 40), np.linspace(0.1, 0.7, 11)
    axes = {name: Axis(name, RLU, q) for name in ("qh", "qk")}
    measured = simulate("pcsmo-dimer", slices=Slices.from_bins([50.0, 100.0], [50 * windows, 100 * windows]), **axes, counts=2e5)
    starts = starts_by_networks(measured.replace(material="pcsmo"), ("pcsmo-dimer", "pcsmo-zener", "pcsmo-intermediate"), "pcsmo")
    assert list(starts) == ["pcsmo-dimer", "pcsmo-zener"]  # there is no network for the constants of the third
    for name, sets in starts.items():
        assert len(sets) == 18 and sets[-1] == {} and all(list(one) == list(load_material(name).defaults) for one in sets[:-1])
        assert len({tuple(one.values()) for one in sets[1:-1]}) == 16
    assert starts["pcsmo-dimer"][0]["JFS"] == pytest.approx(-14.2, abs=2.0)
    assert starts_by_networks(measured.select(np.arange(1)).replace(material="pcsmo"), ("rb2mnf4",), "pcsmo") == {}
