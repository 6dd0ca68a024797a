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
