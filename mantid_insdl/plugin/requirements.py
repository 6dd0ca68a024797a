"""What Mantid's own Python must have for the checks that run in it, told in one sentence where it is missing.

Mantid comes without pydantic, or with an older one; pip, which would see to that, is not asked where the package is installed without
its dependencies.
"""

from __future__ import annotations

import importlib
import re
import sys

#: Module, the oldest version that will do, and the package that brings it.
REQUIRED = (("numpy", (1, 26), "numpy"), ("yaml", (6, 0), "pyyaml"), ("pydantic", (2, 7), "pydantic"))


def missing() -> str:
    """What this Python lacks, and how to add it; empty where it has all."""
    found, wanted = [], []
    for module, oldest, package in REQUIRED:
        state = _state(module, oldest)
        if state:
            found.append(state)
            wanted.append(f"{package}>={oldest[0]}.{oldest[1]}")
    if not wanted:
        return ""
    packages = " ".join(f'"{one}"' for one in wanted)
    return (
        f"Mantid's Python ({sys.executable}) has {' and '.join(found)}, and mantid_insdl needs {' and '.join(wanted)}; "
        f"run `mantidpython -m pip install --user {packages}` and restart Mantid."
    )


def _state(module: str, oldest: tuple[int, int]) -> str:
    """What is wrong with a module, in words that follow "has"; empty where nothing is."""
    try:
        version = str(importlib.import_module(module).__version__)
    except ImportError:
        return f"no {module}"
    except Exception as error:  # a pydantic beside a pydantic-core of another version raises a SystemError
        return f"a {module} that cannot be imported ({type(error).__name__})"
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    return f"{module} {version}" if numbers < oldest else ""
