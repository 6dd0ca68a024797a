"""What an installation has to change: worked out from a Mantid and the files as they are, before anything is touched."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mantid_insdl._version import __version__
from mantid_insdl.config import config_file, parse_config
from mantid_insdl.errors import ConfigError, InstallationError
from mantid_insdl.installation import bridge, launcher
from mantid_insdl.installation.changes import Change, File, Folder, Reader, missing_parents
from mantid_insdl.installation.environment import absolute, examine, interpreter_of, make
from mantid_insdl.installation.mantids import Mantid
from mantid_insdl.installation.properties import INTERFACES, PLUGINS, SCRIPTS, elements, same_element, values, with_element
from mantid_insdl.installation.record import data_folder
from mantid_insdl.plugin.registration import plugin_directory
from mantid_insdl.worker.interpreter import find_interpreter, own_interpreter

Ask = Callable[[str], bool]


@dataclass
class Plan:
    """The changes in their order, how the new folders are filled, and what the user should know."""

    changes: list[Change] = field(default_factory=list)
    fill: dict[str, Callable[[], None]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add_file(self, path: Path, before: bytes | None, after: bytes, what: str, added: dict[str, str] | None = None) -> None:
        """A file to be written, with the folders that it needs; nothing where it is so already."""
        if before != after:
            self._add_folders(path)
            self.changes.append(File.of(path, before, after, what, added))

    def add_folder(self, path: Path, fill: Callable[[], None] | None = None) -> None:
        """A folder of our own."""
        self._add_folders(path)
        self.changes.append(Folder(str(path), whole=True))
        if fill is not None:
            self.fill[str(path)] = fill

    def step(self, change: Change) -> None:
        """Make one change."""
        change.apply()
        if change.path in self.fill:
            self.fill[change.path]()

    def _add_folders(self, path: Path) -> None:
        self.changes += [one for one in missing_parents(path) if one not in self.changes]


@dataclass(frozen=True)
class Networks:
    """What is known of the Python that is to run the networks.

    Parameters
    ----------
    python
        The interpreter that the user names.
    folder
        The folder in which the user wants an environment to be made.
    made
        The environment that an earlier installation has made, where it works.
    removed
        Places that an earlier installation will have left.
    """

    python: str | None = None
    folder: str | None = None
    made: Path | None = None
    removed: Sequence[str] = ()


def make_plan(mantid: Mantid, view: Reader, networks: Networks, ask: Ask) -> Plan:
    """The plan for a Mantid.

    Parameters
    ----------
    mantid
        The Mantid to serve.
    view
        Gives the files as they are without an earlier installation.
    networks
        What is to run the networks.
    ask
        Whether the user agrees to something.

    Raises
    ------
    InsdlError
        If it cannot be done.
    """
    plan = Plan()
    added = {PLUGINS: _package(plan, mantid)}
    if plan.changes:
        added[SCRIPTS] = bridge.folder().as_posix()
    _configuration(plan, view, networks)
    if _menu(plan, mantid, view, ask):
        added[INTERFACES] = launcher.ENTRY
    _properties(plan, mantid, view, added)
    overriding = mantid.overriding(added)
    if overriding:
        plan.notes.append(f"The environment variable MANTIDPROPERTIES names {overriding}, which overrides some of these lines.")
    return plan


def _package(plan: Plan, mantid: Mantid) -> str:
    """See that Mantid's Python can import the package; the plugin folder."""
    package = mantid.package
    if package and package["version"] != __version__:
        raise InstallationError(
            f"Mantid's Python has mantid_insdl {package['version']}, and this is {__version__}",
            "it would come first",
            f"run `{mantid.interpreter} -m pip uninstall mantid_insdl`, and try again",
        )
    wanted = [requirement for _, requirement in mantid.lacking]
    if wanted or not package:
        plan.add_folder(bridge.folder(), (lambda: bridge.bring(mantid, wanted)) if wanted else None)
        if wanted:
            plan.notes.append(f"{' and '.join(wanted)} will be fetched by pip for Mantid's Python, into {bridge.folder()}.")
    if package:
        return Path(package["algorithms"]).as_posix()
    plan.changes.append(File.of(bridge.folder() / "mantid_insdl.py", None, bridge.MODULE.encode(), "leads Mantid's Python to the package"))
    return plugin_directory().as_posix()


