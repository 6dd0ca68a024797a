"""The entry in Workbench's Interfaces menu: a short script among those of Mantid, and its name in a list.

Workbench reads ``Category/Script.py`` from the key `mantidqt.python_interfaces` and looks for the script in the folder of the package
`mantidqtinterfaces` only (workbench/utils/gather_interfaces.py). A run-time extension system with entry points is a design upstream.
"""

NAME = "INS_Deep_Learning.py"
ENTRY = f"Direct/{NAME}"

TEXT = """\
# Opens the panel of mantid_insdl. Written by `insdl install`; `insdl uninstall` takes it away.
from mantid.kernel import logger

try:
    from mantid_insdl.interfaces import show

    show()
except Exception as error:
    logger.error(f"INS Deep Learning cannot be opened: {error} (`insdl status` in a terminal says what is missing.)")
"""
"""The script. It names no folder, so that users of one Mantid share it."""

BY_HAND = "from mantid_insdl.interfaces import show; show()"
"""What opens the panel from Workbench's script editor."""
