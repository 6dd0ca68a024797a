"""Fixtures that several rooms share."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest


def pytest_collection_modifyitems(items):
    """Skip what needs TensorFlow where it is not installed. It is not imported for that: its settings are made at its first import."""
    if find_spec("tensorflow") is None:
        for item in items:
            if item.get_closest_marker("tensorflow"):
                item.add_marker(pytest.mark.skip(reason="TensorFlow is not installed; the networks cannot run"))


@pytest.fixture
def repository():
    """The checkout; an installed package has no docs."""
    root = Path(__file__).resolve().parents[1]
    if not (root / "docs" / "make_docs.py").is_file():
        pytest.skip("no docs folder here")
    return root


@pytest.fixture
def hand_made_fit():
    """A function that makes a fit to a map, of two parameters, without fitting."""
    from mantid_insdl.fitting.results import Fit, Fitted

    def make(m, **changes):
        contents = {
            "material": "pcsmo-goodenough",
            "parameters": (Fitted("JF1", -11.0, 0.4, "meV", -20.0, 0.0), Fitted("JA", 1.6, 0.1, "meV", 0.0, 3.0)),
            "nuisances": (Fitted("width", 1.1, 0.05, "", 0.3, 3.0), Fitted("flux", 0.0, 0.0, "", 0.0, 1.0, True, True)),
            "covariance": np.array([[0.16, 0.02, 0.0], [0.02, 0.01, 0.0], [0.0, 0.0, 0.0025]]),
            "free": ("JF1", "JA", "width"),
            "incident_energies": tuple(m.slices.unique_ei),
            "scale": (200.0,) * len(m.slices.unique_ei),
            "background": (0.3,) * len(m.slices.unique_ei),
            "log_likelihood": -1234.5,
            "pixels": int((~m.mask).sum()),
            "chi_squared": 1.25,
            "error_scale": 1.1,
            "model_error": 0.2,
            "error_source": "The map's own errors.",
            "data": m,
            "model": m.replace(intensity=0.9 * m.intensity, error=np.ones(m.shape)),
            "evaluations": 100,
            "warnings": ("The map does not determine D.",),
        }
        return Fit(**(contents | changes))

    return make


@pytest.fixture
def hand_made_analysis(hand_made_fit):
    """A function that makes the results of an analysis of a map without any network or fit."""
    from mantid_insdl.analysis import Analysis, Classification, Evidence, ExchangeFit
    from mantid_insdl.networks.bundles import BundleIdentity, find_bundle, read_card

    def identity(name):
        card = read_card(find_bundle(name))
        return BundleIdentity(card.name, card.version, card.sha256)

    def make(m, **changes):
        logs = dict(
            zip(("insdl_model", "insdl_model_version", "insdl_model_sha256"), ((x, "") for x in identity("pcsmo-denoiser")), strict=True)
        )
        evidence = Evidence("pcsmo-goodenough", {"JF1": -11.0, "JA": 1.6}, 0.12, 0.01, (25.0, 50.0), (0.14, 0.11), (0.02, 0.01), 0.3)
        classification = Classification(
            models=("pcsmo-goodenough", "pcsmo-dimer"),
            probabilities=(0.97, 0.03),
            uncertainties=(0.01, 0.01),
            strangeness=0.4,
            verdict="pcsmo-goodenough",
            in_range=True,
            warnings=("Incident energies 140 meV are missing and were masked.",),
            bundle=identity("pcsmo-classifier"),
            evidence=evidence,
        )
        exchange = ExchangeFit(
            material="pcsmo-goodenough",
            names=("JF1", "JA"),
            values=(-11.0, 1.6),
            errors=(0.4, 0.1),
            units=("meV", "meV"),
            in_range=True,
            warnings=(),
            bundle=identity("pcsmo-goodenough-exchange"),
            evidence=evidence,
            network_values=(-12.5, 1.2),
            network_errors=(0.8, 0.3),
            fit=hand_made_fit(m),
        )
        contents = {
            "measured": m,
            "denoised": m.replace(logs=logs),
            "classification": classification,
            "exchange": exchange,
            "fit": m.scaled(0.9),
            "importance": m.replace(intensity=np.clip(m.intensity / np.nanmax(m.intensity), 0, 1), error=None),
            "warnings": classification.warnings,
        }
        return Analysis(**(contents | changes))

    return make


@pytest.fixture
def follower():
    """A function that makes a magnet the order of which follows its parameters, by its name; or, with changes, one like it."""
    from mantid_insdl.materials.material import Material

    chain = {
        "family": "example",
        "sources": ["closed form"],
        "cell": {"a": 6.0, "b": 8.0, "c": 8.0},
        "relaxed": True,
        "bonds": [{"parameter": "J", "distance": 3.0}],
        "fields": [{"parameter": "B", "direction": [0, 0, 1]}],
        "map": {"cell": [[2, 0, 0], [0, 1, 0], [0, 0, 1]]},
    }
    exchange = {"name": "J", "value": 1.0, "low": 0.5, "high": 2.0, "description": "along the chain"}
    anisotropy = {"name": "D", "value": -0.2, "low": -0.5, "high": 0.0, "description": "easy axis"}

    def field(value, low, high):
        return {"name": "B", "value": value, "unit": "T", "low": low, "high": high, "description": "along z"}

    def sites(first, second):
        return [
            {"label": name, "positions": [[x, 0, 0]], "spin": 1.0, "direction": n, "ion": "Ni2+"}
            for name, x, n in (("a", 0, first), ("b", 0.5, second))
        ]

    easy_axis = {"anisotropy": [{"parameter": "D", "axis": [0, 0, 1]}]}
    canted = sites([1, 0, 0.2], [-1, 0, 0.2])
    magnets = {
        "canted": {**chain, "sites": canted, "parameters": [exchange, field(9.0, 4.0, 14.0)]},
        "flopped": {**chain, **easy_axis, "sites": canted, "parameters": [exchange, anisotropy, field(12.0, 8.0, 20.0)]},
        "easy-axis": {
            **chain,
            **easy_axis,
            "sites": sites([0, 0, 1], [0, 0, -1]),
            "parameters": [exchange, anisotropy, field(1.0, 0.0, 20.0)],
        },
        "spiral": {
            "family": "example",
            "sources": ["closed form"],
            "parameters": [
                {"name": "J1", "value": -1.0, "low": -1.6, "high": -0.4, "description": "nearest neighbours"},
                {"name": "J2", "value": 0.5, "low": 0.3, "high": 1.0, "description": "next-nearest neighbours"},
            ],
            "cell": {"a": 3.0, "b": 8.0, "c": 8.0},
            "sites": [{"label": "Cu", "positions": [[0, 0, 0]], "spin": 0.5, "direction": [1, 0, 0], "ion": "Cu2+"}],
            "spiral": {"k": [0.15, 0, 0], "axis": [0, 0, 1]},
            "relaxed": True,
            "bonds": [{"parameter": "J1", "shell": 1}, {"parameter": "J2", "distance": 6.0}],
        },
    }

    def make(name, **changes):
        return Material.model_validate({"name": name, "title": name, **magnets[name], **changes})

    return make
