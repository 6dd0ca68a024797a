"""The folder from which Mantid's own Python imports this package, and what the package needs there and Mantid has not.

Mantid appends it to its search path (key `pythonscripts.directories`), so modules that Mantid has itself are never replaced. The package
is not copied: a file of its name leads to it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from mantid_insdl.errors import InstallationError
from mantid_insdl.installation.environment import CONSTRAINTS, STANDARD_ERROR
from mantid_insdl.installation.mantids import Mantid, ask
from mantid_insdl.installation.record import data_folder
from mantid_insdl.worker.interpreter import worker_environment

_PACKAGE = Path(__file__).resolve().parents[1]
# An installed package has the panel in it; in the sources the panel's folder stands beside it.
_SEARCH = [str(_PACKAGE)] if (_PACKAGE / "interfaces").is_dir() else [str(_PACKAGE), str(_PACKAGE.parent)]
MODULE = f'''\
"""Leads to mantid_insdl, which stands elsewhere. Written by `insdl install`; `insdl uninstall` takes it away."""

import importlib.util
import sys

_search = {_SEARCH!r}
_spec = importlib.util.spec_from_file_location(__name__, _search[0] + "/__init__.py", submodule_search_locations=_search)
sys.modules[__name__] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules[__name__])
'''


def folder() -> Path:
    """Where it is."""
    return data_folder() / "for-mantid"


def bring(mantid: Mantid, wanted: Iterable[str]) -> None:
    """Put packages that Mantid's Python lacks into the folder.

    Raises
    ------
    InstallationError
        If pip cannot, or if Mantid's Python has older ones, which come first.
    """
    wanted = list(wanted)
    command = [mantid.interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", folder()]
    by_hand = "run `{} -m pip install --user {}`".format(mantid.interpreter, " ".join(f'"{one}"' for one in wanted))
    done = subprocess.run(
        [str(part) for part in (*command, "--constraint", CONSTRAINTS, *wanted)],
        stdout=STANDARD_ERROR,
        stdin=subprocess.DEVNULL,
        check=False,
        env=worker_environment(mantid.interpreter),
    )
    if done.returncode:
        raise InstallationError(
            f"Mantid's Python lacks {' and '.join(wanted)}", f"pip could not install them (code {done.returncode}, see above)", by_hand
        )
    still = ask(mantid.interpreter, [folder()]).lacking
    if still:
        has, _ = zip(*still, strict=True)
        raise InstallationError(
            f"Mantid's Python needs {' and '.join(wanted)}", f"it has {' and '.join(has)}, which comes first", f"{by_hand}, and try again"
        )
