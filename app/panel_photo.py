"""The photo panel: the aligned crop, its landmarks and their correction by hand, other faces of the photo."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QBuffer, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QImageReader, QPainter, QPen
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.pictures import photo_picture
from app.session import Session
from app.theme import Theme
from inversion_core.landmark_tables import (
    BROWS,
    CHIN,
    LEFT_EYE,
    LIPS,
    MOUTH_LEFT,
    MOUTH_RIGHT,
    NOSE_TIP,
    OVAL,
    RIGHT_EYE,
)
from inversion_core.portrait import Portrait

HANDLES = (33, 133, 362, 263, NOSE_TIP, MOUTH_RIGHT, MOUTH_LEFT, 13, CHIN, 234, 454, 172, 397, 70, 300, 10)
"""Landmarks that can be dragged: eye corners, nose, mouth, chin, cheeks, jaw, brows, forehead."""
GROUP_SIZE = 1024
"""Pixels a side at which a whole photo is shown."""
LONGEST = 200
"""Pixels that a photo's name may take."""
REACH = 0.07
"""How far a dragged landmark takes its neighbours along, in shares of the crop's side."""


def dragged(landmarks: NDArray[np.float32], index: int, shift: tuple[float, float]) -> NDArray[np.float32]:
    """(478, 3) landmarks with one of them moved by ``shift`` and its neighbours following, less with distance."""
    away = np.linalg.norm(landmarks[:, :2] - landmarks[index, :2], axis=1)
    weight = np.exp(-0.5 * (away / REACH) ** 2).astype(np.float32)
    moved = landmarks.copy()
    moved[:, :2] += weight[:, None] * np.asarray(shift, np.float32)
    return moved


def upright(source: bytes) -> QImage:
    """The photo, turned as its camera says and at most :data:`GROUP_SIZE` pixels a side; empty if Qt cannot read it."""
    content = QBuffer()
    content.setData(source)
    reader = QImageReader(content)
    reader.setAutoTransform(True)
    size = reader.size()
    if size.isValid() and max(size.width(), size.height()) > GROUP_SIZE:
        reader.setScaledSize(size.scaled(GROUP_SIZE, GROUP_SIZE, Qt.AspectRatioMode.KeepAspectRatio))
    return reader.read()


