"""Writing a file so that it appears whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from mantid_insdl.errors import OutputError
from mantid_insdl.output import staged_file


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file that takes the place of `path` when the block ends well, and is removed otherwise.

    Raises
    ------
    OutputError
        `path` is a folder, its folder is missing or cannot be written to, or writing fails: h5py reports a full or failing
        disk as an OSError of its own, without an error number.
    """
    with staged_file(path) as temporary:
        try:
            yield temporary
        except OSError as error:
            raise OutputError(
                f"cannot write the file '{path}'", error.strerror or str(error), "free some space or choose another folder"
            ) from error
