"""A field for the name of a file."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

MATERIAL_FILES = "Material files (*.yaml *.yml)"
MASK_FILES = "Masks (*.npz);;All files (*)"


class FileField(QWidget):
    """The name of a file, with a button that opens a dialog.

    Parameters
    ----------
    name
        What the file is, for the dialog's title and screen readers.
    kinds
        Of files, as Qt's dialog takes them.
    """

    sig_chosen = Signal(str)  # by the dialog, or with the return key

    def __init__(self, name: str, kinds: str):
        super().__init__()
        self._name, self._kinds = name, kinds
        self._line = QLineEdit(accessibleName=name, placeholderText="optional")
        self._line.returnPressed.connect(self._choose_typed)
        button = QPushButton("…", accessibleName=f"Choose {name}")
        button.setMaximumWidth(30)
        button.clicked.connect(self._ask)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line)
        layout.addWidget(button)
        self.setFocusProxy(self._line)

    def text(self) -> str:
        """The file; empty where none is chosen."""
        return self._line.text().strip()

    def clear(self) -> None:
        """Choose none."""
        self._line.clear()

    def _ask(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, self._name, self.text(), self._kinds)
        if path:
            self._line.setText(path)
            self.sig_chosen.emit(path)

    def _choose_typed(self) -> None:
        if self.text():
            self.sig_chosen.emit(self.text())
