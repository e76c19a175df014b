"""Small line icons, drawn from path data so that they follow the theme."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap

RESOURCES = Path(__file__).resolve().parent.parent / "resources"
SIZE = 18

_LINES = {
    "open": "2,14 2,4 7,4 9,6 16,6 16,14 2,14",
    "save": "3,3 13,3 15,5 15,15 3,15 3,3 | 6,3 6,7 12,7 12,3 | 6,15 6,11 12,11 12,15",
    "export": "9,11 9,2 | 5.5,5.5 9,2 12.5,5.5 | 3,10 3,15 15,15 15,10",
    "undo": "7,4 3,8 7,12 | 3,8 11,8 14,10 15,12.5 14,15",
    "redo": "11,4 15,8 11,12 | 15,8 7,8 4,10 3,12.5 4,15",
    "reset": "3,3 3,7 7,7 | 3,7 6,4 9,3 13,4.5 15,9 13,13.5 9,15 5,13",
    "dice": "3,3 15,3 15,15 3,15 3,3 | 6.2,6 6.2,6.4 | 9,9 9,9.4 | 11.8,12 11.8,12.4",
    "split": "3,3 15,3 15,15 3,15 3,3 | 9,1 9,17",
    "lock": "4.5,8 13.5,8 13.5,15 4.5,15 4.5,8 | 6.5,8 6.5,5.5 8,3.5 10,3.5 11.5,5.5 11.5,8",
}
"""Name -> lines of x,y points in a square of 18."""


def icon(name: str, colour: QColor, checked: QColor | None = None) -> QIcon:
    """The icon in a colour, and in another while it is checked."""
    made = QIcon()
    made.addPixmap(_drawn(name, colour), QIcon.Mode.Normal, QIcon.State.Off)
    if checked is not None:
        made.addPixmap(_drawn(name, checked), QIcon.Mode.Normal, QIcon.State.On)
    faded = QColor(colour)
    faded.setAlpha(90)
    made.addPixmap(_drawn(name, faded), QIcon.Mode.Disabled, QIcon.State.Off)
    return made


def application_icon() -> QIcon:
    """Facet's own mark."""
    return QIcon(str(RESOURCES / "icons" / "facet.png"))


def _drawn(name: str, colour: QColor) -> QPixmap:
    scale = 3
    pixmap = QPixmap(SIZE * scale, SIZE * scale)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(scale, scale)
    painter.setPen(
        QPen(colour, 1.4, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
    )
    for line in _LINES[name].split(" | "):
        points = [tuple(map(float, point.split(","))) for point in line.split()]
        painter.drawPolyline([QPointF(x, y) for x, y in points])
    painter.end()
    pixmap.setDevicePixelRatio(scale)
    return pixmap
