"""Maps and requests that cannot give an answer: what is said, and that nothing is claimed."""

import json

import numpy as np
import pytest

import mantid_insdl
from mantid_insdl.errors import InstabilityError, MaterialError, UnsuitableMapError
from mantid_insdl.fitting.refine import fit
from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.materials import load_material

TRUE = {"J1": 0.7, "J2": 0.006, "D": -0.0062}
NO_SIGNAL = "Nothing in the map stands out of its noise"


def slices(low=1.0, high=7.0, number=6, **options):
    q = np.linspace(-1, 1, 21)
    axes = {name: Axis(name, RLU, q, is_edges=True) for name in ("qh", "qk")}
    edges = np.linspace(low, high, number + 1)
    energies = Slices(np.full(number, 25.0), edges[:-1], edges[1:])
    return mantid_insdl.simulate("rb2mnf4", TRUE, slices=energies, **axes, counts=100_000, seed=1, **options)


@pytest.fixture(scope="module")
def m():
    return slices()


def says(found, *words):
    return [warning for warning in found.warnings if all(word in warning for word in words)]


def holds(found):
    return all(abs(value - TRUE[name]) < 4 * found.errors[name] for name, value in found.values.items())


def test_good_map_has_no_warnings(m):
    assert fit(m, "rb2mnf4", start={}).warnings == ()


@pytest.mark.parametrize(
    ("change", "source", "warning"),
    [
        (lambda m: m.replace(error=None), "The map has no errors", None),
        (lambda m: m.replace(error=np.zeros(m.shape)), "estimated from the map's scatter", "errors are zero"),
        (lambda m: m.replace(error=1e6 * m.error), "estimated from the map's scatter", "times larger than its scatter"),
        (lambda m: m.replace(error=1e-6 * m.error), "estimated from the map's scatter", "times smaller than its scatter"),
    ],
    ids=["none", "zero", "a million times larger", "a million times smaller"],
)
def test_errors_that_are_missing_or_cannot_be_meant(m, change, source, warning):
    found = fit(change(m), "rb2mnf4", start={})
    assert source in found.error_source
    assert bool(says(found, warning)) if warning else found.warnings == ()
    assert holds(found)


def test_one_slice_tells_less_and_says_so(m):
    one, all_of_them = fit(m.select([2]), "rb2mnf4", start={}), fit(m, "rb2mnf4", start={})
    assert holds(one) and all(one.errors[name] > all_of_them.errors[name] for name in TRUE)


def test_a_map_without_magnetic_signal_claims_nothing(m):
    noise = np.random.default_rng(0).normal(1.0, 0.1, m.shape)
    found = fit(m.replace(intensity=noise, error=np.full(m.shape, 0.1)), "rb2mnf4", start={})
    assert says(found, NO_SIGNAL)
    assert not any(one.determined for one in found.parameters)


def test_a_signal_that_is_no_spin_wave_is_not_explained(m):
    h, k = (axis.centres for axis in m.axes)
    ring = np.exp(-(((np.hypot(h[:, None], k) - 0.7) / 0.1) ** 2))
    noise = np.random.default_rng(0).normal(0.0, 0.05, m.shape)
    found = fit(m.replace(intensity=ring + noise, error=np.full(m.shape, 0.05)), "rb2mnf4", start={})
    assert says(found, "do not explain the map", "Do not rely on the answer")


def test_a_window_above_the_band(m):
    found = fit(slices(14.0, 20.0, background=1.0), "rb2mnf4", start={})
    assert says(found, "no spin waves at the energies of this map, 14.5 to 19.5 meV")
    assert says(found, NO_SIGNAL)


def test_the_map_of_another_lattice(m):
    found = fit(m, "example-triangular", start={})
    assert says(found, "another lattice", "a = 4.21", "a = 6")
    assert says(found, "do not explain") or says(found, "nowhere resembles")


def test_nothing_to_fit_but_scales(m):
    fixed = {**TRUE, "width": 1.0, "blur": 0.6, "flux": 0.0}
    found = fit(m, "rb2mnf4", fixed=fixed)
    assert found.free == () and found.covariance.shape == (0, 0)
    assert found.values == TRUE and set(found.errors.values()) == {0.0}
    assert found.scale[0] == pytest.approx(1.0, abs=0.1)
    assert found.warnings == ()


def test_a_start_outside_the_stable_region_is_said(m):
    found = fit(m, "rb2mnf4", start={"J1": 0.2, "J2": 0.15})
    assert says(found, "not stable at the values to start from", "drawn from its ranges")
    assert holds(found)


def test_no_stable_order_anywhere(m):
    with pytest.raises(InstabilityError, match=r"stable at none of .* sets of values"):
        fit(m, "rb2mnf4", fixed={"J1": 0.2, "J2": 0.15})


def own(tmp_path, **changes):
    path = tmp_path / "own.yaml"
    content = load_material("rb2mnf4").model_dump(mode="json", exclude_defaults=True)
    content.pop("closed_form")
    path.write_text(json.dumps(content | {"name": "own"} | changes))
    return path


def test_a_parameter_that_changes_nothing(m, tmp_path):
    content = load_material("rb2mnf4").model_dump(mode="json", exclude_defaults=True)
    parameters = [
        *content["parameters"],
        {"name": "B", "value": 0.0, "low": -1.0, "high": 1.0, "unit": "T", "description": "field along c"},
    ]
    # a field on both sublattices moves the two modes of the antiferromagnet apart, and with a g-tensor of next to nothing it does not
    sites = [{**site, "g": 1e-9} for site in content["sites"]]
    path = own(tmp_path, parameters=parameters, sites=sites, fields=[{"parameter": "B", "direction": [0, 0, 1]}])
    found = fit(m, path, start={})
    (field,) = (one for one in found.parameters if one.name == "B")
    assert not field.determined and field.error > 0.5
    assert says(found, "does not determine B", "-1 to 1 T")


def test_unknown_names_are_refused_with_the_known_ones(m):
    for options in ({"start": {"J9": 1.0}}, {"fixed": {"J9": 1.0}}):
        with pytest.raises(MaterialError, match=r"nothing called 'J9'.*J1, J2, D, width, blur, flux"):
            fit(m, "rb2mnf4", **options)


def test_too_few_pixels(m):
    mask = np.ones(m.shape, bool)
    mask[0, :3, :3] = False
    with pytest.raises(UnsuitableMapError, match="9 pixels"):
        fit(m.with_mask(mask), "rb2mnf4")
