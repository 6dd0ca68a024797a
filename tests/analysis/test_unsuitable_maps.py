"""Each map that a model cannot answer for gets one clear sentence."""

import numpy as np
import pytest

import mantid_insdl as insdl
from mantid_insdl.errors import BundleError, UnsuitableMapError
from mantid_insdl.maps import MEV, PER_ANGSTROM, RLU, Axis, Map, Slices

pytestmark = pytest.mark.tensorflow

ANALYSES = (insdl.denoise, insdl.classify, insdl.grad_cam, insdl.fit_exchange)


def powder() -> Map:
    axes = (Axis("q", PER_ANGSTROM, np.linspace(0, 4, 21), is_edges=True), Axis("energy", MEV, np.linspace(0, 30, 31), is_edges=True))
    return Map(np.ones((20, 30)), axes, ei=50.0, material="pcsmo")


def unsuitable(measured: Map) -> dict[str, tuple[Map, str]]:
    one_pixel = Map(
        np.ones((1, 1, 1)), (Axis("qh", RLU, [0.0]), Axis("qk", RLU, [0.0])), slices=Slices([50.0], [8.0], [11.0]), material="pcsmo"
    )
    slices = measured.slices
    foreign_windows = Slices(slices.ei + 500, slices.energy_min + 500, slices.energy_max + 500)
    above_ei = Slices(slices.ei, slices.energy_min + slices.ei, slices.energy_max + slices.ei)
    return {
        "|Q|-E where slices are needed": (powder(), "constant-energy slices"),
        "all masked": (measured.with_mask(np.ones(measured.shape, bool)), "empty"),
        "constant": (measured.replace(intensity=np.full(measured.shape, 3.0)), "constant"),
        "nothing positive": (measured.replace(intensity=-np.abs(np.nan_to_num(measured.intensity)) - 1), "no positive"),
        "one pixel": (one_pixel, "coarse"),
        "another unit": (
            measured.replace(axes=tuple(Axis(a.name, PER_ANGSTROM, a.values) for a in measured.axes)),
            "1/angstrom",
        ),
        "Ei not known": (
            measured.replace(slices=Slices(np.full(60, np.nan), measured.slices.energy_min, measured.slices.energy_max)),
            "incident energy",
        ),
        "no trained slice": (measured.replace(slices=foreign_windows), "the incident energy is 530"),
        "windows above Ei": (measured.replace(slices=above_ei), "ends above its incident energy"),
        "nearly all masked": (measured.with_mask(np.random.default_rng(0).random(measured.shape) < 0.995), "too little"),
    }


@pytest.mark.parametrize("analysis", ANALYSES, ids=lambda f: f.__name__)
def test_unsuitable_maps(analysis, measured):
    for what, (m, words) in unsuitable(measured).items():
        with pytest.raises(UnsuitableMapError) as caught:
            analysis(m)
        message = str(caught.value)
        assert words.lower() in message.lower(), what
        assert message.endswith(".") and "\n" not in message


def test_another_material(measured):
    with pytest.raises(UnsuitableMapError, match="knows nothing of rb2mnf4"):
        insdl.classify(measured.replace(material="rb2mnf4"), "pcsmo-classifier")


def test_material_without_models(measured):
    with pytest.raises(BundleError, match="No trained model"):
        insdl.classify(measured.replace(material="la2cuo4"))


def test_model_for_another_question(measured):
    with pytest.raises(BundleError, match="does not denoise"):
        insdl.denoise(measured, "pcsmo-classifier")


def test_unknown_model_lists_the_valid_ones(measured):
    with pytest.raises(BundleError, match="pcsmo-classifier"):
        insdl.classify(measured, "pcsmo-clasifier")


def test_no_material_and_several_models(measured):
    with pytest.raises(BundleError, match="rb2mnf4-exchange"):
        insdl.fit_exchange(measured.replace(material=None))


def test_unknown_class_and_layer_list_the_valid_ones(measured):
    with pytest.raises(BundleError, match="pcsmo-goodenough, pcsmo-dimer"):
        insdl.grad_cam(measured, target="zener")
    with pytest.raises(BundleError, match="last_convolution"):
        insdl.grad_cam(measured, layer="dense")


@pytest.mark.parametrize("analysis", ANALYSES, ids=lambda f: f.__name__)
def test_kind_of_map_is_named_before_the_model_and_the_material(analysis):
    for m in (powder(), powder().replace(material=None), powder().replace(material="la2cuo4")):
        with pytest.raises(
            UnsuitableMapError, match=r"No model can read this powder map: .* lost in a \|Q\|-E map; give \(Qh, Qk\) slices"
        ):
            analysis(m)
    with pytest.raises(UnsuitableMapError, match="powder map"):
        insdl.analysis.pipeline.analyse(powder().replace(material=None))


def test_map_elsewhere_is_not_called_coarse(measured):
    elsewhere = measured.replace(axes=tuple(Axis(a.name, RLU, a.values + 3) for a in measured.axes))
    with pytest.raises(
        UnsuitableMapError, match=r"outside the model's range along 'qh': it goes from 1\.97\d* to 4\.02\d*, and .* -1 to 1 r\.l\.u\."
    ):
        insdl.classify(elsewhere)
    corner = measured.replace(axes=tuple(Axis(a.name, RLU, a.values + 1.7) for a in measured.axes))
    with pytest.raises(UnsuitableMapError, match=r"too coarse or too small along 'qh': [67] of its 40 pixels lie in the model's range"):
        insdl.classify(corner)


def test_assumed_material_is_said(measured):
    sentence = "The map does not say of which material it is: PCSMO is assumed, for which pcsmo-{} was made."
    assert sentence.format("classifier") in insdl.classify(measured.replace(material=None)).warnings
    assert sentence.format("denoiser") in insdl.denoise(measured.replace(material=None)).provenance
    assert not any("assumed" in warning for warning in insdl.classify(measured).warnings)


def test_windows_beyond_training():
    axes = tuple(Axis(n, RLU, np.linspace(-1, 1, 40)) for n in ("qh", "qk"))
    intensity = np.random.default_rng(0).random((1, 40, 40))
    high = Map(intensity, axes, slices=Slices([30.0], [20.0], [25.0]), material="rb2mnf4")
    with pytest.raises(UnsuitableMapError, match="energy window is 20 to 25 meV"):
        insdl.fit_exchange(high)
    unknown = Map(intensity, axes, slices=Slices([np.nan], [2.0], [5.0]), material="rb2mnf4")
    with pytest.raises(UnsuitableMapError, match="incident energy is not known"):
        insdl.fit_exchange(unknown)


@pytest.mark.parametrize("name", ["../../etc", "no such", "/", "pcsmo-classifier/card.json", "x" * 5000, "\0"])
def test_every_error_is_one_of_ours(measured, name):
    """Nothing a user can pass as a model name ends in a foreign exception."""
    with pytest.raises(BundleError) as caught:
        insdl.classify(measured, name)
    assert "\n" not in str(caught.value)


def test_no_name_is_the_default(measured):
    assert insdl.classify(measured, "") == insdl.classify(measured) == insdl.classify(measured, "pcsmo-classifier")
