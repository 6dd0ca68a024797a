"""The plugin folder, registering, and what a Mantid start-up pays for."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import mantid
import mantid.simpleapi
import pytest
from mantid.api import AlgorithmFactory
from mantid_helpers import create

import mantid_insdl
from mantid_insdl.plugin.registration import plugin_directory

NAMES = ["ClassifyMagneticModel", "ComputeGradCAM", "DenoiseINS", "FitExchangeCNN", "SimulateSpinWaveMap"]
#: Mantid asks for these only in the body of the registered class itself.
METHODS = {"name", "version", "category", "summary", "seeAlso", "checkGroups", "PyInit", "validateInputs", "PyExec"}


def run(code):
    """Python in a process of its own, with the Mantid that this process has."""
    paths = [str(Path(mantid.__file__).parents[1])]
    setting = f"import sys; sys.path[:0] = {paths!r}\n"
    return subprocess.run([sys.executable, "-c", setting + code], capture_output=True, text=True, timeout=120, check=False)


def test_register_returns_the_names_and_can_be_repeated(algorithms):
    assert algorithms == NAMES
    assert mantid_insdl.register() == NAMES
    for name in NAMES:
        assert AlgorithmFactory.exists(name)
        assert callable(getattr(mantid.simpleapi, name))


def test_the_folder_holds_the_algorithms_and_nothing_else():
    """Mantid loads every Python file in a plugin directory and below it."""
    found = [p for p in plugin_directory().iterdir() if p.name != "__pycache__"]
    assert sorted(p.name for p in found) == [f"{name}.py" for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_class_file_and_name_agree_and_the_methods_stand_in_the_class(name):
    tree = ast.parse((plugin_directory() / f"{name}.py").read_text())
    (cls,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert cls.name == name
    assert [base.id for base in cls.bases] == ["PythonAlgorithm"]
    assert {node.name for node in cls.body if isinstance(node, ast.FunctionDef)} >= METHODS
    algorithm = create(name)
    assert (algorithm.name(), algorithm.version(), algorithm.category()) == (name, 1, "Inelastic\\Deep Learning")
    assert algorithm.summary().endswith(".")
    assert set(algorithm.seeAlso()) <= set(NAMES) - {name}


@pytest.mark.parametrize("name", NAMES)
def test_every_property_has_a_tooltip(name):
    algorithm = create(name)
    for prop in [*algorithm.mandatoryProperties(), *algorithm.outputProperties()]:
        # a sentence; Mantid itself appends the allowed values
        assert re.match(r"[A-Z].{15,}\.( |$)", algorithm.getProperty(prop).documentation), prop


def test_properties_are_those_of_the_specification():
    expected = {
        "SimulateSpinWaveMap": "Material MaterialFile Parameters Template Ei EnergyBins QhRange QkRange Twins Resolution "
        "Background Counts Seed Instrument Temperature KfOverKi",
        "DenoiseINS": "InputWorkspace Model",
        "ClassifyMagneticModel": "InputWorkspace Model Denoise",
        "FitExchangeCNN": "InputWorkspace Model",
        "ComputeGradCAM": "InputWorkspace Model Class Layer",
    }
    outputs = {
        "SimulateSpinWaveMap": "OutputWorkspace",
        "DenoiseINS": "OutputWorkspace OutputResidual",
        "ClassifyMagneticModel": "OutputTable OutputWorkspace",
        "FitExchangeCNN": "OutputTable OutputFitWorkspace",
        "ComputeGradCAM": "OutputWorkspace",
    }
    for name in NAMES:
        algorithm = create(name)
        assert sorted(algorithm.mandatoryProperties()) == sorted(expected[name].split())
        assert list(algorithm.outputProperties()) == outputs[name].split()


def test_loading_the_five_files_loads_nothing_heavy():
    before = "import mantid.simpleapi; before = set(sys.modules)\n"
    after = "import mantid_insdl; mantid_insdl.register()\nprint(*sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    done = run(before + after)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split("\n")[-2].split())
    assert loaded >= {"mantid_insdl", *NAMES}
    heavy = {"tensorflow", "keras", "h5py", "qtpy", "PyQt5", "scipy", "pydantic", "yaml", "matplotlib", "periodictable"}
    assert loaded & heavy == set()


def test_checking_inputs_needs_numpy_pydantic_and_yaml_only():
    """In Mantid's own Python the package is installed without its other dependencies."""
    code = """
import mantid.simpleapi, mantid_insdl
for name in ("tensorflow", "keras", "h5py", "scipy", "periodictable", "matplotlib", "typer", "rich"):
    sys.modules.setdefault(name, None)  # importing it from here on fails
mantid_insdl.register()
from mantid.api import AlgorithmManager
algorithm = AlgorithmManager.createUnmanaged("SimulateSpinWaveMap")
algorithm.initialize()
algorithm.setProperty("Material", "rb2mnf4")
algorithm.setProperty("Parameters", "Q=1")
print(sorted(algorithm.validateInputs()))
algorithm = AlgorithmManager.createUnmanaged("DenoiseINS")
algorithm.initialize()
algorithm.setProperty("Model", "nosuch")
print(sorted(algorithm.validateInputs()))
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[-3:-1] == ["['Parameters', 'Template']", "['Model']"]


def test_without_mantid_the_message_says_what_to_do():
    code = """
sys.modules["mantid"] = None
import mantid_insdl
try:
    mantid_insdl.register()
except mantid_insdl.InsdlError as error:
    print(error)
"""
    done = run(code)
    assert "Mantid cannot be imported in" in done.stdout, done.stderr
    assert "mantidpython" in done.stdout


def test_importing_the_package_does_not_import_mantid():
    done = run("import mantid_insdl, mantid_insdl.plugin.registration, mantid_insdl.plugin.workspaces\nprint('mantid' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr
