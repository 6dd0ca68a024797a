"""Material files: the shipped ones, and the messages for wrong ones."""

import dataclasses
import json
from collections import Counter
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from mantid_insdl.errors import InstabilityError, MaterialError
from mantid_insdl.maps import RLU, Axis, Slices
from mantid_insdl.materials import Material, load_material, material_names, parse_parameters
from mantid_insdl.materials.spin_waves import modes_of
from mantid_insdl.simulation.slices import simulate
from mantid_insdl.spinwave import ordering_vector, relax_spiral, spin_waves
from mantid_insdl.spinwave.rotating_frame import turning_model
from mantid_insdl.spinwave.structure import ClassicalEnergy

MATERIALS = resources.files("mantid_insdl.materials")


def test_shipped_materials_are_valid_and_stable():
    assert {"pcsmo-goodenough", "pcsmo-dimer", "rb2mnf4"} <= set(material_names())
    q = np.random.default_rng(0).uniform(-1, 1, (50, 3))
    for name in material_names():
        material = load_material(name)
        assert material.name == name and material.sources and material.frame
        assert modes_of(material, q, material.couplings(material.defaults)).stable.all()


@pytest.mark.parametrize(
    ("name", "bonds"),
    [
        ("pcsmo-goodenough", {"JF1": 16, "JA": 16, "JF2": 8, "JF3": 8, "Jperp": 8}),
        ("pcsmo-dimer", {"JFS": 8, "JFW": 8, "JA1": 8, "JA2": 8, "Jperp": 8}),
        ("rb2mnf4", {"J1": 4, "J2": 4}),
        ("la2nio4", {"J1": 4, "J2": 4}),
        ("pcsmo-zener", {"JFU": 8, "JFD": 8, "JA": 8, "Jperp": 4}),
        ("example-chain", {"J": 2}),
        ("example-triangular", {"J": 9}),
        ("example-kagome", {"J": 6, "Dz": 6}),
    ],
)
def test_number_of_bonds(name, bonds):
    assert Counter(bond.parameter for bond in load_material(name).model.bonds) == bonds


@pytest.mark.parametrize("name", ["pcsmo-goodenough", "pcsmo-dimer"])
def test_chain_exchange_joins_parallel_spins_and_the_rest_antiparallel(name):
    model = load_material(name).model
    for bond in model.bonds:
        parallel = model.sites[bond.i].direction @ model.sites[bond.j].direction
        assert parallel == (1 if bond.parameter.startswith("JF") else -1)


def test_dimer_bonds_alternate_along_each_chain():
    model = load_material("pcsmo-dimer").model
    ends = Counter((site, b.parameter) for b in model.bonds if b.parameter in ("JFS", "JFW") for site in (b.i, b.j))
    assert set(ends.values()) == {1} and len(ends) == 32


def test_one_prior_for_the_antiferromagnetic_exchange_of_both_models():
    # or a network could tell the classes by the range they were drawn from
    ranges = {(p.low, p.high) for n in ("pcsmo-goodenough", "pcsmo-dimer") for p in load_material(n).parameters if p.name.startswith("JA")}
    assert ranges == {(0.0, 3.0)}


@pytest.mark.parametrize(
    ("name", "ranges", "expected"),
    [
        ("pcsmo-goodenough", {"JF1": (-20, 0), "JA": (0, 3), "JF2": (-3, 3), "JF3": (-3, 3), "Jperp": (0, 3), "D": (0, 0.2)}, 0.1),
        ("pcsmo-dimer", {"JFS": (-20, 0), "JFW": (-20, 0), "JA1": (-3, 3), "JA2": (-3, 3), "Jperp": (0, 3), "D": (0, 0.2)}, 0.6),
    ],
)
def test_fraction_of_published_draws_that_is_unstable(name, ranges, expected):
    rng = np.random.default_rng(3)
    draws = {n: rng.uniform(*limits, 200) for n, limits in ranges.items()}
    line = np.arange(0, 1, 0.25)
    q = np.stack(np.meshgrid(line, line, [0.0], indexing="ij"), -1).reshape(-1, 3)
    unstable = 1 - spin_waves(load_material(name).model, q, draws).stable.mean()
    assert unstable == pytest.approx(expected, abs=0.08)


