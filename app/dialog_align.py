"""Aligning a photo by hand: a square with two angles, or five points, and what comes of it."""

from __future__ import annotations

import math
from dataclasses import replace

from PySide6.QtCore import QPointF, QRectF, QSignalBlocker, Qt, QTimer
from PySide6.QtGui import QColor, QImage, QPainter, QPen
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.align_canvas import AlignCanvas
from app.engine_protocol import Engine, Picture
from app.fields import NumberField, level, roomy
from app.pictures import photo_picture
from app.theme import Theme
from inversion_core.errors import BadInput
from inversion_core.portrait import FacePoints, Marks, Square

PREVIEW = 256
"""Pixels a side of the crop that is shown."""


def first_square(full: tuple[int, int]) -> Square:
    """The square that a photo of this height and width begins with; all of it where it is square already."""
    height, width = full
    share = 1.0 if height == width else 0.8
    return Square((width / 2, height / 2), share * min(height, width))


class Preview(QWidget):
    """The crop, with rings where the model expects eyes, nose and mouth."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.image: QImage | None = None
        self.rings: list[tuple[float, float]] = []
        self.setFixedSize(PREVIEW, PREVIEW)
        self.setAccessibleName(self.tr("The crop"))

    def paintEvent(self, _event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.image is None:
            painter.fillRect(self.rect(), QColor(128, 128, 128, 60))
            return
        painter.drawImage(QRectF(self.rect()), self.image)
        for x, y in self.rings:
            for colour, width in ((QColor(0, 0, 0, 120), 3), (QColor(255, 255, 255, 220), 1.3)):
                painter.setPen(QPen(colour, width))
                painter.drawEllipse(QPointF(x * self.width(), y * self.height()), 6, 6)


class AlignDialog(QDialog):
    """Asks for :attr:`marks`; accepted only while they come to a portrait.

    Args:
        marks: the square and points to begin with.
        reason: why this is asked for; may be empty.
    """

    def __init__(
        self,
        engine: Engine,
        picture: Picture,
        theme: Theme,
        marks: tuple[Square, FacePoints] | None = None,
        reason: str = "",
        with_points: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.engine, self.picture = engine, picture
        self.setWindowTitle(self.tr("Align by hand"))
        self.resize(980, 720)
        square = marks[0] if marks else first_square(picture.full)
        points = marks[1] if marks else engine.hand_preview(picture, square, 8).points
        # Points that nobody has placed follow the square once it moves.
        self._placed, self._stale = with_points, False
        self.canvas = AlignCanvas(picture, square, points, theme)
        self.preview = Preview()
        self.angles = QLabel()
        self.angles.setObjectName("muted")
        self.trouble = QLabel()
        self.trouble.setWordWrap(True)
        self.reason = QLabel(reason)
        self.reason.setWordWrap(True)
        self.reason.setVisible(bool(reason))
        self._levelled: list[QFormLayout] = []
        self._make_fields()
        self._refreshing = QTimer(self, singleShot=True, interval=15)
        self._refreshing.timeout.connect(self._refresh)
        self._arrange()
        self.canvas.edited.connect(self._on_canvas)
        self.canvas.chosen_changed.connect(self.point.setCurrentIndex)
        self.modes.idToggled.connect(self._on_mode)
        self.modes.button(int(with_points)).setChecked(True)
        self._show_numbers()
        self._refresh()
        self.canvas.setFocus()

    @property
    def marks(self) -> Marks:
        """What was marked, in pixels of the photo."""
        return self.canvas.points if self.canvas.with_points else self.canvas.square

    # ---- putting together -------------------------------------------------------------------------------------

    def _make_fields(self) -> None:
        height, width = self.picture.full
        most = 3 * max(height, width)
        self.x, self.y = self._field(0, width, " px"), self._field(0, height, " px")
        self.side = self._field(8, most, " px")
        self.roll = self._field(-180, 180, "°")
        self.roll.setWrapping(True)
        self.yaw, self.pitch = self._field(-89, 89, "°"), self._field(-80, 80, "°")
        self.yaw.setToolTip(self.tr("How far the head is turned: positive shows its own left side"))
        self.pitch.setToolTip(self.tr("Negative where the photo was taken from below"))
        self.point = QComboBox()
        for number, text in enumerate(
            (
                self.tr("Right eye (at the left)"),
                self.tr("Left eye (at the right)"),
                self.tr("Tip of the nose"),
                self.tr("Right corner of the mouth"),
                self.tr("Left corner of the mouth"),
            ),
            1,
        ):
            self.point.addItem(f"{number}  {text}")
        self.point_x, self.point_y = self._field(0, width, " px"), self._field(0, height, " px")
        for field in (self.x, self.y, self.side, self.roll, self.yaw, self.pitch):
            field.valueChanged.connect(self._on_square_field)
        for field in (self.point_x, self.point_y):
            field.valueChanged.connect(self._on_point_field)
        self.point.currentIndexChanged.connect(self._on_point)

    def _field(self, low: float, high: float, suffix: str) -> QDoubleSpinBox:
        field = roomy(NumberField())
        field.setDecimals(1)
        field.setRange(low, high)
        field.setSuffix(suffix)
        field.setKeyboardTracking(False)
        return field

    def _arrange(self) -> None:
        self.modes = QButtonGroup(self)
        modes = QHBoxLayout()
        modes.setSpacing(6)
        for number, text in enumerate((self.tr("Square"), self.tr("Five points"))):
            button = QPushButton(text)
            button.setObjectName("mode")
            button.setCheckable(True)
            button.setAutoDefault(False)
            self.modes.addButton(button, number)
            modes.addWidget(button)
        self.modes.button(0).setChecked(True)
        self.forms = QStackedWidget()
        self.forms.addWidget(
            self._form(
                (self.tr("Middle, across"), self.x),
                (self.tr("Middle, down"), self.y),
                (self.tr("Side"), self.side),
                (self.tr("Turned by"), self.roll),
                (self.tr("Head turned"), self.yaw),
                (self.tr("Seen from above"), self.pitch),
            )
        )
        self.forms.addWidget(
            self._form(
                (self.tr("Point"), self.point),
                (self.tr("Across"), self.point_x),
                (self.tr("Down"), self.point_y),
            )
        )
        self.help = QLabel()
        self.help.setObjectName("muted")
        self.help.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.ok = buttons.addButton(self.tr("Align"), QDialogButtonBox.ButtonRole.AcceptRole)
        # Buttons that could be the default take it from the one that should be.
        buttons.button(QDialogButtonBox.StandardButton.Cancel).setAutoDefault(False)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout()
        column.setSpacing(8)
        column.addWidget(self.reason)
        column.addLayout(modes)
        column.addWidget(self.preview, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(self.angles, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(self.forms)
        column.addWidget(self.help)
        column.addWidget(self.trouble)
        column.addStretch(1)
        column.addWidget(buttons)
        side = QWidget()
        side.setFixedWidth(PREVIEW + 24)
        side.setLayout(column)
        column.setContentsMargins(12, 0, 12, 0)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(16, 16, 6, 16)
        layout.setSpacing(8)
        layout.addWidget(self.canvas, 1)
        layout.addWidget(side)
        self.ok.setDefault(True)

    def _form(self, *rows: tuple[str, QWidget]) -> QWidget:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(6)
        for text, field in rows:
            form.addRow(text, field)
        page = QWidget()
        page.setLayout(form)
        self._levelled.append(form)
        return page

    def showEvent(self, event) -> None:
        super().showEvent(event)
        # Only now the fields know how high the style sheet makes them.
        for form in self._levelled:
            level(form)

    # ---- marks ------------------------------------------------------------------------------------------------

    def _on_mode(self, number: int, on: bool) -> None:
        if not on:
            return
        canvas = self.canvas
        if number == 1 and self._stale and not self._placed:
            canvas.points = self.engine.hand_preview(self.picture, canvas.square, 8).points
        if number == 0 and canvas.with_points and self._placed and canvas.shadow is not None:
            canvas.square = self._within(canvas.shadow)
        canvas.with_points = number == 1
        self.forms.setCurrentIndex(number)
        self._show_numbers()
        self._refresh()
        canvas.update()

    def _within(self, square: Square) -> Square:
        height, width = self.picture.full
        x, y = square.centre
        limit = math.radians(89), math.radians(80)
        return replace(
            square,
            centre=(min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))),
            yaw=min(max(square.yaw, -limit[0]), limit[0]),
            pitch=min(max(square.pitch, -limit[1]), limit[1]),
        )

    def _on_canvas(self) -> None:
        self._placed = self._placed or self.canvas.with_points
        self._stale = self._stale or not self.canvas.with_points
        self._show_numbers()
        self._refreshing.start()

    def _on_square_field(self) -> None:
        angles = (math.radians(field.value()) for field in (self.roll, self.yaw, self.pitch))
        self.canvas.square = Square((self.x.value(), self.y.value()), self.side.value(), *angles)
        self._stale = True
        self.canvas.update()
        self._refreshing.start()

    def _on_point(self, index: int) -> None:
        self.canvas.choose(index)
        self._show_numbers()

    def _on_point_field(self) -> None:
        self.canvas.move_point(self.point.currentIndex(), self.point_x.value(), self.point_y.value())

    def _show_numbers(self) -> None:
        square, point = self.canvas.square, self.canvas.points.points[self.canvas.chosen]
        angles = [math.degrees(angle) for angle in (square.roll, square.yaw, square.pitch)]
        fields = (self.x, self.y, self.side, self.roll, self.yaw, self.pitch, self.point_x, self.point_y)
        for field, value in zip(fields, (*square.centre, square.side, *angles, *point), strict=True):
            with QSignalBlocker(field):
                field.setValue(value)

    def _refresh(self) -> None:
        """Show what the marks come to, or why they come to nothing."""
        canvas, points = self.canvas, self.canvas.with_points
        self.help.setText(
            self.tr("Drag the points. Keys 1 to 5 choose one, arrows move it. Wheel: zoom.")
            if points
            else self.tr(
                "The rings show where a person's eyes, nose and mouth belong; a cat fills the square, its eyes in "
                "the middle. Arrows move, + and − resize, comma and period turn. Wheel: zoom."
            )
        )
        try:
            found = self.engine.hand_preview(self.picture, self.marks, PREVIEW)
        except BadInput as error:
            self.preview.image, canvas.shadow = None, None
            self.angles.setText("")
            self.trouble.setText(f"{error.what} {error.hint}")
        else:
            self.preview.image, canvas.shadow = photo_picture(found.crop), found.square
            self.preview.rings = self._rings(found)
            yaw, pitch = (round(math.degrees(angle)) for angle in found.camera.angles)
            self.angles.setText(self.tr("turned {yaw:+.0f}°, {pitch:+.0f}°").format(yaw=yaw, pitch=pitch))
            # With a square, the fields say it.
            self.angles.setVisible(points)
            self.trouble.setText("")
        self.trouble.setVisible(bool(self.trouble.text()))
        self.ok.setEnabled(self.preview.image is not None)
        self.preview.update()
        canvas.update()

    def _rings(self, found) -> list[tuple[float, float]]:
        """Where the expected points lie in the crop, in [0, 1]."""
        square, rings = found.square, []
        cos, sin = math.cos(square.roll), math.sin(square.roll)
        for x, y in found.points.points:
            away = x - square.centre[0], y - square.centre[1]
            across, down = cos * away[0] + sin * away[1], cos * away[1] - sin * away[0]
            rings.append((across / square.side + 0.5, down / square.side + 0.5))
        return rings
