"""`insdl material`: what is understood of a material."""

TETRAGONAL = """
name: t
title: t
family: t
sources: [own]
parameters: [{name: J, value: -1, low: -2, high: 2, description: x}]
cell: {a: 4, b: 4, c: 4}
space_group: P 4/m m m
sites: [{label: s, positions: [[0, 0, 0]], spin: 1, direction: [0, 0, 1]}]
bonds: [{parameter: J, shell: 1}]
"""


def test_material_is_summarised_and_drawn(insdl, tmp_path):
    picture = tmp_path / "structure.png"
    result = insdl("material", "rb2mnf4", "--set", "J1=0.7", "--plot", picture)
    assert result.exit_code == 0
    assert "nearest neighbours" in result.stdout and "0.7 meV" in result.stdout and "Stable at all" in result.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_material_that_is_wrong_is_refused(insdl, tmp_path):
    insdl.refuses(
        "material", "iron", code=insdl("simulate", "-m", "iron", "--ei", "10", "-o", tmp_path / "x.nxs").exit_code, words=("rb2mnf4",)
    )
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: x\n", encoding="utf-8")
    result = insdl("material", wrong)
    assert result.exit_code != 0 and "title" in result.stderr
    assert insdl("material", "rb2mnf4", "--set", "J9=1").exit_code != 0
    assert insdl("material", "rb2mnf4", "--plot", tmp_path / "x.bmp").exit_code != 0


