"""What colours are painted with: a well, a few swatches, and the size of the brush."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QColorDialog, QHBoxLayout, QSlider, QToolButton, QWidget

from app.view3d import View3D

SWATCHES = ("#a02038", "#d9b26a", "#7a3018", "#2a1c14", "#a8714a", "#5078a0")
SIZES = (5, 120)
"""Of the brush's radius, in thousandths of the viewport's shorter side."""


class PaintBar(QWidget):
    """Sets the viewport's colour and brush."""

    def __init__(self, viewport: View3D, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewport = viewport
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        self.well = QToolButton()
        self.well.setIconSize(QSize(24, 12))
        self.well.setFixedSize(32, 20)
        self.well.setToolTip(self.tr("Choose a colour"))
        self.well.setAccessibleName(self.tr("Colour of the brush"))
        self.well.clicked.connect(self._on_well)
        row.addWidget(self.well)
        self.swatches = []
        meant = (
            self.tr("Red lips"),
            self.tr("Fair hair"),
            self.tr("Red hair"),
            self.tr("Dark hair"),
            self.tr("Tanned skin"),
            self.tr("Blue eyes"),
        )
        for name, tip in zip(SWATCHES, meant, strict=True):
            swatch = QToolButton()
            swatch.setAutoRaise(True)
            swatch.setIconSize(QSize(12, 12))
            swatch.setFixedSize(18, 20)
            swatch.setIcon(_filled(QColor(name), QSize(12, 12)))
            swatch.setToolTip(tip)
            swatch.setAccessibleName(tip)
            swatch.setProperty("colour", name)
            swatch.clicked.connect(self._on_swatch)
            self.swatches.append(swatch)
            row.addWidget(swatch)
        row.addSpacing(6)
        self.size = QSlider(Qt.Orientation.Horizontal)
        self.size.setRange(*SIZES)
        self.size.setValue(round(1000 * viewport.colour_radius))
        self.size.setFixedWidth(70)
        self.size.setToolTip(self.tr("Size of the brush"))
        self.size.setAccessibleName(self.tr("Size of the brush"))
        self.size.valueChanged.connect(self._on_size)
        row.addWidget(self.size)
        # The theme's buttons have room for words.
        self.setStyleSheet("QToolButton { padding: 0px; }")
        self._show()

    def take(self, colour: QColor) -> None:
        """Paint with this colour from now on."""
        self.viewport.colour = QColor(colour)
        self._show()
        self.viewport.update()

    def _on_well(self) -> None:
        colour = QColorDialog.getColor(self.viewport.colour, self, self.tr("Colour of the brush"))
        if colour.isValid():
            self.take(colour)

    def _on_swatch(self) -> None:
        self.take(QColor(self.sender().property("colour")))

    def _on_size(self, value: int) -> None:
        self.viewport.colour_radius = value / 1000
        self.viewport.update()

    def _show(self) -> None:
        self.well.setIcon(_filled(self.viewport.colour, self.well.iconSize()))


def _filled(colour: QColor, size: QSize) -> QIcon:
    picture = QPixmap(2 * size)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    painter.drawRoundedRect(picture.rect().adjusted(1, 1, -1, -1), 5, 5)
    painter.end()
    return QIcon(picture)
