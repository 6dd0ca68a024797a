"""Materials the order of which follows their parameters: modes, maps, remarks, and a relaxed one as a file."""

import numpy as np
import pytest
from pydantic import ValidationError

from mantid_insdl.errors import InstabilityError, MaterialError
from mantid_insdl.materials import load_material, material_names
from mantid_insdl.materials.picture import plot_structure
from mantid_insdl.materials.relaxing import lower_order, material_text, relaxed_material
from mantid_insdl.materials.spin_waves import modes_of, ordered, require_fixed_order
from mantid_insdl.materials.summary import summarise
from mantid_insdl.spinwave import relax, spin_waves
from mantid_insdl.spinwave.model import MU_B
from mantid_insdl.spinwave.modes import UNSTABLE

SATURATION = 4 / (2 * MU_B)
"""Of the canted chain with J = 1 meV and S = 1, in T."""


def canted_energies(h, exchange, tesla):
    """w = 2 J S sqrt((1 + g) (1 - g cos(2 theta))), sin(theta) = g muB B / (4 J S), at h of the one-spin cell; rising."""
    sine = 2 * MU_B * tesla / (4 * exchange)
    g = np.cos(2 * np.pi * np.stack((h, h + 0.5), axis=-1))
    return np.sort(2 * exchange * np.sqrt((1 + g) * (1 - g * (1 - 2 * sine**2))), axis=-1)


def test_each_set_has_the_modes_of_its_own_order(follower):
    material, h = follower("canted"), np.array([0.07, 0.2, 0.41])
    exchange, tesla = np.array([1.0, 0.8, 1.5, 1.0]), np.array([9.0, 5.0, 12.0, 40.0])
    hkl = np.column_stack((2 * h, 0 * h, 0 * h))
    modes = modes_of(material, hkl, material.couplings({"J": exchange, "B": tesla}), velocities=True)
    for index in range(3):
        assert modes.energies[index] == pytest.approx(canted_energies(h, exchange[index], tesla[index]), abs=1e-8)
    # 40 T are beyond saturation, which is another order
    assert modes.stable.tolist() == [True, True, True, False]
    assert np.all(modes.status[3] == UNSTABLE) and np.all(np.isnan(modes.energies[3]))
    step = 1e-5
    up, down = (modes_of(material, hkl + np.array([s * step, 0, 0]), {"J": 1.0, "B": 9.0}).energies[0] for s in (1, -1))
    assert modes.velocities[0, :, :, 0] == pytest.approx((up - down) / (2 * step), abs=1e-6)


def test_wave_vector_of_each_set(follower):
    material = follower("spiral")
    for values in ({"J1": -1.0, "J2": 0.5}, {"J1": -0.7, "J2": 0.9}):
        _, k = ordered(material, values)
        assert np.cos(2 * np.pi * k[0]) == pytest.approx(-values["J1"] / (4 * values["J2"]), abs=1e-9)
    modes = modes_of(material, [[0.1, 0, 0]], {"J1": np.array([-1.0, -0.7]), "J2": np.array([0.5, 0.9])})
    assert modes.energies.shape == (2, 1, 3) and modes.stable.all()
    # a Goldstone mode at the wave vector of each
    assert modes_of(material, [k], values).energies[0, 0, 0] == pytest.approx(0, abs=1e-4)


def test_a_factor_on_all_energies_changes_no_order(follower):
    material = follower("canted", renormalisation=1.2)
    values = {"J": 1.1, "B": 7.0}
    assert ordered(material, material.couplings(values))[0].sites[0].direction[2] == pytest.approx(2 * MU_B * 7 / 4.4, abs=1e-9)


def test_order_of_a_file_is_fixed_unless_it_says_otherwise(follower):
    assert not any(load_material(name).relaxed for name in material_names())
    fixed = follower("canted", relaxed=False)
    with pytest.raises(InstabilityError, match="not stationary"):
        modes_of(fixed, [[0.1, 0, 0]], {"J": 1.0, "B": 9.0})
    with pytest.raises(MaterialError, match=r"follows J, B.*relaxed: true"):
        require_fixed_order(fixed)
    require_fixed_order(follower("canted"))


