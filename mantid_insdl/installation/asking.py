"""Asking another Python."""

from __future__ import annotations

import subprocess
from pathlib import Path

from mantid_insdl.worker.interpreter import worker_environment


def run_python(interpreter: Path, *arguments: str | Path, limit: float) -> subprocess.CompletedProcess[str]:
    """Run an interpreter and catch what it prints.

    It starts in its own folder: nothing in the user's folder is to be found, such as a clone of this package, and Mantid takes a
    Mantid.properties of the folder in which it starts for its own.

    Parameters
    ----------
    limit
        In seconds.

    Raises
    ------
    OSError, subprocess.TimeoutExpired
        As `subprocess.run`.
    """
    return subprocess.run(
        [str(part) for part in (interpreter, *arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=limit,
        stdin=subprocess.DEVNULL,
        env=worker_environment(interpreter),
        cwd=interpreter.parent,
    )