def test_resolve_takes_overrides_and_refuses_wrong_ones():
    material = load_material("rb2mnf4")
    assert material.resolve({"J1": 0.5}) == {**material.defaults, "J1": 0.5}
    with pytest.raises(MaterialError, match=r"no parameter 'J3'.*J1, J2, D"):
        material.resolve({"J3": 1.0})
    for bad in (float("nan"), float("inf"), "much", None):
        with pytest.raises(MaterialError, match="J1 is"):
            material.resolve({"J1": bad})
    with pytest.raises(MaterialError, match=r"B is 'strong'.*in T"):
        load_material("example-chain").resolve({"B": "strong"})


def test_parameter_text():
    assert parse_parameters("J1=0.65, J2 = 1.2e-2;D=-.01") == {"J1": 0.65, "J2": 0.012, "D": -0.01}
    assert parse_parameters("  ") == {}
    for bad in ("J1", "J1=", "J1=x", "J1=0.6 J2=0.1", "=1", "J1=nan", "J1=1=2", "J1=1, J1=2"):
        with pytest.raises(MaterialError):
            parse_parameters(bad)


def test_renormalisation_scales_all_energies():
    # La2NiO4 at (1/4, 1/4): 4 S (J1 - J2) times the factor
    material = load_material("la2nio4")
    modes = spin_waves(material.model, [[0.5, 0.0, 0.0]], material.couplings(material.defaults))
    assert modes.energies[0, 0] == pytest.approx([1.09 * 4 * (29.0 - 1.67)] * 2)


def test_published_zener_polaron_is_no_ground_state():
    # with the published directions the structure is not even stationary; the shipped one reaches the bound of Luttinger and Tisza
    material = load_material("pcsmo-zener")
    published = {"up": [0, 1, 0], "lf": [-1, 0, 0], "dn": [0, -1, 0], "rg": [1, 0, 0]}
    sites = [
        dataclasses.replace(s, direction=np.array(published[s.label], float) * (1 if s.position[2] > 0 else -1))
        for s in material.model.sites
    ]
    model = dataclasses.replace(material.model, sites=tuple(sites))
    with pytest.raises(InstabilityError, match="not stationary"):
        spin_waves(model, [[0.1, 0.2, 0]], material.defaults)
    table = model.parameter_table(material.defaults)
    turning = turning_model(material.model, material.spiral.k, material.spiral.axis)
    energies = [ClassicalEnergy(m).energy(table, np.array([s.direction for s in m.sites]))[0] for m in (turning, model)]
    k, bound = ordering_vector(model, material.defaults)
    assert energies[0] == pytest.approx(bound, abs=1e-9) and energies[0] < energies[1] - 1
    assert min(abs(k[1] - x) for x in (material.spiral.k[1] - 1, 1 - material.spiral.k[1])) < 1e-6
    # another minimiser finds it too, from random directions and wave vectors
    assert relax_spiral(model, material.defaults, [0, 0, 1], starts=10)[2] == pytest.approx(bound, abs=1e-8)


@pytest.mark.parametrize(
    ("name", "q", "energies"),
    [
        ("example-triangular", [0.4, 0.1, 0], [3.213724, 4.572352, 4.771329]),
        ("example-kagome", [0, 0, 0], [0, 5.653590, 6.346410]),
        ("example-chain", [0.2, 0, 0], [1.490626, 1.490626]),
    ],
)
def test_textbook_examples(name, q, energies):
    material = load_material(name)
    assert spin_waves(material.model, [q], material.defaults).energies[0, 0] == pytest.approx(energies, abs=1e-6)


def test_unknown_material_lists_the_known_ones():
    with pytest.raises(MaterialError, match=r"no material 'iron'.*pcsmo-dimer.*rb2mnf4"):
        load_material("iron")
    with pytest.raises(MaterialError, match="Cannot read"):
        load_material("nowhere.yaml")


