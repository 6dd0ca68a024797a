"""Installing and uninstalling: a plan, a record, and then the changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mantid_insdl._version import __version__
from mantid_insdl.errors import InstallationError
from mantid_insdl.installation import bridge, record
from mantid_insdl.installation.changes import Folder, read_file
from mantid_insdl.installation.environment import absolute, examine, interpreter_of
from mantid_insdl.installation.launcher import NAME
from mantid_insdl.installation.mantids import Mantid, find_mantid
from mantid_insdl.installation.mantids import ask as ask_mantid
from mantid_insdl.installation.plan import Ask, Networks, Plan, make_plan
from mantid_insdl.installation.record import Record
from mantid_insdl.installation.workbench import running

Say = Callable[[str], None]


def install(
    place: Path | None = None, *, python: str | None = None, environment: str | None = None, dry_run: bool = False, ask: Ask, say: Say
) -> None:
    """Install the plugin beside a Mantid; an earlier installation is replaced, and one that is complete is left as it is.

    Parameters
    ----------
    place
        Where the Mantid is; see `find_mantid`.
    python, environment
        The interpreter that is to run the networks, or the folder in which an environment is to be made for them.
    dry_run
        Only say what would be done.
    ask, say
        Ask the user to agree to something; tell the user something.

    Raises
    ------
    InsdlError
        Where nothing was changed, or what was changed was taken back.
    """
    if not dry_run:
        _refuse_while_workbench_runs()
    mantid = find_mantid(place)
    say(f"Mantid {mantid.version} with Python {mantid.python}: {mantid.interpreter}")
    earlier = record.load()
    kept = _kept(earlier, python, environment)
    changes = earlier.changes if earlier else ()
    networks = Networks(
        python,
        environment,
        made=next((Path(one.path) for one in kept if one.whole), None),
        removed=[one.path for one in changes if one not in kept],
    )
    launcher = mantid.interfaces and str(mantid.interfaces / NAME)
    agreed = any(one.path == launcher for one in changes)
    plan = make_plan(mantid, earlier.view if earlier else read_file, networks, lambda question: agreed or ask(question))
    for note in plan.notes:
        say(note)
    if earlier and _complete(mantid, earlier, kept, plan):
        say("Everything is installed already.")
    elif dry_run:
        say("This would be done:" if not earlier else "The earlier installation would be taken back, and then:")
        for change in plan.changes:
            say(f"- {change.words}")
    else:
        for note in earlier.undo(keep=kept) if earlier else []:
            say(note)
        changes = (*kept, *(one for one in record.record_folders() if one not in plan.changes), *plan.changes)
        Record(str(mantid.interpreter), mantid.version, changes).apply(plan.step, keep=kept if networks.made else ())
        say("This was done:")
        for change in plan.changes:
            say(f"- {change.words}")
        say("Installed. Start Mantid again to have the algorithms; `insdl status` tries them, `insdl uninstall` takes all of it back.")


def uninstall(*, dry_run: bool = False, say: Say) -> None:
    """Take everything back that `install` has changed.

    Raises
    ------
    InstallationError
        If Workbench runs, or something cannot be taken back.
    """
    earlier = record.load()
    if earlier is None:
        record.sweep()
        say("Nothing is installed.")
        return
    if dry_run:
        say("This would be taken back:")
        for change in reversed(earlier.changes):
            say(f"- {change.words}")
        return
    _refuse_while_workbench_runs()
    for note in earlier.undo():
        say(note)
    say(f"Uninstalled from Mantid {earlier.mantid} ({earlier.python}).")


def _refuse_while_workbench_runs() -> None:
    numbers = running()
    if numbers:
        raise InstallationError(
            f"Workbench is running (process {', '.join(map(str, numbers))})",
            "at its exit it writes its properties file and drops what was changed in the meantime",
            "close it and run the command again",
        )


def _kept(earlier: Record | None, python: str | None, environment: str | None) -> list[Folder]:
    """Of an earlier installation the environment, where it works and no other is asked for, and the folders around it."""

    def stays(folder: Folder) -> bool:
        if not folder.whole:
            return True
        path = Path(folder.path)
        if path == bridge.folder() or python or (environment and absolute(environment) != path):
            return False
        return not examine(interpreter_of(path)).problem

    return [one for one in earlier.changes if isinstance(one, Folder) and stays(one)] if earlier else []


def _complete(mantid: Mantid, earlier: Record, kept: Sequence[Folder], plan: Plan) -> bool:
    """Whether an installation is what a new one would be, and all of it is in place and works."""
    if (earlier.version, earlier.mantid) != (__version__, mantid.version) or set(map(repr, earlier.changes)) != set(
        map(repr, (*kept, *plan.changes))
    ):
        return False
    if any(isinstance(one, Folder) and one.whole and one not in kept and one.path != str(bridge.folder()) for one in earlier.changes):
        return False  # the environment has to be made again
    if str(bridge.folder()) in plan.fill and ask_mantid(mantid.interpreter, [bridge.folder()]).lacking:
        return False
    return all(one.in_place for one in earlier.changes)
