"""All views together: what one needs of another, and the folder that they are written into."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mantid_insdl.errors import BundleError, InsdlError, OutputError, UnsuitableMapError
from mantid_insdl.explain import explanation
from mantid_insdl.explain.explanation import check_views, explain_answer
from mantid_insdl.explain.physicist import Difference
from mantid_insdl.maps import RLU, Axis, Map, Slices
from mantid_insdl.progress import ignore_progress
from mantid_insdl.report.explain import CAPTIONS, _fits, explanation_in, possible_files


def picture(values):
    axes = tuple(Axis(name, RLU, np.linspace(-1, 1, 10)) for name in ("qh", "qk"))
    return Map(values, axes, slices=Slices.from_bins([50.0], [np.linspace(5.0, 35.0, 4)]))


@pytest.mark.tensorflow
def test_the_line_between_models_is_given_where_nothing_else_is_asked_for(measured, monkeypatch):
    """It begins and ends at the fits of the physicist, which are made for it."""
    fits = [SimpleNamespace(material=name, values={"D": number}) for number, name in enumerate(("pcsmo-goodenough", "pcsmo-dimer"), 1)]
    where = picture(np.full((3, 10, 10), 0.011))  # 3.3 in all: enough to tell them apart
    difference = Difference("pcsmo-goodenough", "pcsmo-dimer", where, SimpleNamespace(fits=fits))
    monkeypatch.setattr(explanation, "where_models_differ", lambda *_: difference)
    monkeypatch.setattr(explanation.between, "line_between", lambda subject, first, second: (subject, first, second))
    found = explain_answer(measured, views=["between"])
    assert found.line == (found.rival, ("pcsmo-goodenough", {"D": 1}), ("pcsmo-dimer", {"D": 2})) and found.difference is difference
    assert not found.attributions and found.gallery is None
    assert found.rival.target == "pcsmo-goodenough" and not found.warnings


@pytest.mark.tensorflow
def test_no_explanation_is_held_against_fits_that_cannot_tell(measured, monkeypatch):
    where = picture(np.full((3, 10, 10), 0.009))
    monkeypatch.setattr(explanation, "where_models_differ", lambda *_: Difference("pcsmo-goodenough", "pcsmo-dimer", where, None))
    found = explain_answer(measured, views=["physicist", "cam"])
    assert found.attributions["cam"].agreement is None and found.rival is None
    assert "cannot tell pcsmo-goodenough from pcsmo-dimer" in found.warnings[-1] and "2.7" in found.warnings[-1]


def test_the_page_has_the_constants_of_the_fits_the_best_first():
    def fitted(material, log_likelihood, finished):
        return SimpleNamespace(
            material=material,
            log_likelihood=log_likelihood,
            finished=finished,
            parameters=[SimpleNamespace(name="J<1", value=-10.787, error=0.0189)],
        )

    fits = (fitted("second", -120.0, True), fitted("best", -100.0, True), fitted("third", -900.0, False))
    text = _fits(SimpleNamespace(fits=fits, materials=("second", "best", "third"), probabilities=(0.01, 0.98, 0.002)))
    assert text.index(">best<") < text.index(">second<") < text.index(">third<")
    rows = text.split("<tr>")[2:]
    assert "0.98" in rows[0] and ">0<" in rows[0] and ">20<" in rows[1] and ">800<" in rows[2]
    assert "J&lt;1 -10.79 +- 0.019" in rows[0] and "given up" not in rows[0] + rows[1] and "given up far behind" in rows[2]


@pytest.mark.tensorflow
def test_a_map_that_cannot_be_fitted_has_the_other_views(measured, monkeypatch):
    """What the fits say of it is a warning; where nothing else was asked for, it is the answer."""

    def refused(*_):
        raise UnsuitableMapError("too little of the map is known to fit it", "49 pixels are", "check the mask")

    monkeypatch.setattr(explanation, "where_models_differ", refused)
    found = explain_answer(measured, views=["physicist", "between", "cam"])
    assert found.attributions["cam"].agreement is None and found.difference is None and found.line is None
    assert found.warnings[-1].startswith("There is no physicist to hold it against. Too little of the map is known")
    with pytest.raises(UnsuitableMapError, match="known to fit it"):
        explain_answer(measured, views=["between"])


def test_names_that_there_are_not():
    with pytest.raises(InsdlError, match=r"there are cam, grad-cam.*did you mean 'between'.*name some of these"):
        check_views(["cam", "betwen"])


@pytest.mark.parametrize("name", ["features.png", "maximised.png", "report.html", "grad-cam.nxs"])
def test_files_of_others_are_not_overwritten(tmp_path, name):
    """That shows before anything is computed."""
    (tmp_path / name).write_text("mine")
    with pytest.raises(OutputError, match="would be overwritten"):
        explanation_in(tmp_path, lambda told: pytest.fail("computed first"), progress=ignore_progress)
    assert (tmp_path / name).read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.tensorflow
def test_every_picture_is_one_of_the_possible_files_and_has_a_caption(measured, gallery, subject):
    from mantid_insdl.explain.maximisation import maximised, physical_maps
    from mantid_insdl.explain.neurons import neurons_of
    from mantid_insdl.report.explain import _drawings

    found = explain_answer(measured, views=["weights", "grad-cam"])
    found.gallery, found.neurons = gallery, neurons_of(subject.bundle, gallery, number=2)
    grown = maximised(subject, physical_maps(subject, gallery), steps=1)
    found.maximised = {subject.target: grown, "feature 3": grown}
    drawings = _drawings(found)
    assert {"features.png", "classes.png", "maximised.png", "maximised-feature.png"} <= set(drawings) <= set(possible_files())
    assert {"features.png", "classes.png"} <= set(CAPTIONS)
    features = drawings["features.png"]()
    assert len(features.axes) == 6 and [text.get_text() for text in features.texts[1:]] == [one.name for one in found.neurons[:3]]
    assert "meV" in features.axes[0].get_xlabel() and len(features.axes[0].patches) == 1
    assert len(drawings["filters.png"]().axes) == 1


def test_no_layer_of_that_name():
    from mantid_insdl.errors import require_known

    require_known("a", ("a", "b"), "no")
    with pytest.raises(
        BundleError, match=r"^No layer 'convolution_9': it has convolution_1, first \(did you mean 'convolution_1'\?\); name one\.$"
    ):
        require_known("convolution_9", ("convolution_1", "first"), "no layer 'convolution_9'", listed="it has", error=BundleError)
