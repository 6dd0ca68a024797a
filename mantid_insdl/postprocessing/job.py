"""`postprocess` as a job of automated reduction: quiet, and its last line is JSON whether it succeeds or not.

The contract is that of the runners of ISIS (https://github.com/fiaisis/jobcontroller): the log's last line is taken for the result of a job
that exits with 0; of another one the last line with ``Error:`` in it is its message, and what stands above, up to ``Traceback``, its trace.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from mantid_insdl.errors import InsdlError
from mantid_insdl.postprocessing.processing import postprocess


def run_job(inputs: Sequence[str | os.PathLike] | str | os.PathLike, output_dir: str | os.PathLike, **options: Any) -> list[str]:
    """Process reduced files as `postprocess` does, and say how it went as a runner wants to hear it.

    Returns
    -------
    list of str
        The files that were written, relative to `output_dir`.

    Raises
    ------
    SystemExit
        With status 1 where anything failed, after a line ``SomethingError: message`` and the line of JSON.
    """
    return reported(lambda: postprocess(inputs, output_dir, **options))


def reported(work: Callable[[], list[str]], *, status: Callable[[BaseException], int] = lambda error: 1, as_json: bool = True) -> list[str]:
    """What `work` returns; an error becomes one line and an exit status, and the last line is JSON."""
    try:
        files = work()
    except (KeyboardInterrupt, Exception) as error:
        if not isinstance(error, InsdlError | KeyboardInterrupt):
            traceback.print_exc()
        message = " ".join(str(error).split()) or "interrupted"
        print(f"{_kind(error)}: {message}", file=sys.stderr, flush=True)
        if as_json:
            # Without "Error:", by which runners find the line above.
            _print_json("Unsuccessful", message.replace("Error:", "Error -"), getattr(error, "files", []))
        raise SystemExit(status(error)) from None
    if as_json:
        _print_json("Successful", "", files)
    return files


def _kind(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "InterruptedError"
    name = type(error).__name__
    return name if name.endswith("Error") else f"{name}Error"


def _print_json(status: str, message: str, files: Sequence[str]) -> None:
    sys.stderr.flush()
    print(json.dumps({"status": status, "status_message": message, "output_files": list(files), "stacktrace": ""}), flush=True)
