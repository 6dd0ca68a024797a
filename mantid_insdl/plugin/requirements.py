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
    found = lacking()
    if not found:
        return ""
    has, wanted = (" and ".join(part) for part in zip(*found, strict=True))
    return (
        f"Mantid's Python ({sys.executable}) has {has}, and mantid_insdl needs {wanted}; "
        "close Mantid and run `insdl install` in a terminal."
    )


def lacking() -> list[tuple[str, str]]:
    """What this Python has in place of each requirement that it does not meet, and that requirement as pip takes it."""
    states = ((_state(module, oldest), f"{package}>={oldest[0]}.{oldest[1]}") for module, oldest, package in REQUIRED)
    return [(state, wanted) for state, wanted in states if state]


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