def test_closed_form_of_a_fixed_order_is_refused(follower):
    with pytest.raises(ValidationError, match="closed form is that of a fixed order"):
        follower("canted", closed_form="square-lattice antiferromagnet")


def test_summary_tells_the_order_and_where_it_ends(follower):
    text = summarise(follower("canted"), {"B": 14.0})
    assert f"along ({np.sqrt(1 - (14 / SATURATION) ** 2):.3f}, 0, {14 / SATURATION:.3f})" in text
    assert "order follows the parameters; shown is that of these values, from which the stated one differs by up to 12.6 deg" in text
    assert "Stable at all" in text
    text = summarise(follower("canted"), {"B": 40.0})
    assert "shown is the stated one" in text and "phase boundary is crossed at about B=34.5" in text and "Stable" not in text
    # cos(2 pi k) = 1 / 2 and 5 / 6: stated is k = 0.15
    assert "k = (0.166667, 0, 0)" in summarise(follower("spiral"))
    assert "k by (-0.0567853, 0, 0)" in summarise(follower("spiral"), {"J2": 0.3})


def test_structure_is_drawn_as_it_is_at_the_values(follower):
    assert plot_structure(follower("spiral"), {"J2": 0.9}).axes
    with pytest.raises(InstabilityError, match="ends before"):
        plot_structure(follower("canted"), {"B": 40.0})


# ---- another order


def flop_field(exchange, anisotropy):
    """Above it the flopped order of a chain with S = 1 and g = 2 is the lower one, in T: 2 sqrt(|D| (2 J - |D|)) = g muB B."""
    return 2 * np.sqrt(anisotropy * (2 * exchange - anisotropy)) / (2 * MU_B)


@pytest.mark.parametrize("factor", [0.98, 1.02])
def test_spin_flop_is_remarked_on_where_energies_cross(follower, factor):
    values = {"J": 1.0, "D": -0.2, "B": factor * flop_field(1.0, 0.2)}
    for name, lower in (("easy-axis", factor < 1), ("flopped", factor > 1)):
        remark = lower_order(follower(name), values)
        assert (remark == "") == lower
        assert lower or ("another order of " + name in remark and "metastable" in remark and "--relax" in remark)
        assert (remark in summarise(follower(name), values)) or lower
    assert lower_order(follower("easy-axis", relaxed=False), values) == ""  # what it costs is for those that follow


def test_relaxed_material_is_the_lowest_order(follower):
    # cos(theta) = g muB B / (4 J S + 2 D S) to the field; energy a spin -J + D without flop, -J - (g muB B)^2 / (4 (2 J + D)) with
    found = relaxed_material(follower("easy-axis"), {"B": 16.0})
    field = 2 * MU_B * 16
    assert found.stated == pytest.approx(-1.2, abs=1e-9)  # the order ends before 16 T: what the file states
    assert found.energy == pytest.approx(-1 - field**2 / (4 * 1.8), abs=1e-8)
    assert [s.direction[2] for s in found.material.model.sites] == pytest.approx([field / 3.6] * 2, abs=1e-9)
    assert found.material.defaults["B"] == 16.0 and found.determined
    assert found.turned == pytest.approx(180 - 2 * np.degrees(np.arccos(field / 3.6)), abs=1e-3)
    assert "to -1.4" in found.describe() and lower_order(found.material, found.material.defaults) == ""
    # the order that is the lowest already is not turned
    same = relaxed_material(follower("easy-axis"))
    assert same.turned == 0 and same.stated == same.energy


def test_relaxed_spiral_is_that_of_lowest_energy(follower):
    # E = -S^2 (J2 + J1^2 / (8 J2)) a spin
    found = relaxed_material(follower("spiral"), {"J1": -1.5, "J2": 0.6})
    assert found.energy == pytest.approx(-0.25 * (0.6 + 1.5**2 / 4.8), abs=1e-9)
    assert np.cos(2 * np.pi * found.material.spiral.k[0]) == pytest.approx(1.5 / 2.4, abs=1e-8)


