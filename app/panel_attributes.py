"""The attribute panel: every slider of the model, in groups that fold, with search and locks."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.attribute_row import Row
from app.session import Session
from app.theme import Theme


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
