"""Where and how a mesh is written."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.fields import roomy

FORMATS = ((".glb", "GLB"), (".obj", "OBJ"), (".ply", "PLY"))


class ExportDialog(QDialog):
    """Format, kind of surface and place; ``path`` and ``resolution`` say what was chosen."""

    def __init__(self, suggestion: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Export mesh"))
        self.setMinimumWidth(500)
        self.format = QComboBox()
        for suffix, name in FORMATS:
            self.format.addItem(f"{name}  ({suffix})", suffix)
        self.surface = QComboBox()
        self.surface.addItem(self.tr("Model's topology: texture, the same vertices for every head"), None)
        self.surface.addItem(self.tr("Free surface: marching cubes with vertex colours"), True)
        self.cells = roomy(QSpinBox())
        self.cells.setRange(32, 512)
        self.cells.setSingleStep(32)
        self.cells.setValue(192)
        self.cells.setSuffix(self.tr(" cells"))
        self.cells.setEnabled(False)
        self.place = QLineEdit(str(suggestion.with_suffix(".glb")))
        browse = QPushButton(self.tr("Browse …"))
        browse.setAutoDefault(False)
        self.reveal = QCheckBox(self.tr("Open the folder afterwards"))
        note = QLabel(
            self.tr(
                "Upright, +Y up, in metres. GLB holds texture and expression morphs in one file; "
                "OBJ writes .mtl and .png beside it."
            )
        )
        note.setObjectName("muted")
        note.setWordWrap(True)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.place, 1)
        row.addWidget(browse)
        form = QFormLayout()
        form.setVerticalSpacing(10)
        form.setHorizontalSpacing(16)
        form.addRow(self.tr("Format"), self.format)
        form.addRow(self.tr("Surface"), self.surface)
        form.addRow(self.tr("Resolution"), self.cells)
        form.addRow(self.tr("File"), row)
        form.addRow("", self.reveal)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.accept_button = buttons.addButton(self.tr("Export"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.accept_button.setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(14)
        layout.addLayout(form)
        layout.addWidget(note)
        layout.addWidget(buttons)
        self.format.currentIndexChanged.connect(self._on_format)
        self.surface.currentIndexChanged.connect(self._on_surface)
        self.place.textChanged.connect(self._on_place)
        browse.clicked.connect(self._browse)

    @property
    def path(self) -> Path:
        return Path(self.place.text()).expanduser()

    @property
    def resolution(self) -> int | None:
        return self.cells.value() if self.surface.currentData() else None

    def _on_format(self, _index: int) -> None:
        self.place.setText(str(self.path.with_suffix(self.format.currentData())))

    def _on_surface(self, _index: int) -> None:
        self.cells.setEnabled(bool(self.surface.currentData()))

    def _on_place(self, text: str) -> None:
        suffix = Path(text).suffix.lower()
        index = self.format.findData(suffix)
        if index >= 0:
            self.format.blockSignals(True)
            self.format.setCurrentIndex(index)
            self.format.blockSignals(False)
        self.accept_button.setEnabled(index >= 0)

    def _browse(self) -> None:
        filters = ";;".join(f"{name} (*{suffix})" for suffix, name in FORMATS)
        chosen, _ = QFileDialog.getSaveFileName(self, self.tr("Export mesh"), str(self.path), filters)
        if chosen:
            path = Path(chosen)
            self.place.setText(str(path if path.suffix else path.with_suffix(self.format.currentData())))