def test_magnet_without_a_unique_ground_state_is_told(follower):
    # the antisymmetric exchanges of a kagome ferromagnet cancel: it may point anywhere
    found = relaxed_material(load_material("example-kagome"), starts=1)
    assert not found.determined and "does not determine" in found.describe()
    with pytest.raises(MaterialError, match=r"B = 50 T is outside its range: the file says 0 to 20; widen"):
        relaxed_material(follower("easy-axis"), {"B": 50.0})


# ---- as a file


def reread(material, folder):
    path = folder / "written.yaml"
    path.write_text(material_text(material, folder), encoding="utf-8")
    return load_material(path)


@pytest.mark.parametrize("name", ["canted", "flopped", "easy-axis", "spiral"])
def test_relaxed_material_is_read_as_it_was_written(follower, tmp_path, name):
    values = {"J2": 0.6} if name == "spiral" else {"B": 12.0}
    relaxed = relaxed_material(follower(name), values).material
    again = reread(relaxed, tmp_path)
    assert again.model_dump() == relaxed.model_dump()
    # what was written is its own start: nothing turns
    (model, k), hkl = ordered(again, again.couplings(again.defaults)), [[0.13, 0.2, 0.3]]
    assert [s.direction for s in model.sites] == [pytest.approx(s.direction, abs=1e-9) for s in again.model.sites]
    assert k is None or k == pytest.approx(np.array(again.spiral.k), abs=1e-9)
    fixed = again.model_copy(update={"relaxed": False})
    expected = modes_of(again, hkl, again.defaults).energies
    assert modes_of(fixed, hkl, again.defaults).energies == pytest.approx(expected, abs=1e-7)


def test_moments_of_a_turned_supercell_are_written_in_the_frame_of_the_file(tmp_path):
    # a square lattice in a field along a, its magnetic cell turned by 45 degrees: spins cant towards a
    path = tmp_path / "square.yaml"
    path.write_text(
        """
name: square
title: Square-lattice antiferromagnet in a field
family: example
sources: [closed form]
parameters:
  - {name: J, value: 1.0, low: 0.5, high: 2, description: nearest neighbours}
  - {name: B, value: 20.0, unit: T, low: 0, high: 60, description: along a}
cell: {a: 4, b: 4, c: 10}
space_group: P 4/m m m
sites: [{label: Mn, positions: [[0, 0, 0]], spin: 1, direction: [0, 1, 0]}]
supercell: [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]
order: {k: [0.5, 0.5, 0], axis: [1, 0, 0]}
relaxed: true
bonds: [{parameter: J, segment: [[0, 0, 0], [1, 0, 0]], symmetric: true}]
fields: [{parameter: B, direction: [1, 0, 0]}]
""",
        encoding="utf-8",
    )
    material = load_material(path)
    relaxed = relaxed_material(material).material
    sine = 2 * MU_B * 20 / 8  # g muB B / (2 z J S)
    directions = [moment.direction for moment in relaxed.sites[0].moments]
    assert [n[0] for n in directions] == pytest.approx([sine] * 2, abs=1e-9)
    assert sorted(n[1] for n in directions) == pytest.approx([-np.sqrt(1 - sine**2), np.sqrt(1 - sine**2)], abs=1e-9)
    assert relaxed.order is None
    again = reread(relaxed, tmp_path)
    hkl = [[0.13, 0.2, 0.3]]
    assert modes_of(again, hkl, again.defaults).energies == pytest.approx(modes_of(material, hkl, material.defaults).energies, abs=1e-7)


