"""One wheel carries everything, in its place, and an editable install finds the same."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = {
    "mantid_insdl": "mantid_insdl",
    "algorithms": "mantid_insdl/algorithms",
    "interfaces": "mantid_insdl/interfaces",
    "docs/algorithms": "mantid_insdl/algorithm_pages",
    "trained_models": "mantid_insdl/trained_models",
}
ALGORITHMS = ["ClassifyMagneticModel", "ComputeGradCAM", "DenoiseINS", "FitExchangeCNN", "SimulateSpinWaveMap"]


def build_tools_missing():
    try:
        return int(metadata.version("setuptools").split(".")[0]) < 77 or not metadata.version("pip")
    except metadata.PackageNotFoundError:
        return True


pytestmark = pytest.mark.skipif(build_tools_missing(), reason="needs pip and setuptools 77 or newer (the extra `test` brings it)")


def run(*command, cwd):
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the sources, so that a build leaves nothing in the checkout and finds nothing of an earlier one."""
    copy = tmp_path_factory.mktemp("source")
    leave_out = shutil.ignore_patterns("__pycache__", ".*", "build", "dist", "*.egg-info", "tests", "ruff.toml")
    return shutil.copytree(ROOT, copy / "mantid insdl", ignore=leave_out)


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def empty_environment(folder, with_dependencies):
    """A virtual environment with nothing in it; its dependencies, if any, are those of the environment that runs the tests."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    if with_dependencies:
        site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
        # Links to all but this package itself, which may be installed beside them, so that only the new install can be found.
        links = folder / "dependencies"
        links.mkdir()
        for entry in {e.name: e for name in ("purelib", "platlib") for e in Path(sysconfig.get_path(name)).iterdir()}.values():
            if not entry.name.startswith(("mantid_insdl", "__editable__")):
                links.joinpath(entry.name).symlink_to(entry)
        site.joinpath("dependencies.pth").write_text(f"{links}\n")
    return python


def install(python, *arguments):
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", *arguments, cwd=python.parent)


INVENTORY = """
import importlib.util, json, sys
import mantid_insdl
from mantid_insdl import examples, materials
from mantid_insdl.plugin import registration as plugin
from mantid_insdl.instrument.resolution import load_instrument
from mantid_insdl.networks import bundles
from mantid_insdl.training import recipes
load_instrument("MAPS")
import mantid_insdl.interfaces
from mantid_insdl.worker import run_task
axis = {"unit": "r.l.u.", "values": [-1.0, 0.0, 1.0], "is_edges": True}
maps, _ = run_task("simulate", {}, {
    "material": "rb2mnf4", "qh": {"name": "qh", **axis}, "qk": {"name": "qk", **axis},
    "slices": {"ei": [30.0], "energy_min": [4.0], "energy_max": [6.0]},
})
print(json.dumps({
    "file": mantid_insdl.__file__,
    "top_level": [n for n in ("algorithms", "interfaces", "trained_models") if importlib.util.find_spec(n) is not None],
    "algorithms": sorted(p.name for p in plugin.plugin_directory().iterdir() if p.name != "__pycache__"),
    "models": str(bundles.models_directory()),
    "bundles": {name: bundles.verify_bundle(name) for name in bundles.bundle_names()},
    "recipes": recipes.recipe_names(),
    "materials": materials.material_names(),
    "simulated": list(maps["output"].shape),
}))
"""


def inventory(python):
    return json.loads(run(python, "-I", "-c", INVENTORY, cwd=python.parent))


def check(found, place):
    assert Path(found["file"]).is_relative_to(place)
    assert found["top_level"] == []
    assert found["algorithms"] == [f"{name}.py" for name in ALGORITHMS]
    assert Path(found["models"]).is_relative_to(place)
    assert set(found["bundles"]) == {d.name for d in (ROOT / "trained_models").iterdir() if (d / "card.json").is_file()}
    assert not any(found["bundles"].values())
    assert found["recipes"] == sorted(p.stem for p in (ROOT / "mantid_insdl" / "training" / "recipes").glob("*.yaml"))
    assert found["materials"]
    assert found["simulated"] == [1, 2, 2]


def test_wheel_holds_every_file_of_the_five_folders_and_nothing_else(wheel, source):
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if not name.split("/")[0].endswith(".dist-info")}
    wanted = {
        f"{target}/{file.relative_to(source / folder).as_posix()}"
        for folder, target in PARTS.items()
        for file in (source / folder).rglob("*")
        if file.is_file()
    }
    assert inside == wanted


def test_wheel_says_what_it_needs(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
    stated = archive.read(name).decode()
    assert "Requires-Python: >=3.11" in stated
    assert "License-Expression: GPL-3.0-or-later" in stated
    for extra in ("cpu", "tensorflow", "panel", "panel-test", "test"):
        assert f"Provides-Extra: {extra}" in stated
    assert any(n.endswith("/LICENSE") for n in archive.namelist())


def test_installed_wheel_is_complete(wheel, tmp_path):
    python = empty_environment(tmp_path / "env", with_dependencies=True)
    install(python, wheel)
    check(inventory(python), tmp_path / "env")
    assert run(python.with_name("insdl"), "--version", cwd=tmp_path).split()[-1] == wheel.name.split("-")[1]


def test_package_without_any_dependency_can_be_imported_and_names_its_plugin_folder(wheel, tmp_path):
    """So Mantid's own Python finds it."""
    python = empty_environment(tmp_path / "env", with_dependencies=False)
    install(python, wheel)
    code = "from mantid_insdl.plugin.registration import plugin_directory; print(plugin_directory())"
    folder = Path(run(python, "-I", "-c", code, cwd=tmp_path).strip())
    assert (folder.is_relative_to(tmp_path), sorted(p.stem for p in folder.glob("*.py"))) == (True, ALGORITHMS)
    assert run(python, "-I", "-c", "import mantid_insdl; print(mantid_insdl.__version__)", cwd=tmp_path).strip() == wheel.name.split("-")[1]


def test_editable_installation_is_complete(source, tmp_path):
    python = empty_environment(tmp_path / "env", with_dependencies=True)
    install(python, "--no-build-isolation", "--editable", source)
    check(inventory(python), source)