def test_what_may_not_be_meant_is_noted(insdl, tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(TETRAGONAL, encoding="utf-8")
    assert "Note: J joins 2 kinds of bonds" in insdl("material", path).stdout
    result = insdl("simulate", "-m", path, "--path", "0,0,0 0.5,0,0", "--plot", tmp_path / "x.png")
    assert result.exit_code == 0 and "insdl: note: J joins 2 kinds of bonds" in result.stderr


def test_help_teaches_by_example(insdl):
    assert "insdl material pcsmo-goodenough" in insdl("material", "--help").stdout


CIF = """data_x
_cell_length_a 6
_cell_length_b 8
_cell_length_c 8
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P m m m'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Ni1 {ion} 0 0 0
"""


def test_first_file_is_made_from_a_cif_file_and_is_a_material(insdl, tmp_path):
    cif, made = tmp_path / "x.cif", tmp_path / "chain.yaml"
    cif.write_text(CIF.format(ion="Ni2+"), encoding="utf-8")
    result = insdl("material", "--from", cif, "-o", made)
    assert result.exit_code == 0 and result.stdout.strip() == str(made)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chain.yaml", "x.cif"]
    assert "name: chain\n" in made.read_text(encoding="utf-8")
    shown = insdl("material", made, "--set", "J1a=-1")
    assert shown.exit_code == 0 and "1 x S = 1  Ni2+" in shown.stdout and "Stable at all" in shown.stdout
    printed = insdl("material", "--from", cif, "--up-to", "8").stdout
    assert "shell: 1a" in printed and "shell: 2b" in printed and "name: x\n" in printed


def test_first_file_replaces_no_file(insdl, tmp_path):
    cif, made = tmp_path / "x.cif", tmp_path / "chain.yaml"
    cif.write_text(CIF.format(ion="Ni2+"), encoding="utf-8")
    made.write_text("mine", encoding="utf-8")
    insdl.refuses("material", "--from", cif, "-o", made, code=7, words=("chain.yaml", "it exists already", "give another name"))
    assert made.read_text(encoding="utf-8") == "mine"
    link = tmp_path / "link.yaml"
    link.symlink_to(tmp_path / "nowhere.yaml")
    insdl.refuses("material", "--from", cif, "-o", link, code=7, words=("it exists already",))


def test_file_that_makes_no_magnet_leaves_nothing(insdl, tmp_path):
    cif, made = tmp_path / "x.cif", tmp_path / "chain.yaml"
    cif.write_text(CIF.format(ion="Na1+"), encoding="utf-8")
    insdl.refuses(
        "material", "--from", cif, "-o", made, code=5, words=("has no magnetic ion", "its atoms are Na1+", "give the file of a magnet")
    )
    assert [path.name for path in tmp_path.iterdir()] == ["x.cif"]


def test_options_of_the_two_uses_do_not_mix(insdl, tmp_path):
    cif = tmp_path / "x.cif"
    cif.write_text(CIF.format(ion="Ni2+"), encoding="utf-8")
    insdl.refuses("material", code=2, words=("needs a MATERIAL or --from",))
    insdl.refuses("material", "rb2mnf4", "--from", cif, code=2, words=("give one of them",))
    insdl.refuses("material", "--from", cif, "--set", "J=1", code=2, words=("go with a MATERIAL",))
    insdl.refuses("material", "--from", cif, "--relax", code=2, words=("--relax and --quantum go with a MATERIAL",))
    insdl.refuses("material", "rb2mnf4", "--up-to", "5", "--relax", code=2, words=("goes with --from",))
    insdl.refuses("material", "rb2mnf4", "-o", tmp_path / "x.yaml", code=2, words=("neither is given", "--relax"))
    insdl.refuses("material", "--from", cif, "-o", tmp_path / "x.txt", code=2, words=(".yaml",))
    insdl.refuses("material", "--from", cif, "--up-to", "nan", code=2, words=("--up-to",))
    insdl.refuses("material", "--from", tmp_path / "no.cif", code=5, words=("there is no such file",))


CHAIN = """
name: chain
title: Chain with an easy axis in a field
family: example
sources: [closed form]
parameters:
  - {name: J, value: 1.0, low: 0.5, high: 2.0, description: along the chain}
  - {name: D, value: -0.2, low: -0.5, high: 0, description: easy axis}
  - {name: B, value: 1.0, unit: T, low: 0, high: 20, description: along c}
cell: {a: 6, b: 8, c: 8}
sites:
  - {label: a, positions: [[0, 0, 0]], spin: 1, direction: [0, 0, 1], ion: Ni2+}
  - {label: b, positions: [[0.5, 0, 0]], spin: 1, direction: [0, 0, -1], ion: Ni2+}
relaxed: true
bonds: [{parameter: J, distance: 3}]
anisotropy: [{parameter: D, axis: [0, 0, 1]}]
fields: [{parameter: B, direction: [0, 0, 1]}]
"""


def test_relaxed_material_is_written_and_read(insdl, tmp_path):
    path, written = tmp_path / "chain.yaml", tmp_path / "flopped.yaml"
    path.write_text(CHAIN, encoding="utf-8")
    ended = insdl("material", path, "--set", "B=16")
    assert ended.exit_code == 0 and "phase boundary is crossed" in ended.stdout
    result = insdl("material", path, "--set", "B=16", "--relax", "-o", written)
    assert result.exit_code == 0, result.stderr
    # -J - (g muB B)^2 / (4 (2 J + D)) a spin
    assert "Relaxed from -1.200000 to -1.476521 meV a spin; angles between spins" in result.stdout and str(written) in result.stdout
    again = insdl("material", written)
    assert "Stable at all" in again.stdout and "B                 16 T" in again.stdout and "up to 0 degrees" in again.stdout
    # a map beyond the flop is possible with it, and only with it; below, the command says that it is metastable
    simulated = ("--set", "B=14", "--path", "0.1,0,0 0.4,0,0", "--plot", tmp_path / "x.png")
    assert insdl("simulate", "-m", written, *simulated).exit_code == 0
    assert "phase boundary" in insdl("simulate", "-m", path, *simulated).stderr
    below = insdl("simulate", "-m", path, "--set", "B=11", *simulated[2:])
    assert below.exit_code == 0 and "insdl: note: At J=1" in below.stderr and "another order of chain is lower" in below.stderr


def test_what_cannot_be_relaxed_or_written_is_refused(insdl, tmp_path):
    path = tmp_path / "chain.yaml"
    path.write_text(CHAIN, encoding="utf-8")
    assert "a relaxed one with --relax" in insdl("material", path, "-o", tmp_path / "new.yaml").stderr
    assert "wrong ending" in insdl("material", path, "--relax", "-o", tmp_path / "new.txt").stderr
    assert "it exists already" in insdl("material", path, "--relax", "-o", path).stderr
    assert "outside its range" in insdl("material", path, "--relax", "--set", "B=30", "-o", tmp_path / "new.yaml").stderr
    assert path.read_text(encoding="utf-8") == CHAIN and list(tmp_path.iterdir()) == [path]


def test_quantum_corrections_are_printed_where_asked(insdl, tmp_path):
    assert "Quantum" not in insdl("material", "la2nio4").stdout
    result = insdl("material", "la2nio4", "--quantum", "--set", "J2=0")
    assert result.exit_code == 0, result.stderr
    assert "up         S = 1 is shorter by 0.1966" in result.stdout
    assert "times J1 1.0790, J2" in result.stdout
    (tmp_path / "x.cif").write_text("data_x", encoding="utf-8")
    insdl.refuses("material", "--from", tmp_path / "x.cif", "--quantum", code=2, words=("--quantum go with a MATERIAL",))
