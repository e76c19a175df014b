"""The viewport: shows the live lane's pictures and turns gestures into views."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QLinearGradient, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.frames import Frame
from app.gestures import Scheme, after_drag, after_key, after_wheel, gesture
from app.orbit import View, zoomed
from app.overlays import draw_awaited, draw_colour, draw_divider, draw_kept, draw_label, draw_pull
from app.panes import Compare, Pane, Panes
from app.theme import Theme

BRUSH = 0.05
"""Radius of the brush that keeps the photo, in shorter sides of the viewport."""


class View3D(QWidget):
    """The head, from where the artist looks; asks for views and never draws the head itself.

    Pictures come with the frames; where a canvas covers the viewport, it paints the frames' heads instead.
    """

    view_asked = Signal(object)
    """A :class:`View` that a gesture leads to."""
    reset_asked = Signal()
    peek_changed = Signal(bool)
    """Whether the key that shows the untouched head is held."""
    resized = Signal()
    stroked = Signal(tuple, float, bool)
    """A stroke of the brush: places and radius in widths of the square picture, and whether it frees."""
    pull_began = Signal()
    pulled = Signal(tuple, tuple, float)
    """A pull at the head, as it goes on: from where, to where, in widths of the square picture, and that picture's
    side in shorter sides of the viewport."""
    pull_ended = Signal()
    coloured = Signal(tuple, float, float)
    """A stroke of colour: places and radius in widths of the square picture, and that picture's side as above."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.view = View()
        self.scheme = Scheme.FACET
        self.before_name = ""
        self.compare = Compare.OFF
        self.peeking = False
        self.frame: Frame | None = None
        self.awaited: QImage | None = None
        self.sketch: QImage | None = None
        self.canvas: QWidget | None = None
        self.divider = 0.5
        self.painting = ""
        self.colour = QColor(170, 40, 60)
        self.colour_radius = 0.02
        """Of the brush of colours, in shorter sides of the viewport."""
        self._over: QPointF | None = None
        self._stroke: list[QPointF] = []
        self._held: tuple[str, QPointF] | None = None
        self.setMinimumSize(320, 320)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName(self.tr("Viewport"))
        self.setAccessibleDescription(
            self.tr("The head; drag to orbit, arrow keys turn it, plus and minus zoom.")
        )

    # ---- what is shown ----------------------------------------------------------------------------------------

    @property
    def division(self) -> Panes:
        """How the viewport is divided now."""
        return Panes(self.width(), self.height(), self.compare, self.peeking, self.divider)

    @property
    def shorter(self) -> int:
        """The shorter side of one picture in widget pixels."""
        return self.division.shorter

    @property
    def longer(self) -> int:
        return self.division.longer

    @property
    def wants_before(self) -> bool:
        return self.compare is not Compare.OFF or self.peeking

    def show_frame(self, frame: Frame | None) -> None:
        """Show this picture from now on; None empties the viewport."""
        self.frame = frame
        self.update()
        if self.canvas is not None:
            self.canvas.moved()

    def adopt(self, canvas: QWidget | None) -> None:
        """Let a canvas cover the viewport and paint it from now on; None paints here."""
        if self.canvas is not None:
            self.canvas.hide()
            self.canvas.deleteLater()
        self.canvas = canvas
        if canvas is not None:
            canvas.setGeometry(self.rect())
            canvas.show()
        self.update()

    def picture(self) -> QImage:
        """The edited head as it is shown, square and without the ground; there must be a frame."""
        assert self.frame is not None
        drawn = self.canvas is not None and self.frame.drawn_by_viewport
        return self.canvas.picture(self.frame) if drawn else self.frame.image

    def update(self) -> None:
        """Paint soon, by whatever paints."""
        super().update() if self.canvas is None else self.canvas.update()

    def await_head(self, photo: QImage | None) -> None:
        """Show the photo, dimmed, until the first picture of its head is there; None shows nothing."""
        self.awaited = photo
        self.update()

    def show_sketch(self, sketch: QImage | None) -> None:
        """Show a picture in the corner until another or None comes."""
        self.sketch = sketch
        self.update()

    def paintEvent(self, _event) -> None:
        if self.canvas is None:
            painter = QPainter(self)
            self.paint_ground(painter)
            self.paint_pictures(painter)
            self.paint_over(painter)

    def panes(self) -> list[Pane]:
        """Where heads are shown; empty while there is none."""
        return [] if self.frame is None else self.division.all()

    def place_of(self, point: QPointF) -> tuple[float, float]:
        """A place of the widget in widths of the square picture under it."""
        return self.division.place_of(point)

    def _kept_dots(self) -> list[QPointF]:
        """Where the head holds to the photo, in widget pixels."""
        head, inversion = self.frame.head, self.frame.request.inversion
        if inversion.keep is None or not hasattr(head, "normals"):
            return []
        camera, panes = self.frame.request.camera, self.division
        facing = ((camera.position - head.head.vertices) * head.normals).sum(1) > 0
        shown = camera.project(head.head.vertices[facing & (inversion.keep > 0.5)])[:, :2]
        return [panes.point_of(x, y) for x, y in shown.tolist()]

    def paint_ground(self, painter: QPainter) -> None:
        """Paint what lies behind heads."""
        ground = QLinearGradient(0, 0, 0, self.height())
        ground.setColorAt(0, self.theme.ground_top)
        ground.setColorAt(1, self.theme.ground_bottom)
        painter.fillRect(self.rect(), ground)

    def paint_pictures(self, painter: QPainter) -> None:
        """Paint the frame's pictures."""
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        for pane in self.panes():
            image = self.frame.before or self.frame.image if pane.before else self.frame.image
            side, centre = max(pane.place.width(), pane.place.height()), pane.place.center()
            painter.save()
            painter.setClipRect(pane.clip)
            painter.drawImage(QRectF(centre.x() - side / 2, centre.y() - side / 2, side, side), image)
            painter.restore()

    def paint_over(self, painter: QPainter) -> None:
        """Paint labels, divider and frame, or the photo whose head is awaited."""
        painter.setRenderHints(QPainter.RenderHint.SmoothPixmapTransform | QPainter.RenderHint.Antialiasing)
        if self.frame is None:
            if self.awaited is not None:
                draw_awaited(
                    painter, self.awaited, QPointF(self.width() / 2, self.height() / 2), self.shorter
                )
            return
        panes = self.panes()
        if self.painting == "pull":
            draw_pull(painter, self._stroke, self.theme.accent)
        elif self.painting == "paint":
            radius = self.colour_radius * self.shorter
            draw_colour(painter, self._stroke, self._over, radius, self.colour)
        elif self.painting:
            draw_kept(painter, self._kept_dots(), self._stroke, BRUSH * self.shorter, self.theme.accent)
        if self.compare is Compare.SPLIT and not self.peeking:
            before = self.before_name or self.tr("Before")
            draw_divider(
                painter, self.font(), self.division.divider_at, self.height(), before, self.tr("After")
            )
        elif len(panes) > 1 or self.peeking:
            for pane in panes:
                text = (self.before_name or self.tr("Before")) if pane.before else self.tr("After")
                draw_label(painter, self.font(), text, QPointF(pane.place.center().x(), 0), centred=True)
        if self.sketch is not None:
            side = 0.3 * self.shorter
            painter.drawImage(QRectF(self.width() - side - 12, 12, side, side), self.sketch)
        if self.hasFocus():
            painter.setPen(QPen(self.theme.focus, 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    # ---- gestures ---------------------------------------------------------------------------------------------

    def mousePressEvent(self, event) -> None:
        at = event.position()
        meant = gesture(event, self.scheme)
        if self.painting and meant == "orbit" and not self._near_divider(at):
            kind = {"pull": "pull", "paint": "colour"}.get(self.painting, "paint")
            self._held, self._stroke, self._over = (kind, at), [at], at
            if self.painting == "pull":
                self.pull_began.emit()
            self.update()
        elif self._near_divider(at) and event.button() == Qt.MouseButton.LeftButton:
            self._held = ("divide", at)
        elif meant:
            self._held = (meant, at)
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        event.accept()

    def mouseMoveEvent(self, event) -> None:
        at = event.position()
        if self.painting == "paint":
            self._over = at
            self.update()
        if self._held is None:
            over = self._near_divider(at)
            self.setCursor(Qt.CursorShape.SplitHCursor if over else Qt.CursorShape.ArrowCursor)
            return
        held, last = self._held
        self._held = (held, at)
        right, down = (at.x() - last.x()) / self.shorter, (at.y() - last.y()) / self.shorter
        if held in ("paint", "colour"):
            self._stroke.append(at)
            self.update()
        elif held == "pull":
            self._stroke[1:] = [at]
            places = (self.place_of(point) for point in self._stroke)
            self.pulled.emit(*places, self.longer / self.shorter)
            self.update()
        elif held == "divide":
            self.divider = float(np.clip(at.x() / max(self.width(), 1), 0.02, 0.98))
            self.update()
        else:
            self.ask(after_drag(self.view, held, right, down))

    def mouseReleaseEvent(self, event) -> None:
        stroke, self._stroke, held, self._held = self._stroke, [], self._held, None
        if held is not None and held[0] == "pull":
            self.pull_ended.emit()
            self.update()
        elif held is not None and held[0] == "colour":
            places = tuple(self.place_of(point) for point in stroke)
            radius = self.colour_radius * self.shorter / self.longer
            self.coloured.emit(places, radius, self.longer / self.shorter)
            self.update()
        elif stroke:
            places = tuple(self.place_of(point) for point in stroke)
            self.stroked.emit(places, BRUSH * self.shorter / self.longer, self.painting == "free")
        self.unsetCursor()
        event.accept()

    def leaveEvent(self, event) -> None:
        self._over = None
        if self.painting == "paint":
            self.update()
        super().leaveEvent(event)

    def mouseDoubleClickEvent(self, event) -> None:
        if event.button() == Qt.MouseButton.LeftButton and not self._near_divider(event.position()):
            self.reset_asked.emit()

    def wheelEvent(self, event) -> None:
        middle = QRectF(self.rect()).center()
        self.ask(after_wheel(self.view, event, self.scheme, middle, self.shorter))
        event.accept()

    def event(self, event) -> bool:
        native = event.type() == QEvent.Type.NativeGesture
        if native and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self.ask(zoomed(self.view, 1 + event.value()))
            return True
        return super().event(event)

    def keyPressEvent(self, event) -> None:
        view = after_key(self.view, event)
        if view is not None:
            self.ask(view)
        elif event.key() == Qt.Key.Key_Backslash and not event.isAutoRepeat():
            self._peek(True)
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event) -> None:
        if event.key() == Qt.Key.Key_Backslash and not event.isAutoRepeat():
            self._peek(False)
        else:
            super().keyReleaseEvent(event)

    def focusInEvent(self, event) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event) -> None:
        if self.peeking:
            self._peek(False)
        super().focusOutEvent(event)
        self.update()

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        if self.canvas is not None:
            self.canvas.setGeometry(self.rect())
        self.resized.emit()

    def ask(self, view: View) -> None:
        """Ask for a view, as a gesture does."""
        self.view_asked.emit(view)

    def _peek(self, on: bool) -> None:
        self.peeking = on
        self.peek_changed.emit(on)
        self.update()

    def _near_divider(self, at: QPointF) -> bool:
        return self.division.near_divider(at)
