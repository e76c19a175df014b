"""What is drawn over the viewport's pictures: strokes, the divider, labels."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter, QPen

from app.orbit import FIRST_ZOOM


def draw_kept(
    painter: QPainter, dots: Sequence[QPointF], stroke: Sequence[QPointF], radius: float, accent: QColor
) -> None:
    """Dots where the photo is kept, and the stroke that is being drawn."""
    painter.setPen(QPen(accent, 1.6))
    painter.drawPoints(list(dots))
    painter.setPen(Qt.PenStyle.NoPen)
    colour = QColor(accent)
    colour.setAlpha(40)
    painter.setBrush(colour)
    for point in stroke:
        painter.drawEllipse(point, radius, radius)


def draw_pull(painter: QPainter, stroke: Sequence[QPointF], accent: QColor) -> None:
    """An arrow from where the head is held to where it is pulled."""
    if len(stroke) < 2:
        return
    start, end = stroke[0], stroke[-1]
    for colour, width in ((QColor(0, 0, 0, 110), 4.0), (accent, 2.0)):
        painter.setPen(QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(start, end)
        painter.setBrush(colour)
        painter.drawEllipse(start, width, width)


def draw_colour(
    painter: QPainter, stroke: Sequence[QPointF], over: QPointF | None, radius: float, colour: QColor
) -> None:
    """The stroke of colour that is being drawn, and the brush where the mouse is."""
    if len(stroke) > 1:
        veil = QColor(colour)
        veil.setAlpha(190)
        round_ends = (Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
        painter.setPen(QPen(veil, 2 * radius, *round_ends))
        painter.drawPolyline(list(stroke))
    if over is not None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for ring, width in ((QColor(0, 0, 0, 130), 3.0), (colour, 1.6)):
            painter.setPen(QPen(ring, width))
            painter.drawEllipse(over, radius, radius)


def draw_awaited(painter: QPainter, image: QImage, middle: QPointF, shorter: int) -> None:
    """The photo whose head is awaited, faint, where the head will be."""
    side = shorter * FIRST_ZOOM
    painter.setOpacity(0.55)
    painter.drawImage(QRectF(middle.x() - side / 2, middle.y() - side / 2, side, side), image)
    painter.setOpacity(1.0)


def draw_divider(painter: QPainter, font: QFont, x: float, height: int, before: str, after: str) -> None:
    """The line between both heads, with its handle and their names."""
    painter.setPen(QPen(QColor(0, 0, 0, 90), 3))
    painter.drawLine(QPointF(x, 0), QPointF(x, height))
    painter.setPen(QPen(QColor(255, 255, 255, 220), 1.2))
    painter.drawLine(QPointF(x, 0), QPointF(x, height))
    middle = QPointF(x, height / 2)
    painter.setPen(QPen(QColor(255, 255, 255, 230), 1.2))
    painter.setBrush(QColor(30, 31, 34, 190))
    painter.drawEllipse(middle, 13, 13)
    painter.setPen(QPen(QColor(255, 255, 255, 230), 1.6))
    for sign in (-1, 1):
        tip = QPointF(x + sign * 7.5, middle.y())
        painter.drawLine(tip, QPointF(x + sign * 4, middle.y() - 3.5))
        painter.drawLine(tip, QPointF(x + sign * 4, middle.y() + 3.5))
    draw_label(painter, font, before, QPointF(x - 12, 0), right=True)
    draw_label(painter, font, after, QPointF(x + 12, 0))


def draw_label(
    painter: QPainter, font: QFont, text: str, at: QPointF, centred: bool = False, right: bool = False
) -> None:
    """A name on a dark plate under ``at``; beginning, centred or ending there."""
    smaller = QFont(font)
    smaller.setPointSizeF(smaller.pointSizeF() * 0.9)
    painter.setFont(smaller)
    width = painter.fontMetrics().horizontalAdvance(text) + 16
    left = at.x() - (width / 2 if centred else width if right else 0)
    box = QRectF(left, at.y() + 12, width, painter.fontMetrics().height() + 6)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(20, 21, 23, 150))
    painter.drawRoundedRect(box, 4, 4)
    painter.setPen(QColor(240, 240, 240))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
