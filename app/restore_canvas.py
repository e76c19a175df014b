"""The photo in the restore dialog, with a brush that marks what is damaged."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.pictures import photo_picture

MARK = QColor(235, 60, 60, 130)


class RestoreCanvas(QWidget):
    """A square picture; drags paint damage or take it away."""

    painted = Signal()
    """The damage is another one."""

    def __init__(self, side: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.damaged = np.zeros((side, side), bool)
        self.brush = 12
        self.erasing = False
        self.marked = True
        self._picture: QImage | None = None
        self._overlay: QImage | None = None
        self._last: QPointF | None = None
        self._at: QPointF | None = None
        self.setMinimumSize(360, 360)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAccessibleName(self.tr("Photo with its damage"))

    def sizeHint(self) -> QSize:
        return QSize(512, 512)

    def show_picture(self, image: NDArray[np.uint8]) -> None:
        self._picture = photo_picture(image)
        self.update()

    def show_marks(self, shown: bool) -> None:
        self.marked = shown
        self.update()

    def set_damaged(self, damaged: NDArray[np.bool_]) -> None:
        """Another damage; a copy is kept."""
        self.damaged = damaged.copy()
        self._renew()

    def _renew(self) -> None:
        rgba = np.zeros((*self.damaged.shape, 4), np.uint8)
        rgba[self.damaged] = (MARK.red(), MARK.green(), MARK.blue(), MARK.alpha())
        height, width = self.damaged.shape
        image = QImage(rgba.data, width, height, 4 * width, QImage.Format.Format_RGBA8888)
        self._overlay = image.copy()
        self.update()

    def _square(self) -> QRectF:
        side = min(self.width(), self.height())
        return QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)

    def _pixel(self, at: QPointF) -> tuple[int, int]:
        square, size = self._square(), len(self.damaged)
        return (
            round((at.x() - square.x()) / square.width() * size),
            round((at.y() - square.y()) / square.height() * size),
        )

    def stroke(self, start: QPointF, end: QPointF) -> None:
        """Paint from one place of the widget to another, or erase."""
        mask = self.damaged.astype(np.uint8)
        cv2.line(mask, self._pixel(start), self._pixel(end), 0 if self.erasing else 1, max(self.brush, 1))
        self.damaged = mask > 0
        self._renew()

    def paintEvent(self, _event) -> None:
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.SmoothPixmapTransform | QPainter.RenderHint.Antialiasing)
        if self._picture is not None:
            painter.drawImage(self._square(), self._picture)
        if self.marked and self._overlay is not None:
            painter.drawImage(self._square(), self._overlay)
        if self._at is not None and self.marked:
            radius = self.brush / 2 * self._square().width() / len(self.damaged)
            painter.setPen(QPen(QColor(255, 255, 255, 200), 1.2))
            painter.drawEllipse(self._at, radius, radius)

    def mousePressEvent(self, event) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.marked:
            self._last = event.position()
            self.stroke(self._last, self._last)
        event.accept()

    def mouseMoveEvent(self, event) -> None:
        self._at = event.position()
        if self._last is not None:
            self.stroke(self._last, self._at)
            self._last = self._at
        self.update()

    def mouseReleaseEvent(self, event) -> None:
        if self._last is not None:
            self._last = None
            self.painted.emit()
        event.accept()

    def leaveEvent(self, _event) -> None:
        self._at = None
        self.update()
