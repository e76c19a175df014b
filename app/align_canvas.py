"""A photo on which somebody marks a face: a square that turns, or five points."""

from __future__ import annotations

import math
from dataclasses import replace

from PySide6.QtCore import QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.engine_protocol import Picture
from app.pictures import photo_picture
from app.theme import Theme
from inversion_core.portrait import FacePoints, Square

REACH = 13.0
"""Widget pixels round a handle in which it is taken hold of."""
ARM = 30.0
"""Widget pixels from the square's upper edge to the handle that turns it."""
SMALLEST = 8.0
"""Photo pixels that a square has at least."""
LARGEST_ZOOM = 16.0
SNAP = math.radians(5)
CORNERS = ((-1, -1), (1, -1), (1, 1), (-1, 1))
TURNED, INSIDE = 4, 5
"""Grips of the square beside its corners, 0 to 3."""


class AlignCanvas(QWidget):
    """The photo with a square or points on it; all places are in pixels of the photo."""

    edited = Signal()
    """The square or a point was moved by hand."""
    chosen_changed = Signal(int)

    def __init__(
        self,
        picture: Picture,
        square: Square,
        points: FacePoints,
        theme: Theme,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.theme, self.square, self.points = theme, square, points
        self.with_points = False
        self.shadow: Square | None = square
        """The square that the points come to; None where they come to none."""
        self.chosen = 0
        self.labels = (
            self.tr("right eye"),
            self.tr("left eye"),
            self.tr("nose"),
            self.tr("mouth"),
            self.tr("mouth"),
        )
        self._image = photo_picture(picture.photo)
        self._full = QSizeF(picture.full[1], picture.full[0])
        self._zoom, self._middle = 1.0, QPointF(self._full.width() / 2, self._full.height() / 2)
        self._grip: int | None = None
        self._over: int | None = None
        self._from, self._panned = QPointF(), False
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(320, 280)
        self.setAccessibleName(self.tr("Photo with the marks"))

    def sizeHint(self) -> QSize:
        return QSize(640, 600)

    # ---- places -----------------------------------------------------------------------------------------------

    @property
    def scale(self) -> float:
        """Widget pixels per photo pixel."""
        fit = min((self.width() - 24) / self._full.width(), (self.height() - 24) / self._full.height())
        return max(fit, 1e-6) * self._zoom

    def to_widget(self, x: float, y: float) -> QPointF:
        """Where a place of the photo is shown."""
        scale, middle = self.scale, QPointF(self.width() / 2, self.height() / 2)
        return middle + QPointF(x - self._middle.x(), y - self._middle.y()) * scale

    def to_photo(self, place: QPointF) -> QPointF:
        """Which place of the photo is shown there."""
        return self._middle + (place - QPointF(self.width() / 2, self.height() / 2)) / self.scale

    def corners(self, square: Square) -> list[QPointF]:
        """The square's corners in the widget: upper left, upper right, lower right, lower left."""
        return [self._at(square, x * square.side / 2, y * square.side / 2) for x, y in CORNERS]

    def handle(self) -> QPointF:
        """Where the handle that turns the square is shown."""
        return self._at(self.square, 0, -self.square.side / 2 - ARM / self.scale)

    def _at(self, square: Square, x: float, y: float) -> QPointF:
        cos, sin = math.cos(square.roll), math.sin(square.roll)
        return self.to_widget(square.centre[0] + cos * x - sin * y, square.centre[1] + sin * x + cos * y)

    def _grip_at(self, place: QPointF) -> int | None:
        if self.with_points:
            grips = [self.to_widget(*point) for point in self.points.points]
        else:
            grips = [*self.corners(self.square), self.handle()]
        away = [math.hypot((grip - place).x(), (grip - place).y()) for grip in grips]
        nearest = min(range(len(grips)), key=away.__getitem__)
        if away[nearest] <= REACH:
            return nearest
        inside = QPolygonF(self.corners(self.square)).containsPoint(place, Qt.FillRule.OddEvenFill)
        return INSIDE if inside and not self.with_points else None

    # ---- marks ------------------------------------------------------------------------------------------------

    def move_square(self, x: float, y: float) -> None:
        """Carry the square so far, in photo pixels; its middle stays in the photo."""
        centre = (
            min(max(self.square.centre[0] + x, 0.0), self._full.width()),
            min(max(self.square.centre[1] + y, 0.0), self._full.height()),
        )
        self._take(replace(self.square, centre=centre))

    def resize_square(self, factor: float) -> None:
        """Make the square larger or smaller round its middle."""
        self._take(replace(self.square, side=self._allowed(self.square.side * factor)))

    def turn_square(self, roll: float) -> None:
        """Turn the square to so many radians, clockwise."""
        self._take(replace(self.square, roll=math.remainder(roll, math.tau)))

    def move_point(self, index: int, x: float, y: float) -> None:
        """Put a point there, in photo pixels; it stays in the photo."""
        x, y = min(max(x, 0.0), self._full.width()), min(max(y, 0.0), self._full.height())
        moved = list(self.points.points)
        moved[index] = (x, y)
        self.points = FacePoints(tuple(moved))
        self.edited.emit()
        self.update()

    def choose(self, index: int) -> None:
        """Take this point for the keys."""
        if index != self.chosen:
            self.chosen = index
            self.chosen_changed.emit(index)
            self.update()

    def _take(self, square: Square) -> None:
        self.square = square
        self.edited.emit()
        self.update()

    def _allowed(self, side: float) -> float:
        return min(max(side, SMALLEST), 3 * max(self._full.width(), self._full.height()))

    def _drag_corner(self, grip: int, place: QPointF) -> None:
        """The corner follows the pointer; the opposite one stays."""
        x, y = CORNERS[grip]
        square, cos, sin = self.square, math.cos(self.square.roll), math.sin(self.square.roll)
        half = square.side / 2
        held = (
            square.centre[0] - cos * x * half + sin * y * half,
            square.centre[1] - sin * x * half - cos * y * half,
        )
        away = place.x() - held[0], place.y() - held[1]
        across, down = cos * away[0] + sin * away[1], cos * away[1] - sin * away[0]
        side = self._allowed(max(x * across, y * down))
        centre = (
            held[0] + (cos * x - sin * y) * side / 2,
            held[1] + (sin * x + cos * y) * side / 2,
        )
        if 0 <= centre[0] <= self._full.width() and 0 <= centre[1] <= self._full.height():
            self._take(replace(square, centre=centre, side=side))

    def _drag_turn(self, place: QPointF, snapped: bool) -> None:
        x, y = place.x() - self.square.centre[0], place.y() - self.square.centre[1]
        roll = math.atan2(x, -y)
        # Upright is what most photos want.
        if snapped or abs(roll) < math.radians(1.5):
            roll = round(roll / SNAP) * SNAP
        self.turn_square(roll)

    # ---- events -----------------------------------------------------------------------------------------------

    def mousePressEvent(self, event) -> None:
        self._from = event.position()
        self._panned = event.button() != Qt.MouseButton.LeftButton
        self._grip = None if self._panned else self._grip_at(event.position())
        if self._grip is not None and self.with_points:
            self.choose(self._grip)
        elif self._grip is None:
            self._panned = True
        self.update()

    def mouseMoveEvent(self, event) -> None:
        place, photo = event.position(), self.to_photo(event.position())
        if not event.buttons():
            self._over = self._grip_at(place)
            self.setCursor(self._cursor(self._over))
        elif self._panned:
            self._look_at(self._middle - (place - self._from) / self.scale)
        elif self._grip is not None and self.with_points:
            self.move_point(self._grip, photo.x(), photo.y())
        elif self._grip == INSIDE:
            step = (place - self._from) / self.scale
            self.move_square(step.x(), step.y())
        elif self._grip == TURNED:
            self._drag_turn(photo, bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier))
        elif self._grip is not None:
            self._drag_corner(self._grip, photo)
        self._from = place
        self.update()

    def mouseReleaseEvent(self, _event) -> None:
        self._grip, self._panned = None, False
        self.update()

    def wheelEvent(self, event) -> None:
        held = self.to_photo(event.position())
        self._zoom = min(max(self._zoom * 1.0015 ** event.angleDelta().y(), 1.0), LARGEST_ZOOM)
        middle = QPointF(self.width() / 2, self.height() / 2)
        self._look_at(held - (event.position() - middle) / self.scale)

    def keyPressEvent(self, event) -> None:
        far = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        step, key = (10.0 if far else 1.0) / self.scale, event.key()
        arrows = {
            Qt.Key.Key_Left: (-step, 0.0),
            Qt.Key.Key_Right: (step, 0.0),
            Qt.Key.Key_Up: (0.0, -step),
            Qt.Key.Key_Down: (0.0, step),
        }
        if key in arrows and self.with_points:
            x, y = self.points.points[self.chosen]
            self.move_point(self.chosen, x + arrows[key][0], y + arrows[key][1])
        elif key in arrows:
            self.move_square(*arrows[key])
        elif self.with_points and Qt.Key.Key_1 <= key <= Qt.Key.Key_5:
            self.choose(int(key) - int(Qt.Key.Key_1))
        elif not self.with_points and event.text() in ("+", "=", "-"):
            self.resize_square(1 / 1.02 if event.text() == "-" else 1.02)
        elif not self.with_points and event.text() in (",", "."):
            self.turn_square(self.square.roll + math.radians(1.0 if event.text() == "." else -1.0))
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event) -> None:
        super().focusOutEvent(event)
        self.update()

    def _look_at(self, middle: QPointF) -> None:
        """Show this place of the photo in the middle, as far as there is photo."""
        x = min(max(middle.x(), 0.0), self._full.width())
        y = min(max(middle.y(), 0.0), self._full.height())
        whole = QPointF(self._full.width() / 2, self._full.height() / 2)
        self._middle = whole if self._zoom == 1.0 else QPointF(x, y)
        self.update()

    def _cursor(self, grip: int | None) -> Qt.CursorShape:
        if grip is None:
            return Qt.CursorShape.ArrowCursor
        if self.with_points or grip == TURNED:
            return Qt.CursorShape.PointingHandCursor
        if grip == INSIDE:
            return Qt.CursorShape.SizeAllCursor
        falling = (grip % 2 == 0) == (math.cos(2 * self.square.roll) > 0)
        return Qt.CursorShape.SizeFDiagCursor if falling else Qt.CursorShape.SizeBDiagCursor

    # ---- painting ---------------------------------------------------------------------------------------------

    def paintEvent(self, _event) -> None:
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        painter.fillRect(self.rect(), self.theme.ground_bottom)
        painter.drawImage(self._photo_rect(), self._image)
        square = self.shadow if self.with_points else self.square
        if square is not None:
            self._paint_square(painter, square)
        if self.with_points:
            for index in range(5):
                self._paint_point(painter, index)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self.theme.focus, 2))
            painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))

    def _photo_rect(self) -> QRectF:
        return QRectF(self.to_widget(0, 0), self.to_widget(self._full.width(), self._full.height()))

    def _paint_square(self, painter: QPainter, square: Square) -> None:
        corners = self.corners(square)
        around = QPainterPath()
        around.addRect(QRectF(self.rect()))
        around.addPolygon(QPolygonF([*corners, corners[0]]))
        painter.fillPath(around, QColor(0, 0, 0, 60 if self.with_points else 120))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        outline = QPolygonF(corners)
        style = Qt.PenStyle.DashLine if self.with_points else Qt.PenStyle.SolidLine
        for colour, width in ((QColor(0, 0, 0, 130), 3.5), (QColor(255, 255, 255, 235), 1.5)):
            painter.setPen(QPen(colour, width, style))
            painter.drawPolygon(outline)
        if self.with_points:
            return
        top = (corners[0] + corners[1]) / 2
        for colour, width in ((QColor(0, 0, 0, 130), 3.5), (QColor(255, 255, 255, 235), 1.5)):
            painter.setPen(QPen(colour, width))
            painter.drawLine(top, self.handle())
        for index, place in enumerate((*corners, self.handle())):
            self._paint_grip(painter, place, index in (self._over, self._grip), index == TURNED)

    def _paint_grip(self, painter: QPainter, place: QPointF, lively: bool, is_round: bool) -> None:
        painter.setPen(QPen(QColor(0, 0, 0, 150), 1))
        painter.setBrush(self.theme.accent if lively else QColor("white"))
        half = 6.5 if lively else 5.5
        if is_round:
            painter.drawEllipse(place, half, half)
        else:
            painter.drawRect(QRectF(place.x() - half, place.y() - half, 2 * half, 2 * half))

    def _paint_point(self, painter: QPainter, index: int) -> None:
        place = self.to_widget(*self.points.points[index])
        mine = index == self.chosen
        for colour, width in ((QColor(0, 0, 0, 170), 4.0), (QColor("white"), 2.0)):
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self.theme.accent if mine and width == 2.0 else colour, width))
            painter.drawEllipse(place, 8, 8)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.theme.accent if mine else QColor("white"))
        painter.drawEllipse(place, 1.8, 1.8)
        words = f"{index + 1}  {self.labels[index]}"
        room = QFontMetricsF(painter.font()).boundingRect(words).adjusted(-6, -2, 6, 2)
        # Eyes have their words outwards, so that they hide nothing of the face.
        aside = -room.width() / 2 - 16 if index in (0, 3) else room.width() / 2 + 16
        room.moveCenter(place + QPointF(aside, 0))
        painter.setBrush(self.theme.accent if mine else QColor(20, 21, 23, 190))
        painter.drawRoundedRect(room, 4, 4)
        painter.setPen(self.theme.on_accent if mine else QColor("white"))
        painter.drawText(room, Qt.AlignmentFlag.AlignCenter, words)