class CropCanvas(QWidget):
    """The crop with its landmarks; handles can be dragged."""

    edited = Signal()
    picked = Signal(int)
    """The number of the face that was clicked, while the whole photo is shown."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.landmarks: NDArray[np.float32] | None = None
        self.shown = True
        self._image: QImage | None = None
        self._held: int | None = None
        self._over: int | None = None
        self._group: tuple[QImage, tuple, int] | None = None
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(220, 180)
        self.setAccessibleName(self.tr("Photo with landmarks"))

    def show_portrait(self, portrait: Portrait | None) -> None:
        self._group = None
        self._image = None if portrait is None else photo_picture(portrait.image)
        found = portrait is not None and bool(np.isfinite(portrait.landmarks).all())
        self.landmarks = portrait.landmarks.copy() if found else None
        self.update()

    def show_group(self, photo: QImage, boxes: tuple, chosen: int) -> None:
        """Show the whole photo; its faces, x0, y0, x1, y1 in [0, 1], can be clicked."""
        self._group, self._over = (photo, boxes, chosen), None
        self.update()

    def face_at(self, position: QPointF) -> int | None:
        """The smallest face of the whole photo round a place of the widget."""
        if self._group is None:
            return None
        rooms = [(self._face(i), i) for i in range(len(self._group[1]))]
        hit = [(room.width() * room.height(), i) for room, i in rooms if room.contains(position)]
        return min(hit)[1] if hit else None

    def _whole(self) -> QRectF:
        size = QSizeF(self._group[0].size()).scaled(QSizeF(self.size()), Qt.AspectRatioMode.KeepAspectRatio)
        corner = QPointF((self.width() - size.width()) / 2, (self.height() - size.height()) / 2)
        return QRectF(corner, size)

    def _face(self, number: int) -> QRectF:
        whole, (x0, y0, x1, y1) = self._whole(), self._group[1][number]
        width, height = whole.width(), whole.height()
        return QRectF(whole.x() + x0 * width, whole.y() + y0 * height, (x1 - x0) * width, (y1 - y0) * height)

    def _paint_group(self, painter: QPainter) -> None:
        photo, boxes, chosen = self._group
        painter.drawImage(self._whole(), photo)
        for number in range(len(boxes)):
            lively = number in (chosen, self._over)
            painter.setBrush(QColor(255, 255, 255, 40) if number == self._over else Qt.BrushStyle.NoBrush)
            for colour, width in (
                (QColor(0, 0, 0, 150), 4),
                (self.theme.accent if lively else QColor("white"), 2),
            ):
                painter.setPen(QPen(colour, width))
                painter.drawRoundedRect(self._face(number), 4, 4)

    def sizeHint(self) -> QSize:
        return QSize(262, 262)

    def _square(self) -> QRectF:
        side = min(self.width(), self.height())
        return QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)

    def _point(self, index: int) -> QPointF:
        square = self._square()
        x, y = self.landmarks[index, :2]
        return QPointF(square.x() + x * square.width(), square.y() + y * square.height())

    def paintEvent(self, _event) -> None:
        painter = QPainter(self)
        if self._image is None:
            painter.setPen(self.theme.muted)
            middle = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect(), middle, self.tr("No photo is open"))
            return
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        if self._group is not None:
            self._paint_group(painter)
            return
        painter.drawImage(self._square(), self._image)
        if not self.shown or self.landmarks is None:
            return
        painter.setClipRect(self._square())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(255, 255, 255, 130))
        for index in (*OVAL, *LIPS, *LEFT_EYE, *RIGHT_EYE, *BROWS):
            painter.drawEllipse(self._point(index), 0.9, 0.9)
        for index in HANDLES:
            lively = index in (self._over, self._held)
            painter.setPen(QPen(QColor(0, 0, 0, 140), 1))
            painter.setBrush(self.theme.accent if lively else QColor(255, 255, 255, 230))
            radius = 4.6 if lively else 3.2
            painter.drawEllipse(self._point(index), radius, radius)

    def _at(self, position: QPointF) -> int | None:
        if self.landmarks is None or not self.shown:
            return None
        far = [(self._point(i) - position).manhattanLength() for i in HANDLES]
        nearest = int(np.argmin(far))
        return HANDLES[nearest] if far[nearest] < 10 else None

    def mousePressEvent(self, event) -> None:
        if self._group is not None:
            face = self.face_at(event.position())
            if face is not None:
                self.picked.emit(face)
            return
        self._held = self._at(event.position())

    def mouseMoveEvent(self, event) -> None:
        if self._group is not None:
            self._over = self.face_at(event.position())
            found = self._over is not None
            self.setCursor(Qt.CursorShape.PointingHandCursor if found else Qt.CursorShape.ArrowCursor)
            self.update()
            return
        if self._held is None:
            self._over = self._at(event.position())
            pointing = self._over is not None
            self.setCursor(Qt.CursorShape.PointingHandCursor if pointing else Qt.CursorShape.ArrowCursor)
        else:
            square, at, point = self._square(), event.position(), self._point(self._held)
            shift = ((at.x() - point.x()) / square.width(), (at.y() - point.y()) / square.height())
            self.landmarks = dragged(self.landmarks, self._held, shift)
            self.edited.emit()
        self.update()

    def mouseReleaseEvent(self, _event) -> None:
        self._held = None
        self.update()


class PhotoPanel(QWidget):
    """Asks for corrections and other faces; repaints from the session."""

    correction_asked = Signal(object)
    """(478, 3) landmarks."""
    faces_asked = Signal()
    face_chosen = Signal(int)
    align_asked = Signal()

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.canvas = CropCanvas(theme)
        self.scores = QLabel()
        self.scores.setObjectName("muted")
        self.scores.setWordWrap(True)
        self.points = QCheckBox(self.tr("Landmarks"))
        self.points.setChecked(False)
        self.canvas.shown = False
        self.points.setToolTip(self.tr("Show the landmarks; drag the white handles where they miss"))
        self.fit = QPushButton(self.tr("Fit again"))
        self.fit.setToolTip(self.tr("Fit the head to the landmarks as they are now"))
        self.back = QPushButton(self.tr("Revert"))
        self.back.setToolTip(self.tr("Take the dragged landmarks back"))
        self.other = QPushButton(self.tr("Other faces"))
        self.other.setToolTip(self.tr("Look for other faces in this photo"))
        self.align = QPushButton(self.tr("Align by hand …"))
        self.align.setToolTip(self.tr("Put a square round the face, or mark five points"))
        self.align.setVisible(False)
        self.faces = QHBoxLayout()
        self.faces.setSpacing(6)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.points, 1)
        row.addWidget(self.other)
        corrections = QHBoxLayout()
        corrections.setSpacing(6)
        corrections.addWidget(self.back)
        corrections.addWidget(self.fit)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 6, 14, 12)
        layout.setSpacing(8)
        layout.addWidget(self.canvas, 1)
        layout.addWidget(self.scores)
        layout.addLayout(row)
        layout.addWidget(self.align)
        layout.addLayout(corrections)
        layout.addLayout(self.faces)
        self.points.toggled.connect(self._on_points)
        self.canvas.edited.connect(self._on_edited)
        self.canvas.picked.connect(self._on_picked)
        self.fit.clicked.connect(self._on_fit)
        self.back.clicked.connect(self.refresh)
        self.other.clicked.connect(self.faces_asked)
        self.align.clicked.connect(self.align_asked)
        session.document_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        inversion = self.session.inversion
        portrait = None if inversion is None else inversion.portrait
        self.setEnabled(portrait is not None)
        self.canvas.show_portrait(portrait)
        self.points.setEnabled(self.canvas.landmarks is not None)
        self._show_correction(False)
        self._clear_faces()
        if inversion is None or portrait is None:
            self.scores.setText("")
            return
        # Whole numbers have no negative zero.
        yaw, pitch = (round(angle) for angle in np.degrees(portrait.camera.angles).tolist())
        # A label is never narrower than its longest word, and no panel than its labels.
        name = self.fontMetrics().elidedText(portrait.name, Qt.TextElideMode.ElideMiddle, LONGEST)
        self.scores.setToolTip(portrait.name if name != portrait.name else "")
        parts = [name, self.tr("turned {yaw:+.0f}°, {pitch:+.0f}°").format(yaw=yaw, pitch=pitch)]
        if "iou" in inversion.scores:
            parts.append(self.tr("outline {share:.0f} %").format(share=inversion.scores["iou"] * 100))
        if portrait.marks is not None:
            parts.append(self.tr("aligned by hand"))
        if inversion.seconds:
            parts.append(self.tr("{seconds:.1f} s").format(seconds=inversion.seconds))
        # A line may end between two figures, not between a figure and its unit.
        parts[1:] = (re.sub(r"(?<=\d) (?=\S+$)", "\u00a0", part) for part in parts[1:])
        self.scores.setText("  ·  ".join(part for part in parts if part))

    def show_faces(self, portrait: Portrait, boxes: tuple) -> None:
        """Offer the photo's faces; the one that is open is marked."""
        inversion = self.session.inversion
        if inversion is None or inversion.portrait is not portrait:
            return
        self._clear_faces()
        photo = upright(portrait.source)
        if len(boxes) > 1 and not photo.isNull():
            self.canvas.show_group(photo, boxes, portrait.face)
        if len(boxes) < 2:
            self.faces.addWidget(QLabel(self.tr("There is no other face.")))
            return
        for number in range(len(boxes)):
            button = QPushButton(self.tr("Face {number}").format(number=number + 1))
            button.setEnabled(number != portrait.face)
            button.setProperty("face", number)
            button.clicked.connect(self._on_face)
            self.faces.addWidget(button)

    def _clear_faces(self) -> None:
        while self.faces.count():
            widget = self.faces.takeAt(0).widget()
            if widget is not None:
                widget.deleteLater()

    def _show_correction(self, shown: bool) -> None:
        self.fit.setVisible(shown)
        self.back.setVisible(shown)

    def _on_points(self, shown: bool) -> None:
        self.canvas.shown = shown
        self.canvas.update()

    def _on_edited(self) -> None:
        self._show_correction(True)

    def _on_fit(self) -> None:
        self.correction_asked.emit(self.canvas.landmarks.copy())

    def _on_picked(self, face: int) -> None:
        if self.session.inversion is not None and face == self.session.inversion.portrait.face:
            self.refresh()
        else:
            self.face_chosen.emit(face)

    def _on_face(self) -> None:
        self.face_chosen.emit(self.sender().property("face"))
