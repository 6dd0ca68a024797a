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
from mantid_insdl.plugin.requirements import REQUIRED

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
        "Background Counts Seed Instrument IntrinsicFWHM Temperature KfOverKi",
        "DenoiseINS": "InputWorkspace Model FillGaps Ei",
        "ClassifyMagneticModel": "InputWorkspace Model Denoise Method Ei",
        "FitExchangeCNN": "InputWorkspace Model Refine MaterialFile Ei",
        "ComputeGradCAM": "InputWorkspace Model Class Layer Ei Method Target",
    }
    outputs = {
        "SimulateSpinWaveMap": "OutputWorkspace",
        "DenoiseINS": "OutputWorkspace OutputResidual OutputFilledPixels",
        "ClassifyMagneticModel": "OutputTable OutputWorkspace",
        "FitExchangeCNN": "OutputTable OutputFitWorkspace OutputResidual OutputNormalisedCovarianceMatrix",
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


#: Takes the place of pydantic; a package that is installed may be asked for its metadata, so that is not enough.
PYDANTIC = {
    "old": ("pydantic.__version__ = '1.10.13'", "has pydantic 1.10.13, and mantid_insdl needs pydantic>=2.7"),
    "a little old": ("pydantic.__version__ = '2.6.4'", "has pydantic 2.6.4, and"),
    "none": ("sys.modules['pydantic'] = None", "has no pydantic, and mantid_insdl needs pydantic>=2.7"),
    "broken": (
        """class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "pydantic":
            raise SystemError("The installed pydantic-core version is incompatible")
sys.meta_path.insert(0, Broken())
del sys.modules["pydantic"]""",
        "has a pydantic that cannot be imported (SystemError), and",
    ),
    "no yaml either": (
        "sys.modules['pydantic'] = sys.modules['yaml'] = None",
        "has no yaml and no pydantic, and mantid_insdl needs pyyaml>=6.0 and pydantic>=2.7",
    ),
}


@pytest.mark.parametrize("case", PYDANTIC)
def test_what_mantids_python_lacks_is_one_sentence_with_the_fix(case):
    change, words = PYDANTIC[case]
    code = f"""
import mantid.simpleapi, types, mantid_insdl
sys.modules["pydantic"] = pydantic = types.ModuleType("pydantic")
{change}
mantid_insdl.register()
from mantid.api import AlgorithmManager
for name in {NAMES}:
    algorithm = AlgorithmManager.createUnmanaged(name)
    algorithm.initialize()
    ((prop, text),) = algorithm.validateInputs().items()
    assert prop in algorithm.mandatoryProperties()
    print(text)
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    sentences = done.stdout.splitlines()[-len(NAMES) :]
    assert len(set(sentences)) == 1
    assert sentences[0].startswith(f"Mantid's Python ({sys.executable}) {words}")
    assert sentences[0].endswith("pydantic>=2.7; close Mantid and run `insdl install` in a terminal.")


def test_requirements_are_those_of_the_installation():
    setup = (Path(__file__).parents[2] / "setup.cfg").read_text()
    for _, (major, minor), package in REQUIRED:
        assert re.search(rf"^    {package}>={major}(\.{minor})?$", setup, re.MULTILINE), package


@pytest.mark.parametrize("name", NAMES)
def test_without_the_package_a_plugin_file_says_so_in_one_sentence(name):
    """Mantid shows what is raised while it loads a plugin file."""
    code = f"""
import mantid.simpleapi
sys.modules["mantid_insdl"] = None
import runpy
runpy.run_path({str(plugin_directory() / name)!r} + ".py")
"""
    done = run(code)
    assert done.returncode == 1
    assert "During handling" not in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: {name} needs the package mantid_insdl, which Mantid's own Python does not find: "
        "close Mantid and run `insdl install` in a terminal."
    )


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
    assert "run this in Workbench" in done.stdout


def test_importing_the_package_does_not_import_mantid():
    done = run("import mantid_insdl, mantid_insdl.plugin.registration, mantid_insdl.plugin.workspaces\nprint('mantid' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr
