"""The pages as a site: `sphinx-build --fail-on-warning -c docs/site docs build/site` in the repository's root, with the extra `docs`.

The algorithms' pages are those of Mantid's own documentation; `mantid_pages` gives their directives a meaning here.
`sphinx-build -b linkcheck -c docs/site docs build/links` asks every address that the pages name whether it is there, which needs a network.
"""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Mantid cannot be installed by pip: where it is missing, the tests' stand-in tells the algorithms' properties.
sys.path[:0] = [str(ROOT / "docs" / "site"), str(ROOT)]
sys.path.append(str(ROOT / "tests" / "mantid_standin"))

from mantid_insdl._version import __version__  # noqa: E402

project = "mantid_insdl"
author = "The mantid_insdl developers"
copyright = author
release = version = __version__

shutil.rmtree(ROOT / "docs" / "api", ignore_errors=True)  # written anew: apidoc leaves pages of modules that are gone

extensions = [
    "myst_parser",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "mantid_pages",
]
root_doc = "index"
exclude_patterns = ["site"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
suppress_warnings = ["ref.python"]  # of type hints: two rooms may have a class of one name

# Run, not imported.
SCRIPTS = ("installation/launcher.py", "postprocessing/reduce_and_analyse.py", "worker/bootstrap.py")

apidoc_modules = [
    {
        "path": str(ROOT / "mantid_insdl"),
        "destination": "api",
        "exclude_patterns": [str(ROOT / "mantid_insdl" / name) for name in SCRIPTS],
        "separate_modules": True,
        "module_first": True,
        "automodule_options": {"members", "show-inheritance", "ignore-module-all"},
    }
]
autodoc_mock_imports = ["qtpy", "tensorflow", "keras"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = False
napoleon_use_rtype = False
toc_object_entries = False

html_theme = "furo"
html_title = f"mantid_insdl {release}"
html_show_copyright = False
