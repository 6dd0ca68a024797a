"""Asks a Mantid about itself. Run as a script by Mantid's own Python, which prints one line of JSON; never imported.

Uses the standard library and Mantid only. Arguments: the file of `plugin.requirements`, and folders that would be added to the search path.
"""

import importlib.util
import json
import os
import runpy
import sys


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != here]
    requirements, *added = sys.argv[1:]
    sys.path += added  # at the end, where Mantid appends the folders of pythonscripts.directories
    facts = {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "package": _package(),
        "lacking": runpy.run_path(requirements)["lacking"](),
    }
    # Whatever Mantid prints while it starts must not stand in the answer.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    facts.update(_mantid())
    answer.write(json.dumps(facts) + "\n")
    answer.flush()
    os._exit(0)  # the end of some Mantid versions is slow, and a crash there is of no interest


def _package():
    """The mantid_insdl that this Python has without our help: its version and its plugin folder."""
    if importlib.util.find_spec("mantid_insdl") is None:
        return None
    try:
        import mantid_insdl
        from mantid_insdl.plugin.registration import plugin_directory

        return {"version": mantid_insdl.__version__, "algorithms": str(plugin_directory())}
    except Exception as error:
        return {"version": f"{type(error).__name__}: {error}", "algorithms": ""}


def _mantid():
    try:
        import mantid
        from mantid.kernel import ConfigService, version_str
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    config = ConfigService.Instance() if hasattr(ConfigService, "Instance") else ConfigService
    if hasattr(config, "getPropertiesDir"):
        directory = config.getPropertiesDir()
    else:  # before Mantid 5
        directory = os.environ.get("MANTIDPATH", os.path.dirname(os.path.dirname(mantid.__file__)))
    interfaces = importlib.util.find_spec("mantidqtinterfaces")
    return {
        "version": version_str(),
        "properties": directory,
        "local_file": config.getLocalFilename(),
        "user_file": config.getUserFilename(),
        "interfaces": os.path.dirname(interfaces.origin) if interfaces and interfaces.origin else None,
    }


if __name__ == "__main__":
    main()
