"""One attribute of the panel: its name, a slider, a number and a lock."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QSlider, QToolButton, QWidget

from app.fields import NumberField, unscrolled
from app.icons import icon
from app.theme import Theme
from inversion_core.edit import Slider

STEPS = 1000
HARD_MARGIN = 0.5
"""What the number field allows beyond the slider's range, as a share of the range."""


class Track(QSlider):
    """A slim slider that fills from its default, snaps to it, and takes fine moves with Shift."""

    reset_asked = Signal()

    def __init__(self, slider: Slider, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.slider, self.theme = slider, theme
        self.setRange(0, STEPS)
        self.setPageStep(STEPS // 10)
        self.setSingleStep(STEPS // 100)
        self.setFixedHeight(24)
        self.setMinimumWidth(80)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(slider.label)
        self.setAccessibleDescription(slider.tooltip)
        self._last: float | None = None
        self._exact = 0.0

    def amount(self) -> float:
        share = self.value() / STEPS
        return self.slider.minimum + share * (self.slider.maximum - self.slider.minimum)

    def set_amount(self, amount: float) -> None:
        self.setValue(round(self._share(amount) * STEPS))

    def _share(self, amount: float) -> float:
        slider = self.slider
        return (amount - slider.minimum) / max(slider.maximum - slider.minimum, 1e-9)

    def _span(self) -> tuple[float, float]:
        return 7.0, self.width() - 14.0

    def paintEvent(self, _event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left, width = self._span()
        middle = self.height() / 2
        at = left + width * self.value() / STEPS
        origin = left + width * min(max(self._share(self.slider.default), 0), 1)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.theme.line)
        painter.drawRoundedRect(QRectF(left, middle - 1.5, width, 3), 1.5, 1.5)
        if 0.01 < self._share(self.slider.default) < 0.99:
            painter.drawRect(QRectF(origin - 0.75, middle - 4.5, 1.5, 9))
        lively = self.isEnabled()
        painter.setBrush(self.theme.accent if lively else self.theme.muted)
        painter.drawRoundedRect(QRectF(min(origin, at), middle - 1.5, abs(at - origin), 3), 1.5, 1.5)
        radius = 6.5 if self.underMouse() and lively else 5.5
        painter.setBrush(self.theme.text if lively else self.theme.muted)
        painter.drawEllipse(QPointF(at, middle), radius, radius)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self.theme.focus, 1.4))
            painter.drawEllipse(QPointF(at, middle), radius + 2, radius + 2)

    def sizeHint(self) -> QSize:
        return QSize(140, 24)

    def mousePressEvent(self, event) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        left, width = self._span()
        self._last = event.position().x()
        handle = left + width * self.value() / STEPS
        self.setSliderDown(True)
        if abs(self._last - handle) > 9:
            self.setValue(round((self._last - left) / max(width, 1) * STEPS))
        self._exact = float(self.value())
        event.accept()

    def mouseMoveEvent(self, event) -> None:
        if self._last is None:
            return
        _, width = self._span()
        fine = 0.15 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1.0
        self._exact += (event.position().x() - self._last) / max(width, 1) * STEPS * fine
        self._last = event.position().x()
        value = min(max(self._exact, 0), STEPS)
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            value = round(value / (STEPS / 20)) * STEPS / 20
        elif fine == 1.0 and abs(value / STEPS - self._share(self.slider.default)) < 0.012:
            value = self._share(self.slider.default) * STEPS
        self.setValue(round(value))

    def mouseReleaseEvent(self, event) -> None:
        self._last = None
        self.setSliderDown(False)
        event.accept()

    def mouseDoubleClickEvent(self, event) -> None:
        self.reset_asked.emit()
        event.accept()

    def keyPressEvent(self, event) -> None:
        if event.key() in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete):
            self.reset_asked.emit()
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event) -> None:
        # Scrolling the panel must not move sliders that pass under the pointer.
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class Row(QWidget):
    """One attribute: name, slider, number, lock."""

    moved = Signal(str, float, bool)
    """Name, value, whether a drag is under way."""
    released = Signal()
    lock_asked = Signal(str, bool)

    def __init__(self, slider: Slider, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.slider = slider
        self.label = QLabel(slider.label)
        self.label.setFixedWidth(112)
        self.track = Track(slider, theme)
        self.field = unscrolled(NumberField())
        self.field.setObjectName("value")
        self.field.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.field.setDecimals(2)
        self.field.setSingleStep(0.01)
        self.field.setKeyboardTracking(False)
        self.field.setFixedWidth(54)
        span = slider.maximum - slider.minimum
        low = slider.minimum - HARD_MARGIN * span
        self.field.setRange(low, slider.maximum + HARD_MARGIN * span)
        self.field.setAccessibleName(self.tr("{label}, value").format(label=slider.label))
        self.lock = QToolButton()
        self.lock.setObjectName("lock")
        self.lock.setCheckable(True)
        self.lock.setFixedSize(18, 20)
        self.lock.setAutoRaise(True)
        self.lock.setToolTip(self.tr("Lock: presets, random faces and resets leave it alone"))
        self.lock.setAccessibleName(self.tr("Lock {label}").format(label=slider.label))
        self.label.setBuddy(self.track)
        for part in (self.label, self.track, self.field):
            part.setToolTip(slider.tooltip)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 0, 8, 0)
        layout.setSpacing(6)
        for part, stretch in ((self.label, 0), (self.track, 1), (self.field, 0), (self.lock, 0)):
            layout.addWidget(part, stretch)
        self.lock.setIcon(icon("lock", theme.muted, theme.accent))
        self.track.valueChanged.connect(self._on_track)
        self.track.sliderReleased.connect(self.released)
        self.track.reset_asked.connect(self.reset)
        self.field.valueChanged.connect(self._on_field)
        self.lock.toggled.connect(self._on_lock)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)
        self._quiet = False
        self.show_value(slider.default)

    def show_value(self, value: float) -> None:
        """Show a value without telling that it moved."""
        self._quiet = True
        if abs(self.track.amount() - value) > 0.5 / STEPS:
            self.track.set_amount(value)
        self.field.setValue(value)
        moved = abs(value - self.slider.default) > 1e-6
        if self.field.property("moved") != moved:
            self.field.setProperty("moved", moved)
            self.field.style().unpolish(self.field)
            self.field.style().polish(self.field)
        self._quiet = False

    def reset(self) -> None:
        if not self.lock.isChecked():
            self.moved.emit(self.slider.name, self.slider.default, False)

    def mouseDoubleClickEvent(self, _event) -> None:
        self.reset()

    def _on_track(self, _value: int) -> None:
        if not self._quiet:
            self.moved.emit(self.slider.name, round(self.track.amount(), 3), self.track.isSliderDown())

    def _on_field(self, value: float) -> None:
        if not self._quiet:
            self.moved.emit(self.slider.name, round(value, 3), False)

    def _on_lock(self, locked: bool) -> None:
        self.track.setEnabled(not locked)
        self.field.setEnabled(not locked)
        self.lock_asked.emit(self.slider.name, locked)

    def _menu(self, at) -> None:
        if self.lock.isChecked():
            return
        menu = QMenu(self)
        menu.addAction(self.tr("Reset"), self.reset)
        menu.addAction(self.tr("Minimum"), lambda: self.field.setValue(self.slider.minimum))
        menu.addAction(self.tr("Maximum"), lambda: self.field.setValue(self.slider.maximum))
        menu.addSeparator()
        menu.addAction(self.tr("Type a value"), self._type)
        menu.exec(self.mapToGlobal(at))

    def _type(self) -> None:
        self.field.setFocus()
        self.field.selectAll()