def _configuration(plan: Plan, view: Reader, networks: Networks) -> None:
    """Choose the interpreter of the networks, or plan to make one, and write it into the configuration."""
    file = config_file()
    if file is None:
        raise InstallationError("there is no place for the configuration", "no home directory is known", "set HOME or INSDL_CONFIG")
    content = view(file)
    try:
        text = (content or b"").decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read the configuration file '{file}'", "it is not UTF-8 text", "correct it, or remove it") from error
    configured = parse_config(text, file).python
    if os.environ.get("INSDL_PYTHON", "").strip():
        plan.notes.append("INSDL_PYTHON is set and goes before the configuration, for programs that are started with it.")
    interpreter = _chosen(plan, configured, networks)
    if configured is None or absolute(configured) != interpreter:
        plan.add_file(file, content, _with_python(text, interpreter, file).encode("utf-8"), "the Python of the networks")


def _chosen(plan: Plan, configured: str | None, networks: Networks) -> Path:
    if networks.python:
        found = examine(absolute(networks.python))
        if found.problem:
            raise InstallationError(
                f"the networks cannot run with '{networks.python}'", found.problem, "name the interpreter of an environment with TensorFlow"
            )
        return found.interpreter
    if networks.folder is None:
        named = [find_interpreter()] if os.environ.get("INSDL_PYTHON", "").strip() else []
        named += [absolute(configured)] if configured else []
        for candidate in named:
            if not examine(candidate).problem:
                return candidate
    if networks.made:
        return interpreter_of(networks.made)
    if networks.folder is None and not examine(own_interpreter()).problem:
        return own_interpreter()
    folder = absolute(networks.folder) if networks.folder else data_folder() / "environment"
    if folder.exists() and str(folder) not in networks.removed:
        raise InstallationError(
            f"no environment can be made in '{folder}'", "it exists already", "remove it, or name another folder: --environment DIR"
        )
    plan.add_folder(folder, lambda: make(folder))
    plan.notes.append("The environment of the networks takes about 2 GB and some minutes; pip fetches it.")
    return interpreter_of(folder)


def _with_python(text: str, interpreter: Path, file: Path) -> str:
    """The configuration with another interpreter; what else is in the file are comments."""
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("python:")]
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    new = "".join(lines) + f"python: {json.dumps(str(interpreter), ensure_ascii=False)}\n"  # a JSON text is YAML
    try:
        if parse_config(new, file).python != str(interpreter):
            raise ConfigError("it is not understood")
    except ConfigError as error:
        summary = f"cannot change the configuration file '{file}'"
        raise ConfigError(summary, "its entry 'python' is written in an unusual way", "write it in one line, python: PATH") from error
    return new


def _menu(plan: Plan, mantid: Mantid, view: Reader, ask: Ask) -> bool:
    """Plan the launcher, where it may be written; whether it will be there."""
    by_hand = f"To open the panel run in Workbench's script editor: {launcher.BY_HAND}"
    if mantid.interfaces is None:
        plan.notes.append(
            f"This Mantid has no Workbench (no mantidqtinterfaces), so there will be no entry in the Interfaces menu. {by_hand}"
        )
        return False
    path, text = mantid.interfaces / launcher.NAME, launcher.TEXT.encode()
    before = view(path)
    if before == text:
        return True
    if not os.access(mantid.interfaces, os.W_OK):
        plan.notes.append(
            f"{mantid.interfaces} cannot be written to, so there will be no entry in the Interfaces menu; whoever installed Mantid can run "
            f"`insdl install` once for all users. {by_hand}"
        )
        return False
    if not ask(f"Write {path}, for the entry in the Interfaces menu? It is a folder of Mantid itself."):
        plan.notes.append(f"There will be no entry in the Interfaces menu, which needs {path}. {by_hand}")
        return False
    plan.add_file(path, before, text, "the entry of the Interfaces menu")
    return True


def _properties(plan: Plan, mantid: Mantid, view: Reader, added: dict[str, str]) -> None:
    """Plan the lines of the user's properties file."""
    file = mantid.user_file
    before = view(file)
    after, present = before or b"", values(before or b"")
    for folder in elements(PLUGINS, present.get(PLUGINS, mantid.shipped(PLUGINS))):
        other = mantid.properties / folder
        if (other / "ClassifyMagneticModel.py").is_file() and not same_element(folder, added[PLUGINS]):
            raise InstallationError(
                "Mantid has the algorithms of another mantid_insdl",
                f"{PLUGINS} names {folder}",
                "take it out in Workbench under File > Manage User Directories > Python Extensions, close Workbench, and try again",
            )
    new = {}
    for key, element in added.items():
        changed = with_element(after, key, element, mantid.shipped(key))
        if changed != after:
            after, new[key] = changed, element
    plan.add_file(file, before, after, ", ".join(new), new)