def test_directions_of_a_magnetic_cif_file_are_not_contradicted(tmp_path):
    text = """data_chain
_cell_length_a 6.0
_cell_length_b 8.0
_cell_length_c 8.0
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_space_group_symop_magn_operation.id
_space_group_symop_magn_operation.xyz
1 x,y,z,+1
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Ni1 Ni 0 0 0
Ni2 Ni 0.5 0 0
loop_
_atom_site_moment.label
_atom_site_moment.crystalaxis_x
_atom_site_moment.crystalaxis_y
_atom_site_moment.crystalaxis_z
Ni1 2.0 0 0
Ni2 -2.0 0 0
"""
    (tmp_path / "chain.mcif").write_text(text, encoding="utf-8")
    path = tmp_path / "chain.yaml"
    path.write_text(
        """
name: chain
title: chain
family: example
sources: [closed form]
parameters:
  - {name: J, value: 1.0, low: 0.5, high: 2, description: along the chain}
  - {name: B, value: 9.0, unit: T, low: 0, high: 20, description: along c}
cif: chain.mcif
sites: [{atom: Ni1, spin: 1, ion: Ni2+}, {atom: Ni2, spin: 1, ion: Ni2+}]
relaxed: true
bonds: [{parameter: J, distance: 3.0}]
fields: [{parameter: B, direction: [0, 0, 1]}]
""",
        encoding="utf-8",
    )
    material = load_material(path)
    assert ordered(material, material.defaults)[0].sites[0].direction[2] == pytest.approx(9 / SATURATION, abs=1e-9)
    with pytest.raises(MaterialError, match=r"cannot be written down.*magnetic CIF file.*relax that"):
        relaxed_material(material)
    # without a field the order stays, and the file keeps its CIF file beside it
    kept = relaxed_material(material, {"B": 0.0}).material
    assert "cif: chain.mcif" in material_text(kept, tmp_path) and reread(kept, tmp_path).defaults["B"] == 0.0


# ---- with operators and dipoles

DIPOLES = {"parameter": "d", "demagnetisation": [0, 0, 1]}
FACTOR = {"name": "d", "value": 1.0, "unit": "", "low": 0.0, "high": 2.0, "description": "dipoles"}
QUARTIC = {"name": "A", "value": 0.03, "low": 0.0, "high": 0.1, "description": "of fourth degree"}


def test_order_with_operators_and_dipoles_is_relaxed_and_written(follower, tmp_path):
    canted = follower("canted")
    given = {
        "parameters": [*(p.model_dump() for p in canted.parameters), QUARTIC, FACTOR],
        "anisotropy": [{"parameter": "A", "stevens": {"O40": 1, "O44": -2}}],
        "dipoles": DIPOLES,
    }
    material = follower("canted", **given)
    values = {"J": 0.9, "B": 10.0, "A": 0.02, "d": 1.0}
    found = relaxed_material(material, values, starts=5)
    path = tmp_path / "canted.yaml"
    path.write_text(material_text(found.material, tmp_path), encoding="utf-8")
    again = load_material(path)
    q = np.array([[0.1, 0.2, 0.3], [0.4, 0.1, 0]])
    one = modes_of(again, q, again.couplings(again.defaults))
    assert one.stable.all() and again.dipoles == material.dipoles
    model, energy = relax(material.model, values, starts=5)
    assert found.energy == pytest.approx(energy / 2, rel=1e-9)
    assert one.energies == pytest.approx(spin_waves(model, q, values).energies, rel=1e-6)
    # the order follows both: modes of a set are those of its own relaxed order
    other = {"J": 1.1, "B": 8.0, "A": 0.04, "d": 1.5}
    followed = modes_of(again, q, again.couplings(other))
    model, _ = relax(again.model, other, starts=0)
    assert followed.energies == pytest.approx(spin_waves(model, q, other).energies, rel=1e-6)
    assert followed.energies != pytest.approx(modes_of(again, q, again.couplings({**other, "A": 0.0})).energies, rel=1e-3)


def test_order_that_may_get_a_moment_needs_the_shape_of_the_sample(follower):
    given = {"parameters": [*(p.model_dump() for p in follower("easy-axis").parameters), FACTOR], "dipoles": {"parameter": "d"}}
    with pytest.raises(ValueError, match="may get a moment: its dipole sums then depend on the shape"):
        follower("easy-axis", **given)
    with pytest.raises(MaterialError, match=r"may have a moment.*shape of the sample; give demagnetisation: \[1/3"):
        relaxed_material(follower("easy-axis", relaxed=False, **given))
