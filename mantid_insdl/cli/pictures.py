"""Pictures as the command line draws them: in a process of its own, which ends with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_picture(draw: Callable[[], Figure], path: Path) -> None:
    """Draw a figure and write it to a file.

    When matplotlib is imported it writes the docstrings of some hundred ``set`` methods out of those of their setters. That is a quarter
    of its import, and nobody reads them here.
    """
    import matplotlib.artist

    matplotlib.artist.kwdoc = lambda artist: ""
    draw().savefig(path)
