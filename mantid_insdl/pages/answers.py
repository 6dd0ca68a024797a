"""The answers of an analysis and of a fit as HTML, from what their JSON files say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from mantid_insdl.pages.html import bullets, document, picture, table


def _number(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}"


def analysis_answers(content: Mapping[str, Any]) -> Iterable[str]:
    """What `report.json` says, as HTML."""
    yield "<h2>Which magnet it shows</h2>"
    if content["simulated"]:
        yield "<p>This is a simulated measurement.</p>"
    if found := content["classification"]:
        yield f"<p>Verdict of the networks: <b>{escape(found['verdict'])}</b></p>"
        rows = ((escape(one["model"]), _number(one["probability"]), _number(one["uncertainty"])) for one in found["models"])
        yield table(("model", "probability", "+-"), rows)
    if found := content["exchange"]:
        outside = "" if found["in_range"] else ": no answer, for the map is out of range"
        yield f"<p>Exchange constants of {escape(found['material'])}{outside}</p>"
        yield _constants(found["parameters"])
    yield bullets(content["warnings"])


def fit_answers(content: Mapping[str, Any]) -> Iterable[str]:
    """What `fit.json` says, as HTML."""
    yield "<h2>Fit without a network</h2>"
    if found := content["comparison"]:
        yield f"<p>Verdict of the comparison: <b>{escape(found['verdict'])}</b></p>"
        yield table(("material", "probability"), ((escape(name), _number(p)) for name, p in found["probabilities"].items()))
        yield bullets(found["warnings"])
    for one in content["fits"]:
        yield f"<p>{escape(one['material'])}: reduced chi-squared {_number(one['chi_squared'])}</p>"
        yield _constants(one["parameters"])
        yield bullets(one["warnings"])


def _constants(parameters: Iterable[Mapping[str, Any]]) -> str:
    rows = ((escape(p["name"]), _number(p["value"]), _number(p["error"]), escape(p["unit"])) for p in parameters)
    return table(("constant", "value", "+-", "unit"), rows)


def analysis_page(content: Mapping[str, Any], pngs: Mapping[str, bytes]) -> str:
    """One page of an analysis, with its pictures inside.

    Parameters
    ----------
    content
        Of `report.json`.
    pngs
        The pictures by the names of their files.
    """
    named = {one["name"]: one["content"] for one in content["files"]}
    what = content["map"]["material"] or "this map"
    rows = ((escape(one["path"]), f"{one['bytes']:,}") for one in content["inputs"])
    trust = (
        (escape(one["bundle"]["name"]), escape(one["bundle"]["version"]), escape(" ".join(one["limitations"]))) for one in content["trust"]
    )
    parts = [
        table(("file", "bytes"), rows),
        *analysis_answers(content),
        *(picture(png, named.get(name, name)) for name, png in pngs.items()),
        "<h2>What the answers rest on</h2>",
        table(("model", "version", "limitations"), trust),
        f'<p class="quiet">mantid_insdl {escape(content["software"]["mantid_insdl"])}, {escape(content["created"])}; '
        "all numbers are in report.json; why the network says so: insdl explain</p>",
    ]
    return document(f"Which magnet is {what}?", parts)
