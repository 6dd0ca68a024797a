"""Writing a file so that it appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mantid_insdl.errors import OutputError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside `path` that takes its place when the block ends well, and is removed otherwise.

    Raises
    ------
    OutputError
        `path` is a folder, or its folder is missing or cannot be written to.
    """
    if path.is_dir():
        raise OutputError(f"cannot write '{path}'", "it is a folder", "give a file name")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write '{path}'", f"the folder '{path.parent}' does not exist", "create it or choose another one")
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=".part", dir=path.parent)
    except OSError as error:
        raise OutputError(f"cannot write into '{path.parent}'", error.strerror or str(error), "choose another folder") from error
    os.close(handle)
    try:
        yield Path(temporary)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp makes files that only their owner may read
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"cannot write '{path}'", error.strerror or str(error), "free space or choose another folder") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
