"""The conda recipe and the environment of the networks say what setup.cfg says."""

import configparser
import importlib.util
import re
from pathlib import Path

import pytest
import yaml

import mantid_insdl
from mantid_insdl.installation.environment import CONSTRAINTS, locked

ROOT = Path(__file__).parents[2]
OTHER_NAMES = {"matplotlib": "matplotlib-base"}  # as conda-forge has it, without a graphical interface

pytestmark = pytest.mark.skipif(not (ROOT / "setup.cfg").is_file(), reason="an installed package has no recipe")


@pytest.fixture(scope="module")
def setup():
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg")
    return found


@pytest.fixture(scope="module")
def recipe():
    return yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text())


def words(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_recipe_asks_for_what_the_package_asks_for(setup, recipe):
    wanted = {f"python {setup['options']['python_requires']}"}
    for requirement in words(setup["options"]["install_requires"]):
        name, version = re.fullmatch(r"([\w-]+)(>=.+)", requirement).groups()
        wanted.add(f"{OTHER_NAMES.get(name, name)} {version}")
    assert set(recipe["requirements"]["run"]) == wanted
    assert not [one for one in recipe["requirements"]["run"] if "tensorflow" in one or "mantid" in one]


def test_recipe_is_of_this_version_and_has_the_command(setup, recipe):
    assert recipe["context"]["version"] == mantid_insdl.__version__
    assert recipe["build"]["python"]["entry_points"] == words(setup["options.entry_points"]["console_scripts"])
    assert recipe["build"]["noarch"] == "python"
    assert recipe["about"]["license"] == setup["metadata"]["license_expression"]


def test_recipe_is_understood_by_the_tool_that_builds_it(recipe):
    """Rendered only: to build it takes a channel with Python and the rest."""
    rattler_build = pytest.importorskip("rattler_build", reason="needs py-rattler-build")
    (output,) = rattler_build.Stage0Recipe.from_file(str(ROOT / "conda" / "recipe.yaml")).render()
    rendered = output.recipe.to_dict()
    assert rendered["package"] == {"name": "mantid_insdl", "version": mantid_insdl.__version__}
    assert rendered["build"]["noarch"] == "python" and rendered["build"]["string"].startswith("py")
    assert sorted(rendered["requirements"]["run"]) == sorted(recipe["requirements"]["run"])
    assert rendered["about"]["license_file"] == ["LICENSE"] and len(rendered["tests"]) == 2


def test_environment_of_the_networks_takes_the_locked_versions():
    file = ROOT / "conda" / "tensorflow-environment.yml"
    *_, pip = yaml.safe_load(file.read_text())["dependencies"]
    (line,) = pip["pip"]
    assert (file.parent / line.split()[1]).read_text() == CONSTRAINTS.read_text()


def test_locked_versions_meet_the_requirements():
    """Each requirement has its version, and no other is needed to install it (`tools/constraints.py` went all the way down)."""
    spec = importlib.util.spec_from_file_location("constraints", ROOT / "tools" / "constraints.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.wrong(locked()) == []
    assert tool.wrong(locked() | {"numpy": "1.20"}) == ["numpy>=1.26"]
    assert tool.wrong({}) == [str(one) for one in tool.required()]
    text = CONSTRAINTS.read_text()
    assert "mantid" not in text.split("\n", 2)[2] and "://" not in text and "@" not in text
