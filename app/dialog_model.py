"""A model from official files: what is there, what lacks, and its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

MODEL_FILES = "*.pkl *.pt *.pth *.npy *.safetensors"
MODEL_ENDINGS = (".pkl", ".pt", ".pth", ".npy", ".safetensors")


class ModelDialog(QDialog):
    """Shows the parts of a model as they come; asks for files, and to add the model when all are there."""

    files_chosen = Signal(list)
    """More files of the same model, as paths."""
    add_asked = Signal(object, str)
    """The parts, and the name that the model shall have."""

    def __init__(self, parts: Any, installed: list[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.installed = installed
        self.setWindowTitle(self.tr("Add model"))
        self.setMinimumWidth(560)
        self.grid = QGridLayout()
        self.grid.setHorizontalSpacing(14)
        self.grid.setVerticalSpacing(8)
        self.grid.setColumnStretch(1, 1)
        self.name = QComboBox()
        self.name.setEditable(True)
        self.name.setAccessibleName(self.tr("Name of the model"))
        self.name.addItems(installed)
        self.name.editTextChanged.connect(self._refresh)
        self.note = QLabel(
            self.tr(
                "Official files are read without running anything in them, and converted into a model of their "
                "own; the files themselves are not needed afterwards. Their makers' licences hold."
            )
        )
        self.note.setObjectName("muted")
        self.note.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.add_button = buttons.addButton(self.tr("Add model"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.add_button.setDefault(True)
        buttons.button(QDialogButtonBox.StandardButton.Cancel).setAutoDefault(False)
        buttons.accepted.connect(self._on_add)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(14)
        layout.addLayout(self.grid)
        layout.addWidget(self.note)
        layout.addWidget(buttons)
        self.show_parts(parts, first=True)

    def show_parts(self, parts: Any, first: bool = False) -> None:
        """Show what is known now."""
        from inversion_core.checkpoints.companions import NEEDED, OFFICIAL

        self.parts = parts
        while self.grid.count():
            widget = self.grid.takeAt(0).widget()
            if widget is not None and widget is not self.name:
                widget.deleteLater()
        rows: list[tuple[str, str, bool]] = []
        for role in NEEDED[parts.kind]:
            found = parts.files.get(role)
            missing = self.tr("missing; its maker calls it {name}").format(name=OFFICIAL[role])
            rows.append((role, missing if found is None else found.name, found is None))
        names = ", ".join(path.name for path in parts.directions)
        if parts.kind != "e3dge":
            rows.append((self.tr("Sliders (optional)"), names or self.tr("directions, .npy"), not names))
        else:
            folder = parts.boundaries
            rows.append(
                (
                    self.tr("Sliders (optional)"),
                    folder.name if folder else self.tr("folder of boundaries"),
                    folder is None,
                )
            )
        for place, (role, said, wanting) in enumerate(rows):
            self.grid.addWidget(QLabel(role), place, 0)
            label = QLabel(said)
            label.setObjectName("muted" if wanting else "")
            self.grid.addWidget(label, place, 1)
            button = QPushButton(self.tr("Choose …"))
            button.setAutoDefault(False)
            button.setAccessibleName(self.tr("Choose {role}").format(role=role))
            folder_wanted = parts.kind == "e3dge" and place == len(rows) - 1
            button.clicked.connect(self._choose_folder if folder_wanted else self._choose)
            self.grid.addWidget(button, place, 2)
        self.grid.addWidget(QLabel(self.tr("Name")), len(rows), 0)
        self.grid.addWidget(self.name, len(rows), 1, 1, 2)
        if first:
            stems = [path.stem for role, path in parts.files.items() if role.endswith("generator")]
            default = "stylesdf" if parts.kind == "e3dge" else next(iter(stems), "")
            self.name.setEditText(default or (self.installed[0] if self.installed else ""))
        self._refresh()

    def _refresh(self, *_unused) -> None:
        lacking = [role for role in self.parts.missing if not self._lent(role)]
        self.add_button.setEnabled(not lacking and bool(self.name.currentText().strip()))

    def _lent(self, role: str) -> bool:
        """Whether a model that is there lends this part: its generator serves encoders and directions."""
        return role == "EG3D generator" and self.name.currentText().strip() in self.installed

    def _choose(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(
            self, self.tr("Files of the model"), "", self.tr("Official files") + f" ({MODEL_FILES})"
        )
        if chosen:
            self.files_chosen.emit([Path(name) for name in chosen])

    def _choose_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, self.tr("Folder of boundaries"))
        if chosen:
            self.files_chosen.emit([Path(chosen)])

    def _on_add(self) -> None:
        self.add_asked.emit(self.parts, self.name.currentText().strip())
        self.accept()
