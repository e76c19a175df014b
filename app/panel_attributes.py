"""The attribute panel: every slider of the model, in groups that fold, with search and locks."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.fields import unscrolled
from app.icons import icon
from app.session import Session
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
        self.field = unscrolled(QDoubleSpinBox())
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


class Group(QWidget):
    """Rows under a heading that folds them."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.heading = QToolButton()
        self.heading.setObjectName("group")
        self.heading.setText(title)
        self.heading.setCheckable(True)
        self.heading.setChecked(True)
        self.heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.heading.setArrowType(Qt.ArrowType.DownArrow)
        self.heading.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.count = QLabel()
        self.count.setObjectName("muted")
        self.body = QWidget()
        self.rows: list[Row] = []
        self._inner = QVBoxLayout(self.body)
        self._inner.setContentsMargins(0, 0, 0, 8)
        self._inner.setSpacing(2)
        head = QHBoxLayout()
        head.setContentsMargins(8, 4, 14, 0)
        head.addWidget(self.heading, 1)
        head.addWidget(self.count)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(head)
        layout.addWidget(self.body)
        rule = QFrame()
        rule.setObjectName("rule")
        rule.setFixedHeight(1)
        layout.addWidget(rule)
        self.heading.toggled.connect(self.set_open)

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self._inner.addWidget(row)

    def set_open(self, opened: bool) -> None:
        self.heading.setChecked(opened)
        self.heading.setArrowType(Qt.ArrowType.DownArrow if opened else Qt.ArrowType.RightArrow)
        self.body.setVisible(opened)


class AttributePanel(QWidget):
    """Writes moves into the session and repaints from it."""

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self.theme = session, theme
        self.rows: dict[str, Row] = {}
        self.groups: dict[str, Group] = {}
        self._gesture = 0
        self._held = ""
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.search = QLineEdit()
        self.search.setPlaceholderText(self.tr("Search attributes"))
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName(self.tr("Search attributes"))
        self.search.textChanged.connect(self._filter)
        self._list = QWidget()
        self._list.setObjectName("panel")
        self._stack = QVBoxLayout(self._list)
        self._stack.setContentsMargins(0, 0, 0, 0)
        self._stack.setSpacing(0)
        self._none = QLabel(self.tr("No attribute has this name"))
        self._none.setObjectName("muted")
        self._none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._none.setVisible(False)
        self._stack.addWidget(self._none)
        self._stack.addStretch(1)
        scroll = QScrollArea()
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setObjectName("panel")
        scroll.setWidgetResizable(True)
        scroll.setWidget(self._list)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        top = QHBoxLayout()
        top.setContentsMargins(12, 8, 12, 8)
        top.addWidget(self.search)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(scroll, 1)
        self.setMinimumWidth(330)
        session.moves_changed.connect(self.refresh)
        session.document_changed.connect(self._on_document)
        self.setEnabled(session.inversion is not None)

    def build(self) -> None:
        """Make the rows of the session's sliders; groups stay folded, and what was searched for stays chosen."""
        folded = {name for name, group in self.groups.items() if not group.heading.isChecked()}
        for group in self.groups.values():
            self._stack.removeWidget(group)
            group.deleteLater()
        self.rows, self.groups = {}, {}
        for slider in self.session.sliders:
            group = self.groups.get(slider.group)
            if group is None:
                group = self.groups[slider.group] = Group(slider.group.replace("_", " ").capitalize())
                self._stack.insertWidget(self._stack.count() - 1, group)
            row = Row(slider, self.theme)
            row.lock.setChecked(slider.name in self.session.locked)
            group.add(row)
            row.moved.connect(self._on_moved)
            row.released.connect(self._on_released)
            row.lock_asked.connect(self.session.set_locked)
            self.rows[slider.name] = row
        self._order_focus()
        self._filter(self.search.text())
        for name in folded & set(self.groups):
            self.groups[name].set_open(False)
        self.refresh()

    def _order_focus(self) -> None:
        """From the search field down, row by row; Qt puts rows that are made later behind everything else."""
        before: QWidget = self.search
        for group in self.groups.values():
            parts = [part for row in group.rows for part in (row.track, row.field, row.lock)]
            for part in (group.heading, *parts):
                QWidget.setTabOrder(before, part)
                before = part

    def refresh(self) -> None:
        """Show the session's moves."""
        for name, row in self.rows.items():
            row.show_value(self.session.moves.get(name, row.slider.default))
        for group in self.groups.values():
            moved = sum(row.slider.name in self.session.moves for row in group.rows)
            group.count.setText(str(moved) if moved else "")

    def _on_document(self) -> None:
        self.setEnabled(self.session.inversion is not None)

    def _on_moved(self, name: str, value: float, dragging: bool) -> None:
        if dragging and self._held != name:
            self._gesture += 1
            self._held = name
        self.session.set_move(name, value, f"{name}:{self._gesture}" if dragging else "")

    def _on_released(self) -> None:
        self._held = ""

    def _filter(self, text: str) -> None:
        words = text.lower().split()
        for group in self.groups.values():
            found = 0
            for row in group.rows:
                slider = row.slider
                about = f"{slider.name} {slider.label} {slider.group} {slider.tooltip}".lower()
                fits = all(word in about for word in words)
                row.setVisible(fits)
                found += fits
            group.setVisible(found > 0)
            if words:
                group.set_open(True)
        self._none.setVisible(bool(words) and all(group.isHidden() for group in self.groups.values()))
