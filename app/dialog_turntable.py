"""How a turntable film is written."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.fields import NumberField, level, roomy


class TurntableDialog(QDialog):
    """Length, frame rate and place of the film."""

    def __init__(self, suggestion: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Save turntable"))
        self.setMinimumWidth(460)
        self.seconds = roomy(NumberField())
        self.seconds.setRange(1, 60)
        self.seconds.setValue(4)
        self.seconds.setSuffix(" s")
        self.fps = roomy(QSpinBox())
        self.fps.setRange(5, 60)
        self.fps.setValue(30)
        self.fps.setSuffix(self.tr(" frames per second"))
        self.place = QLineEdit(str(suggestion))
        browse = QPushButton(self.tr("Browse …"))
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.place, 1)
        row.addWidget(browse)
        form = QFormLayout()
        form.setVerticalSpacing(10)
        form.addRow(self.tr("Length"), self.seconds)
        form.addRow(self.tr("Rate"), self.fps)
        form.addRow(self.tr("File (.mp4, .gif)"), row)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        buttons.addButton(self.tr("Film"), QDialogButtonBox.ButtonRole.AcceptRole).setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(14)
        layout.addLayout(level(form))
        layout.addWidget(buttons)

    @property
    def path(self) -> Path:
        return Path(self.place.text()).expanduser()

    def _browse(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(
            self, self.windowTitle(), str(self.path), "MP4 (*.mp4);;GIF (*.gif)"
        )
        if chosen:
            path = Path(chosen)
            self.place.setText(str(path if path.suffix else path.with_suffix(".mp4")))
