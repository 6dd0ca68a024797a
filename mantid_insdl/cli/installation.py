"""`insdl install`, `uninstall` and `status`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mantid_insdl.cli.options import OptionError

EXIT_INCOMPLETE = 8

MantidOption = Annotated[
    Path | None,
    typer.Option(
        "--mantid", metavar="PATH", help="Folder, application or Python interpreter of the Mantid; not needed where there is one."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (install, uninstall, status):
        app.command()(command)


def install(
    *,
    mantid: MantidOption = None,
    python: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Python interpreter with TensorFlow, to run the networks; else found or made."),
    ] = None,
    environment: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder in which to make a new environment with TensorFlow, about 2 GB.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to writing the launcher into Mantid's own folder.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Install the plugin beside a Mantid: its algorithms, its entry in Workbench's Interfaces menu, and the environment of its networks.

    It changes your Mantid.user.properties, adds one file to Mantid's own folder if you agree, and makes an environment with TensorFlow
    where none is found. `insdl uninstall` takes all of it back. Close Workbench first.

    [bold]Examples:[/bold]

      insdl install --dry-run

      insdl install --mantid /opt/mantidworkbench
    """
    from mantid_insdl.installation.installing import install as run

    for option, value in (("--mantid", mantid), ("--python", python), ("--environment", environment)):
        if value is not None and not str(value).strip():
            raise OptionError(f"{option} is empty", "it names a place", "give one, or leave the option out")

    if python and environment:
        raise OptionError("--python and --environment contradict each other", "one takes an environment, the other makes one", "give one")

    def ask(question: str) -> bool:
        if dry_run and not yes:
            print(f"It would ask: {question}")
        if yes or dry_run:
            return True
        if not sys.stdin.isatty():
            print(f"{question} Not without an answer: run this in a terminal, or with --yes.", file=sys.stderr)
            return False
        return typer.confirm(question)

    run(mantid, python=python, environment=environment, dry_run=dry_run, ask=ask, say=print)


def uninstall(*, dry_run: DryRun = False) -> None:
    """Take back, byte for byte, what `insdl install` has changed. Close Workbench first.

    [bold]Example:[/bold]

      insdl uninstall
    """
    from mantid_insdl.installation.installing import uninstall as run

    run(dry_run=dry_run, say=print)


def status(*, mantid: MantidOption = None) -> None:
    """Say of each piece of the installation whether it is present, missing or of another version, and try a call through the worker.

    [bold]Example:[/bold]

      insdl status
    """
    from mantid_insdl.installation.status import PRESENT, pieces

    complete = True
    for piece in pieces(mantid):
        complete &= piece.state == PRESENT
        print(f"{piece.name:13} {piece.state:14} {piece.detail}", flush=True)
    if not complete:
        raise typer.Exit(EXIT_INCOMPLETE)