def test_own_material_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MATERIALS.joinpath("rb2mnf4.yaml").read_text().replace("name: rb2mnf4", "name: mine"), encoding="utf-8")
    assert load_material(path).name == "mine"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("family: rb2mnf4", "famly: rb2mnf4", r"famly.*line 3"),
        ("distance: 4.21}", "distance: 4.5}", "J1 has no bond"),
        ("spin: 2.5", "spin: -2.5", r"spin.*line \d+.*greater than 0"),
        ("ion: Mn2+}", "ion: [}", "no valid YAML at line"),
        ("value: 0.657", "value: 5.0", "outside its range"),
        ("value: 0.657", "value: .nan", "finite"),
        (
            "- {parameter: D, axis: [0, 0, 1]}",
            "- {parameter: K, axis: [0, 0, 1]}",
            r"anisotropy.0.parameter.*there is no parameter K: there are",
        ),
        ("direction: [0, 0, -1]", "direction: [0, 0, 0]", "no spin direction"),
        ("distance: 4.21}", "distance: 4.21, dm: [0, 0, 1]}", "give its bonds as segments"),
        ("distance: 4.21}", "distance: 4.21, between: [up, left]}", "name left; the sites are down, up"),
        ("distance: 4.21}", "segments: [[[0, 0, 0], [0.5, 0.4, 0]]]}", "where there is no site"),
        ("distance: 4.21}", "}", "either a distance or segments"),
    ],
)
def test_wrong_file_says_where(tmp_path, old, new, message):
    text = MATERIALS.joinpath("rb2mnf4.yaml").read_text()
    assert old in text
    path = tmp_path / "wrong.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(MaterialError, match=message):
        load_material(path)


def test_file_that_is_no_mapping_or_no_text(tmp_path):
    path = tmp_path / "list.yaml"
    path.write_text("- 1\n", encoding="utf-8")
    with pytest.raises(MaterialError, match="holds no material"):
        load_material(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MaterialError, match=r"not UTF-8 text"):
        load_material(path)


def test_dimers_strong_and_weak_bonds_change_places():
    """Moved by half a cell one becomes the other: an exact symmetry, without which a fit has two answers."""
    (lists,) = load_material("pcsmo-dimer").interchangeable
    assert lists == (["JFS", "JA1"], ["JFW", "JA2"])
    q = np.linspace(-0.9, 0.9, 8)
    axes = {name: Axis(name, RLU, q) for name in ("qh", "qk")}
    slices = Slices.from_bins([50.0], [[5.0, 15.0, 35.0]])
    values = {"JFS": -12.0, "JFW": -8.0, "JA1": 1.8, "JA2": 1.2}
    swapped = {a: values[b] for pair in zip(*lists, strict=True) for a, b in (pair, pair[::-1])}
    one, other, half = (
        np.nan_to_num(simulate("pcsmo-dimer", x, slices=slices, **axes).intensity)
        for x in (values, swapped, values | {"JFS": swapped["JFS"], "JFW": swapped["JFW"]})
    )
    assert np.abs(one - other).max() < 1e-5 * one.max()
    assert np.abs(one - half).max() > 1e-2 * one.max()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("[[[J1], [J3]]]", "no parameter J3"),
        ("[[[J1], [J1]]]", "different parameters"),
        ("[[[J1, J2], [D]]]", "as many different"),
        ("[[[J1], [J2]]]", "different ranges"),
    ],
)
def test_what_is_not_interchangeable(tmp_path, given, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(f"{MATERIALS.joinpath('rb2mnf4.yaml').read_text()}\ninterchangeable: {given}\n", encoding="utf-8")
    with pytest.raises(MaterialError, match=rf"line \d+.*{message}"):
        load_material(path)


def test_documented_schema_is_the_current_one():
    documented = Path(__file__).parents[2] / "docs/material.schema.json"
    assert json.loads(documented.read_text(encoding="utf-8")) == Material.model_json_schema()
