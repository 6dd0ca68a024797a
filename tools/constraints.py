"""Write the exact versions that `insdl install` gives a new environment of the networks: those of the environment that runs this.

    python tools/constraints.py            # writes mantid_insdl/installation/constraints.txt
    python tools/constraints.py --check    # only says whether these versions meet setup.cfg

Run it where the tests have passed. It takes the package's requirements with the extra `cpu`, and theirs, all the way down.
"""

from __future__ import annotations

import configparser
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mantid_insdl.installation.environment import CONSTRAINTS, locked

ROOT = Path(__file__).resolve().parents[1]
HEADER = (
    "# The environment of the networks, in versions that were tested together. Written by `python tools/constraints.py`, used by\n"
    '# `insdl install`, by conda/tensorflow-environment.yml, and by `pip install --constraint` of "mantid_insdl[cpu]".\n'
)


def required() -> list[Requirement]:
    """What setup.cfg asks for, with the extra `cpu`."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"] + setup["options.extras_require"]["cpu"]
    return [Requirement(line) for line in lines.split("\n") if line]


def installed() -> dict[str, str]:
    """The versions of all that is needed, as they are installed here."""
    found: dict[str, str] = {}
    waiting = [(one, "") for one in required()]
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        new = name not in found
        found[name] = metadata.version(name)
        if new or requirement.extras:
            extras = requirement.extras or {""}
            waiting += [(Requirement(line), one) for line in metadata.requires(name) or [] for one in extras]
    return found


def wrong(versions: dict[str, str]) -> list[str]:
    """The requirements of setup.cfg that some versions do not meet."""
    return [str(one) for one in required() if not one.specifier.contains(versions.get(canonicalize_name(one.name), "0"))]


def main() -> int:
    if "--check" not in sys.argv[1:]:
        CONSTRAINTS.write_text(HEADER + "".join(f"{name}=={version}\n" for name, version in sorted(installed().items())), encoding="utf-8")
        print(CONSTRAINTS)
    problems = wrong(locked())
    for problem in problems:
        print(f"not met: {problem}", file=sys.stderr)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
